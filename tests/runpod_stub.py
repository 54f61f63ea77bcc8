"""The sandbox's stub of RunPod as a process of its own, for tests of what talks to its REST API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.hangs import HANGS_AFTER_SECONDS
from tests.postgres import free_port

ROOT = Path(__file__).parents[1]
KEY = "staging-runpod-demo-key"


class Stub:
    def __init__(self, port: int, log: Path) -> None:
        self.url, self._log = f"http://127.0.0.1:{port}/v2", log

    def ask(self, method: str, path: str, body: Any = None, key: str = KEY) -> Any:
        headers = {"Authorization": f"Bearer {key}"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(
            urllib.request.Request(f"{self.url}/{path}", data, headers, method=method), timeout=30
        ) as found:
            return json.loads(found.read() or "null")

    def endpoints(self, key: str = KEY) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", "serverless", key=key)["endpoints"]
        return found

    def forget(self) -> None:
        for one in self.endpoints():
            self.ask("DELETE", f"serverless/{one['id']}")

    def writes(self) -> list[str]:
        """What was changed, in order."""
        lines = [json.loads(line)["verb"] for line in self._log.read_text().splitlines()]
        return [verb for verb in lines if verb.startswith(("POST ", "PATCH "))]


@contextmanager
def stub(directory: Path) -> Iterator[Stub]:
    port, log = free_port(), directory / "runpod.jsonl"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONDONTWRITEBYTECODE": "1",
        "RUNPOD_API_KEYS": json.dumps({KEY: "staging", "production-runpod-demo-key": "production"}),
        "RUNPOD_PORT": str(port),
        "RUNPOD_LOG": str(log),
    }
    program = ROOT / "sandbox" / "images" / "runpod" / "server.py"
    found = Stub(port, log)
    with (directory / "runpod.log").open("wb") as said:
        process = subprocess.Popen([sys.executable, str(program)], env=environment, stdout=said, stderr=said)
        try:
            deadline = time.monotonic() + HANGS_AFTER_SECONDS
            while not _answers(found):
                assert process.poll() is None, (directory / "runpod.log").read_text()
                assert time.monotonic() < deadline, "the stub does not answer"
                time.sleep(0.05)
            yield found
        finally:
            process.kill()
            process.wait()


def _answers(found: Stub) -> bool:
    try:
        return isinstance(found.endpoints(), list)
    except OSError:
        return False
