"""A provider's stub and gateways as processes of their own, and the books beside the stub's log."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from tests.ml_gateway.postgres import Database
from tests.postgres import free_port

ROOT = Path(__file__).parents[2]
# Nothing here is asked by https, and to read all certificates for each call would be most of its cost.
http = httpx.Client(timeout=120, verify=False, trust_env=False)
KEY = "production-runpod-demo-key"
OTHER_KEY = "staging-runpod-demo-key"
PRICE = Decimal("0.0004")
CONFIG: dict[str, Any] = {
    "environment": "test",
    "tier": "staging",
    "endpoints": {
        "comic": {
            "provider": "runpod",
            "id": "ep-comic",
            "model": "comic-xl",
            "version": "1.4.0",
            "price_per_second": str(PRICE),
            "timeout_seconds": 10,
            "concurrency": 1000,
        },
    },
    "limits": {"money_per_day": "100", "over": "refuse"},
}


def wait_for(condition: Any, what: str, seconds: float = 180) -> Any:
    """The first true answer of a condition."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)
    return answer


@dataclass
class Process:
    """A server that listens on 127.0.0.1."""

    port: int
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        return self.log.read_text()

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()

    def stop(self) -> int:
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(40)


@dataclass
class Stub(Process):
    calls: Path = Path()
    # The lines of its log that were there before.
    before: int = 0

    def reached(self, *verbs: str) -> list[dict[str, Any]]:
        """What reached it since, of the verbs that start a job unless others are named."""
        return [line for line in map(json.loads, self._lines()[self.before :]) if line["verb"] in (verbs or ("run", "runsync"))]

    def from_here(self) -> Stub:
        return replace(self, before=len(self._lines()))

    def _lines(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []

    def fails(self, endpoint: str, kind: str, count: int = 1) -> None:
        http.post(f"{self.url}/faults", json={"endpoint": endpoint, "kind": kind, "count": count}).raise_for_status()


@dataclass
class World:
    directory: Path
    database: Database
    stub: Stub
    mock: Stub
    stack: ExitStack
    config: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(CONFIG))
    gateways: list[Process] = field(default_factory=list)
    environ: dict[str, str] = field(default_factory=dict)

    def limits(self, **limits: Any) -> None:
        self.config["limits"].update(limits)

    def endpoint(self, name: str, **values: Any) -> None:
        endpoint = {**CONFIG["endpoints"]["comic"], "id": f"ep-{name}", **self.config["endpoints"].get(name, {}), **values}
        self.config["endpoints"][name] = {key: value for key, value in endpoint.items() if value is not None}

    def environment(self) -> dict[str, str]:
        """Of a gateway's process, which has its package beside it: nothing of the outside, such as a proxy."""
        app = self.directory / "app"
        if not app.exists():
            app.symlink_to(ROOT / "services" / "ml-gateway")
            (self.directory / "logs.py").symlink_to(ROOT / "services" / "logs.py")
        self.config.setdefault("urls", {"runpod": f"{self.stub.url}/v2", "mock": f"{self.mock.url}/v2"})
        config, key = self.directory / "config.json", self.directory / "key"
        config.write_text(json.dumps(self.config))
        if not key.exists():
            key.write_text(KEY)
        return {
            "PATH": os.environ["PATH"],
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "DATABASE_URL": self.database.url,
            "ML_GATEWAY_CONFIG": str(config),
            "ML_PROVIDER_KEY_FILE": str(key),
            **self.environ,
        }

    def start_gateway(self) -> Process:
        """It answers, and may not have reached the database yet."""
        port, log = free_port(), self.directory / f"gateway-{len(self.gateways)}.log"
        server = ("-m", "uvicorn", "app.main:app", "--host", "127.0.0.1", "--port", str(port), "--no-access-log")
        # Keep-alive as in the image: with uvicorn's own 5 s a busy machine's callers meet a connection that is just closed.
        options = ("--backlog", "2048", "--timeout-graceful-shutdown", "8", "--timeout-keep-alive", "75")
        gateway = Process(port, begin(self.stack, log, [sys.executable, *server, *options], self.environment()), log)
        self.gateways.append(gateway)
        wait_for(lambda: answers(f"{gateway.url}/health"), f"the gateway answers; it said {gateway.said}")
        return gateway

    def gateway(self) -> Process:
        """One that is ready."""
        gateway = self.start_gateway()
        wait_for(lambda: answers(f"{gateway.url}/health", 200), "the gateway is ready")
        return gateway

    def control(self, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """The program beside the gateway, as a playbook runs it."""
        command, environment = [sys.executable, "-m", "app.control", *options], self.environment() | environ
        return subprocess.run(command, cwd=self.directory, env=environment, capture_output=True, text=True, check=False)

    def switch(self, mode: str, by: str = "tester", why: str = "a test") -> subprocess.CompletedProcess[str]:
        return self.control(*([mode, "--by", by, "--why", why] if mode else []))

    def tells_of_a_key(self) -> list[str]:
        """The logs of gateways in which the provider's key stands, theirs or that of the other environment."""
        return [one.log.name for one in self.gateways if any(key in one.said for key in (KEY, OTHER_KEY))]

    def calls(self) -> list[dict[str, Any]]:
        return self.database.rows("select * from ml_gateway.calls order by at")

    def spent(self) -> dict[str, dict[str, Any]]:
        rows = self.database.rows("select * from ml_gateway.spent order by period")
        return {"day" if row["period"].count("-") == 2 else "month": row for row in rows}

    def settled(self, seconds: float = 180) -> list[dict[str, Any]]:
        """The calls, once none of them is open any more."""
        wait_for(lambda: all(call["state"] != "open" for call in self.calls()), "every call is settled", seconds)
        return self.calls()


def begin(stack: ExitStack, log: Path, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """A process that ends with the stack. What it says is beside what it works in."""
    with log.open("wb") as file:
        popen = subprocess.Popen(command, cwd=log.parent, env=environment, stdout=file, stderr=subprocess.STDOUT)
    stack.callback(popen.wait)
    stack.callback(popen.kill)
    return popen


def begin_stub(stack: ExitStack, directory: Path, name: str, keys: dict[str, str]) -> Stub:
    port, calls = free_port(), directory / f"{name}.jsonl"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONDONTWRITEBYTECODE": "1",
        "RUNPOD_API_KEYS": json.dumps(keys),
        "RUNPOD_PORT": str(port),
        "RUNPOD_LOG": str(calls),
    }
    program, log = ROOT / "sandbox" / "images" / "runpod" / "server.py", directory / f"{name}.log"
    stub = Stub(port, begin(stack, log, [sys.executable, str(program)], environment), log, calls)
    wait_for(lambda: answers(f"{stub.url}/log"), f"the stub answers; it said {stub.said}")
    return stub


@dataclass(frozen=True)
class Providers:
    """One for all tests, each of which begins where its log has come to."""

    stub: Stub
    mock: Stub


@contextmanager
def providers(directory: Path) -> Iterator[Providers]:
    with ExitStack() as stack:
        stub = begin_stub(stack, directory, "stub", {KEY: "production", OTHER_KEY: "staging"})
        # The same program stands in for the mock: it is told by the name of the endpoint and no key.
        yield Providers(stub, begin_stub(stack, directory, "mock", {"": "mock"}))


@contextmanager
def world(directory: Path, database: Database, found: Providers) -> Iterator[World]:
    with ExitStack() as stack:
        made = World(directory, database, found.stub.from_here(), found.mock.from_here(), stack)
        yield made
        assert made.tells_of_a_key() == []


def answers(url: str, *statuses: int) -> bool:
    """A connection that the server has closed meanwhile is no answer."""
    try:
        return http.get(url, timeout=20).status_code in (statuses or (200, 503))
    except httpx.HTTPError:
        return False


def story(seconds: float = 0.05, **more: Any) -> dict[str, Any]:
    return {"input": {"prompt": "A fox runs. It sleeps.", "seconds": seconds, **more}}


def agree(world: World) -> None:
    """What is spent by day and month is the sum of the calls, in one and the same snapshot."""
    query = """
        select period, spent.requests, spent.money, calls.number, calls.sum from ml_gateway.spent, (
            select count(*) as number, coalesce(sum(coalesce(cost, reserved)), 0) as sum
            from ml_gateway.calls where state <> 'released') calls
    """
    for row in world.database.rows(query):
        assert (row["requests"], row["money"]) == (row["number"], row["sum"]), f"{row['period']} is not the sum of the calls"


def settle_to_the_log(world: World) -> Counter[str]:
    """Nothing reached the provider without a row, and what is settled has the price that the log gives it. Counts by state."""
    calls = {str(call["id"]): call for call in world.settled()}
    reached = {line["request"]: line for line in world.stub.reached()}
    counted = {call for call, row in calls.items() if row["state"] in ("settled", "unknown")}
    assert set(reached) <= counted, "a call reached the provider and is not in the books"
    for call, row in calls.items():
        if row["state"] == "settled":
            assert call in reached, "a call is settled that never reached the provider"
            assert row["cost"] == PRICE * reached[call]["executes_milliseconds"] / 1000
    agree(world)
    return Counter(row["state"] for row in calls.values())
