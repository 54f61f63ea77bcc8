"""A Postgres server of its own, in a temporary directory and on a free port, run by an unprivileged user. It needs no driver."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import SystemRandom

import pytest

_START_SECONDS = 120


@contextmanager
def server(owner: str, *settings: str) -> Iterator[int]:
    """Its port. ``owner``: the superuser; settings are name=value, as of postgresql.conf. Nothing is installed: without Postgres
    the tests fail and say so.
    """
    programs, runs_as, port = binaries(), user(), free_port()
    # Not below pytest's directories: nobody else may enter those.
    with tempfile.TemporaryDirectory(prefix="tests-postgres-") as directory:
        data = Path(directory)
        if runs_as:
            shutil.chown(data, runs_as, runs_as)
        made = ("--username", owner, "--auth", "trust", "--encoding", "UTF8", "--no-sync")
        _run(runs_as, programs / "initdb", "--pgdata", data, *made)
        options = (f"port={port}", f"unix_socket_directories={data}", *settings)
        control = (programs / "pg_ctl", "--pgdata", data, "--wait", "--timeout", str(_START_SECONDS))
        _run(runs_as, *control, "--log", data / "log", "--options", " ".join(f"-c {option}" for option in options), "start")
        try:
            yield port
        finally:
            _run(runs_as, *control, "--mode", "immediate", "stop")


_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_given: set[int] = set()


def free_port() -> int:
    """One that stays free while its server is away: none of those that connections get, and never the same one twice."""
    first, last = map(int, _EPHEMERAL.read_text().split())
    # Where connections may get all of them there is no better one.
    ports: list[int] = [*range(10_000, first), *range(last + 1, 65_536)] or [*range(10_000, 65_536)]
    # Hypothesis seeds what random would draw, so that processes side by side would draw the same.
    for port in SystemRandom().sample(ports, min(1000, len(ports))):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port
    raise RuntimeError("of a thousand ports none is free on 127.0.0.1")


def binaries() -> Path:
    """Debian keeps them off the PATH, by version."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name))
    for place in places:
        if (place / "initdb").exists() and (place / "pg_ctl").exists():
            return place
    pytest.fail("These tests need a Postgres server: apt-get install postgresql", pytrace=False)


def user() -> str:
    """Postgres refuses to run as root."""
    if os.geteuid() != 0:
        return ""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _run(user: str, *command: object) -> None:
    prefix = ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"] if user else []
    # Its server keeps what it inherits open, so what it says goes to a file, not to a pipe that would never end.
    subprocess.run([*prefix, *map(str, command)], check=True, cwd="/", stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
