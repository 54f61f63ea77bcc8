"""A Postgres cluster of its own, in a temporary directory and on a free port, run by an unprivileged user."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

_START_SECONDS = 120


@dataclass(frozen=True)
class Database:
    """One database of the cluster."""

    port: int
    name: str

    @property
    def url(self) -> str:
        return f"postgresql://gateway@127.0.0.1:{self.port}/{self.name}"

    def rows(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        return _ask(self.url, query, *parameters)

    def cut(self) -> int:
        """Cut every connection to it, as a network or a failover does. How many there were."""
        ours = "pid <> pg_backend_pid() and datname = %s"
        return len(_ask(self._other, f"select pg_terminate_backend(pid) from pg_stat_activity where {ours}", self.name))

    def go_down(self) -> None:
        _ask(self._other, f'alter database "{self.name}" allow_connections false')
        self.cut()

    def come_up(self) -> None:
        _ask(self._other, f'alter database "{self.name}" allow_connections true')

    @property
    def _other(self) -> str:
        return f"postgresql://gateway@127.0.0.1:{self.port}/postgres"


class Cluster:
    def __init__(self, port: int) -> None:
        self.port, self.made = port, 0

    @contextmanager
    def database(self) -> Iterator[Database]:
        self.made += 1
        database = Database(self.port, f"books_{self.made}")
        _ask(database._other, f'create database "{database.name}"')
        try:
            yield database
        finally:
            _ask(database._other, f'drop database "{database.name}" with (force)')


@contextmanager
def cluster(*settings: str) -> Iterator[Cluster]:
    """Settings are name=value, as of postgresql.conf. Nothing is installed: without Postgres the tests fail and say so."""
    bin_, user, port = _binaries(), _user(), free_port()
    # Not below pytest's directories: nobody else may enter those.
    with tempfile.TemporaryDirectory(prefix="ml-gateway-postgres-") as directory:
        data = Path(directory)
        if user:
            shutil.chown(data, user, user)
        made = ("--username", "gateway", "--auth", "trust", "--encoding", "UTF8", "--no-sync")
        _run(user, bin_ / "initdb", "--pgdata", data, *made)
        options = (f"port={port}", f"unix_socket_directories={data}", "max_connections=200", *settings)
        control = (bin_ / "pg_ctl", "--pgdata", data, "--wait", "--timeout", str(_START_SECONDS))
        _run(user, *control, "--log", data / "log", "--options", " ".join(f"-c {option}" for option in options), "start")
        try:
            yield Cluster(port)
        finally:
            _run(user, *control, "--mode", "immediate", "stop")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ask(url: str, query: str, *parameters: object) -> list[dict[str, Any]]:
    with psycopg.connect(url, autocommit=True, row_factory=psycopg.rows.dict_row) as connection:
        cursor = connection.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []


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
