"""The example's services as processes of their own, and flags brought to them as hosts do it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from ansible_collections.morpheus.deploy.plugins.module_utils.flags import words
from ansible_collections.morpheus.deploy.plugins.module_utils.release.live_flags import LiveFlags, digest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.flags import changed

from tests.hangs import HANGS_AFTER_SECONDS
from tests.postgres import free_port
from tests.unit.flags_file import share, text

ROOT = Path(__file__).parents[2]
Answer = TypeVar("Answer")


def wait_for(condition: Callable[[], Answer], what: str) -> Answer:
    """The first true answer of a condition."""
    deadline = time.monotonic() + HANGS_AFTER_SECONDS / 10
    while not (answer := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return answer


@dataclass
class Delivered:
    """A host's flags, changed as playbooks/flags.yml does: made of those that are there, and brought by the host's own code."""

    root: Path
    flags: LiveFlags = field(init=False)

    def __post_init__(self) -> None:
        self.flags = LiveFlags(self.root)

    @property
    def path(self) -> Path:
        return self.root / "live" / words.NAME

    @property
    def version(self) -> int:
        return words.version(self.flags.content)

    def bring(self, content: str) -> None:
        self.flags.bring(content.encode(), digest(self.flags.content), by="alice", why="a test", at="2026-11-27T03:00:00Z")

    def share(self, percent: int) -> None:
        if not self.version:
            self.bring(text({"loud-captions": share(percent)}, 1))
        else:
            self.switch("loud-captions", percent)

    def switch(self, name: str, to: Any) -> None:
        document, flags = words.document(self.flags.content), words.flags(self.flags.content)
        self.bring(changed.text(document, {**flags, name: changed.changed(flags[name], to)}, self.version + 1))


@dataclass
class Served:
    url: str
    process: subprocess.Popen[bytes]
    log: Path
    client: httpx.Client

    def get(self, path: str, user: str = "", **options: Any) -> httpx.Response:
        return self.client.get(self.url + path, headers={"X-User": user} if user else {}, **options)

    def loud(self, user: str) -> bool:
        return bool(self.get("/api/context", user).json()["flags"]["loud_captions"])


@contextmanager
def directory(service: str, root: Path) -> Iterator[Path]:
    """In which the service's sources are the package ``app``."""
    place = root / f"{service}-{len(list(root.iterdir()))}"
    place.mkdir(parents=True)
    (place / "app").symlink_to(ROOT / "services" / service)
    (place / "logs.py").symlink_to(ROOT / "services" / "logs.py")
    before = dict(os.environ)
    # Nobody listens there, and nothing that is asked here needs the database.
    os.environ.setdefault("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    try:
        yield place
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def serving(service: str, root: Path, environment: Mapping[str, str]) -> Iterator[Served]:
    """By the command of its image."""
    port, log = free_port(), root / f"{service}.log"
    given = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "API_READY_SECONDS": "0",
        "APP_ENVIRONMENT": "staging",
        "RELEASE": "1.2.0",
        "PYTHONDONTWRITEBYTECODE": "1",
        **environment,
    }
    command = [sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port), "--no-access-log"]
    with directory(service, root) as place, log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=place, env={**os.environ, **given}, stdout=stream, stderr=subprocess.STDOUT)
    try:
        # A connection for each request, and one client: each new one reads all authorities, and takes more than what it asks.
        with httpx.Client(timeout=60, limits=httpx.Limits(max_keepalive_connections=0)) as client:
            found = Served(f"http://127.0.0.1:{port}", process, log, client)
            wait_for(lambda: _listens(found, port), f"{service} does not listen: {log}")
            yield found
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _listens(served: Served, port: int) -> bool:
    """Which it does once it has started."""
    assert served.process.poll() is None, served.log.read_text()
    try:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
    except OSError:
        return False
    return True
