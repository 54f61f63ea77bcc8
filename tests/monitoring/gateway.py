"""The ML gateway and a stub of its provider as processes: what they count and spend stands in the books of a real database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.hangs import HANGS_AFTER_SECONDS
from tests.monitoring.parts import Part
from tests.monitoring.programs import ROOT
from tests.postgres import free_port
from tests.runpod_stub import KEY

# The gateway's packages are beside those of the tests, see the Makefile.
_PYTHON = ROOT / ".venv" / "services" / "bin" / "python"
# What a call may cost at most is its price by the seconds it may take.
_ENDPOINT = {"provider": "runpod", "model": "comic-xl", "version": "1.4.0", "concurrency": 100, "timeout_seconds": 60}
_PRICES = {"comic": "0.00001", "film": "0.00128", "dear": "1"}


class Gateway:
    """``provider``: what can be killed behind it."""

    def __init__(self, directory: Path, database: str) -> None:
        if not _PYTHON.exists():
            pytest.fail("These tests need the packages of the ML gateway: make monitoring", pytrace=False)
        self._directory, self._database = directory, database
        self._port, self._provider_port = free_port(), free_port()
        directory.mkdir()
        (directory / "app").symlink_to(ROOT / "services" / "ml-gateway")
        (directory / "logs.py").symlink_to(ROOT / "services" / "logs.py")
        (directory / "key").write_text(KEY)
        (directory / "config.json").write_text(json.dumps(self._config()))
        self.provider = Part(self._stub)
        self._gateway = Part(self._serve)

    def close(self) -> None:
        self._gateway.end()
        self.provider.end()

    def answers(self) -> bool:
        return self._status("GET", "health") == 200

    def call(self, endpoint: str = "comic") -> int:
        """A call that is answered at once; its status."""
        return self._status("POST", f"v2/{endpoint}/runsync", {"input": {"prompt": "A fox runs.", "seconds": 0.001}})

    @contextmanager
    def a_job_of_an_hour(self) -> Iterator[None]:
        """It may cost 4.608, and is cancelled at the end, when it has cost next to nothing."""
        job = self._ask("POST", "v2/film/run", {"input": {"prompt": "A fox runs.", "seconds": 3600}})["id"]
        try:
            yield
        finally:
            self._ask("POST", f"v2/film/cancel/{job}")

    def _config(self) -> dict[str, Any]:
        endpoints: dict[str, Any] = {
            name: {**_ENDPOINT, "id": f"ep-{name}", "price_per_second": price} for name, price in _PRICES.items()
        }
        endpoints["film"]["timeout_seconds"] = 3600
        return {
            "environment": "production",
            "tier": "production",
            "endpoints": endpoints,
            "limits": {"money_per_day": "5", "over": "refuse"},
            "urls": {"runpod": f"http://127.0.0.1:{self._provider_port}/v2"},
        }

    def _stub(self) -> Any:
        told = {
            "RUNPOD_API_KEYS": json.dumps({KEY: "production"}),
            "RUNPOD_PORT": str(self._provider_port),
            "RUNPOD_LOG": str(self._directory / "calls.jsonl"),
        }
        return _process(self._directory / "stub.log", told, sys.executable, ROOT / "sandbox" / "images" / "runpod" / "server.py")

    def _serve(self) -> Any:
        told = {
            "DATABASE_URL": self._database,
            "ML_GATEWAY_CONFIG": str(self._directory / "config.json"),
            "ML_PROVIDER_KEY_FILE": str(self._directory / "key"),
        }
        server = ("-m", "uvicorn", "app.main:app", "--host", "127.0.0.1", "--port", self._port, "--no-access-log")
        return _process(self._directory / "gateway.log", told, _PYTHON, *server)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        wanted = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/{path}", data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(wanted, timeout=HANGS_AFTER_SECONDS) as answer:
            return json.load(answer)

    def _status(self, method: str, path: str, body: Any = None) -> int:
        """0 where there is no answer."""
        try:
            self._ask(method, path, body)
        except urllib.error.HTTPError as exc:
            return exc.code
        except OSError:
            return 0
        return 200


@contextmanager
def _process(log: Path, told: dict[str, str], *command: object) -> Iterator[subprocess.Popen[bytes]]:
    """Nothing of the outside, such as a proxy, reaches it."""
    environment = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", **told}
    with log.open("ab") as stream:
        process = subprocess.Popen(list(map(str, command)), cwd=log.parent, env=environment, stdout=stream, stderr=stream)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
