"""Where logs come from and go to: an engine in memory, the real rsyslog, and a stub that follows Loki's push API."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.hangs import HANGS_AFTER_SECONDS
from tests.unit import certificates

ROOT = Path(__file__).parents[2]
# Unpacked by `make logs`.
PACKAGES = ROOT / ".cache" / "logs"
FILES = ROOT / "roles" / "logs" / "files"


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + HANGS_AFTER_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return found


class Engine:
    """The engine's API as far as logs need it: every line is kept, and whoever follows waits for the next one."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self.lines: dict[str, list[tuple[str, str]]] = {}
        self.more = threading.Condition()
        self.api = self
        self.last = ""

    def run(self, stack: str, service: str, number: int = 1, environment: tuple[str, ...] = ()) -> str:
        identity = f"{stack}-{service}-{number}"
        labels = {"com.docker.compose.project": stack, "com.docker.compose.service": service}
        if stack != "edge":
            labels |= {"morpheus.deploy.fingerprint": "f", "morpheus.deploy.release": "1.2.0"}
        item = {"Id": identity, "Names": [f"/{identity}"], "Labels": labels, "Env": list(environment)}
        with self.more:
            self.items[identity] = item
            self.lines[identity] = []
        return identity

    def remove(self, identity: str) -> None:
        with self.more:
            del self.items[identity], self.lines[identity]
            self.more.notify_all()

    def say(self, identity: str, *texts: str) -> None:
        """Each with a time of its own."""
        with self.more:
            for text in texts:
                now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"
                self.last = now if now > self.last else self.last[:-4] + f"{int(self.last[-4:-1]) + 1:03}Z"
                self.lines[identity].append((self.last, text))
            self.more.notify_all()

    def containers(self, all: bool) -> list[dict[str, Any]]:
        with self.more:
            return list(self.items.values())

    def inspect_container(self, identity: str) -> dict[str, Any]:
        return {"Config": {"Env": self.items[identity]["Env"], "Tty": False}}

    def logs(self, identity: str, *, stream: bool, follow: bool, timestamps: bool, since: int) -> Iterator[bytes]:
        first = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000000Z")
        number = 0
        while True:
            with self.more:
                while identity in self.lines and number >= len(self.lines[identity]):
                    self.more.wait(HANGS_AFTER_SECONDS)
                if identity not in self.lines:
                    return
                at, text = self.lines[identity][number]
            number += 1
            if at >= first:
                yield f"{at} {text}\n".encode()


def parsed(line: str) -> dict[str, Any] | None:
    try:
        return dict(json.loads(line))
    except json.JSONDecodeError:
        return None


@dataclass
class Rsyslog:
    """A server whose files lie below ``root``; ``port`` stays the same when it is started again."""

    root: Path
    port: int
    tls: bool
    process: subprocess.Popen[bytes] | None = None
    kills: int = 0

    @property
    def ca(self) -> Path:
        """Who signed its certificate: itself."""
        return self.root / "tls" / "ca.pem"

    def certify(self, *names: str) -> None:
        certificate, key = certificates.make(names, authority=True)
        self.ca.parent.mkdir(exist_ok=True)
        for name, text in (("ca", certificate), ("certificate", certificate), ("key", key)):
            (self.ca.parent / f"{name}.pem").write_text(text)

    def start(self, asks_for_certificates: bool = False) -> None:
        libraries = PACKAGES / "usr" / "lib" / "x86_64-linux-gnu"
        said_there = {
            "/var/log/deploy": str(self.root / "log"),
            'port="6514"': f'port="{self.port}"',
            "/etc/rsyslog.d/tls": str(self.ca.parent),
            'mode="1"': f'mode="{int(self.tls)}"',
            'authMode="anon"': f'authMode="{"x509/certvalid" if asks_for_certificates else "anon"}"',
        }
        text = (FILES / "rsyslog-receiver.conf").read_text()
        for there, here in said_there.items():
            assert there in text
            text = text.replace(there, here)
        main = f'global(workDirectory="{self.root}")\nmain_queue(queue.type="Direct")\n'
        (self.root / "rsyslog.conf").write_text(main + text)
        command = [
            PACKAGES / "usr/sbin/rsyslogd",
            "-n",
            "-f",
            self.root / "rsyslog.conf",
            "-i",
            "NONE",
            "-M",
            libraries / "rsyslog",
        ]
        environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries)}
        with (self.root / "said").open("ab") as said:
            self.process = subprocess.Popen([str(part) for part in command], env=environment, stdout=said, stderr=said)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None
            self.kills += 1

    def lines(self) -> list[dict[str, Any]]:
        """What is written whole: the server may be at a line, and when it is killed there the next line begins behind that."""
        texts = (path.read_text() for path in sorted(self.root.rglob("*.jsonl")))
        found = [parsed(line) for text in texts for line in text.splitlines(keepends=True) if line.endswith("\n")]
        assert found.count(None) <= self.kills
        return [line for line in found if line is not None]

    def files(self) -> set[str]:
        return {str(path.relative_to(self.root / "log"))[:-17] for path in self.root.rglob("*.jsonl")}


@contextmanager
def rsyslog(root: Path, port: int, tls: bool) -> Iterator[Rsyslog]:
    server = Rsyslog(root, port, tls)
    server.certify("127.0.0.1")
    try:
        yield server
    finally:
        server.kill()


@dataclass
class Loki:
    """POST /loki/api/v1/push as documented: JSON, 204, and 400 for what is malformed or too old for it."""

    answers: list[int] = field(default_factory=list)
    pushed: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def lines(self) -> list[tuple[dict[str, str], str, str, dict[str, str]]]:
        """Labels, nanoseconds, text and structured metadata of each."""
        return [(one["stream"], *value) for body in self.pushed for one in body["streams"] for value in one["values"]]

    def push(self, path: str, headers: dict[str, str], body: bytes) -> int:
        if path != "/loki/api/v1/push":
            return 404
        self.headers.append(headers)
        if self.answers:
            return self.answers.pop(0)
        found = json.loads(body)
        for one in found["streams"]:
            assert all(isinstance(value, str) for value in one["stream"].values())
            for at, text, beside in one["values"]:
                assert at.isdecimal()
                assert len(at) == 19
                assert isinstance(text, str)
                assert all(isinstance(value, str) for value in beside.values())
        self.pushed.append(found)
        return 204


@contextmanager
def loki() -> Iterator[Loki]:
    found = Loki()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = found.push(self.path, dict(self.headers.items()), body)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
