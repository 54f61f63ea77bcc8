"""A Postgres cluster of its own, in a temporary directory and on a free port, run by an unprivileged user."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2  # type: ignore[import-untyped,unused-ignore] # the stubs are not needed here
import pytest

_START_SECONDS = 120
# Nothing here takes as long on a machine that has something else to do.
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Database:
    """One database of the cluster."""

    port: int
    name: str

    @property
    def url(self) -> str:
        return f"postgresql://postgres:canary@127.0.0.1:{self.port}/{self.name}"

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """In a transaction of its own."""
        with self.session() as session:
            session.execute(query, parameters or None)
            return list(session.fetchall()) if session.description else []

    def value(self, query: str, *parameters: object) -> Any:
        return self.rows(query, *parameters)[0][0]

    @contextmanager
    def session(self) -> Iterator[Any]:
        """A cursor that commits each statement."""
        connection = psycopg2.connect(self.url)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def until(self, query: str, *parameters: object) -> None:
        """Wait for the query's value to be true."""
        eventually(lambda: bool(self.value(query, *parameters)), query)


class Cluster:
    def __init__(self, port: int) -> None:
        self.port, self.made = port, 0

    @contextmanager
    def database(self) -> Iterator[Database]:
        self.made += 1
        database, own = Database(self.port, f"shop_{self.made}"), Database(self.port, "postgres")
        own.rows(f'create database "{database.name}"')
        try:
            yield database
        finally:
            own.rows(f'drop database "{database.name}" with (force)')


@contextmanager
def cluster(*settings: str) -> Iterator[Cluster]:
    """Settings are name=value, as of postgresql.conf. Nothing is installed: without Postgres the tests fail and say so."""
    binaries, user, port = _binaries(), _user(), free_port()
    # Not below pytest's directories: nobody else may enter those.
    with tempfile.TemporaryDirectory(prefix="migrations-postgres-") as directory:
        data = Path(directory)
        if user:
            shutil.chown(data, user, user)
        made = ("--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--no-sync")
        _run(user, binaries / "initdb", "--pgdata", data, *made)
        options = (f"port={port}", f"unix_socket_directories={data}", "fsync=off", *settings)
        control = (binaries / "pg_ctl", "--pgdata", data, "--wait", "--timeout", str(_START_SECONDS))
        _run(user, *control, "--log", data / "log", "--options", " ".join(f"-c {option}" for option in options), "start")
        try:
            yield Cluster(port)
        finally:
            _run(user, *control, "--mode", "immediate", "stop")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(0.02)


def _binaries() -> Path:
    """Debian keeps them off the PATH, by version."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name))
    for place in places:
        if (place / "initdb").exists() and (place / "pg_ctl").exists():
            return place
    pytest.fail("These tests need a Postgres server: apt-get install postgresql", pytrace=False)


def _user() -> str:
    """Postgres refuses to run as root."""
    if os.geteuid() != 0:
        return ""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _run(user: str, *command: object) -> None:
    prefix = ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"] if user else []
    # Its server keeps what it inherits open, so what it says goes to a file, not to a pipe that would never end.
    subprocess.run([*prefix, *map(str, command)], check=True, cwd="/", stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
