"""Databases of branches: each is a Postgres of its own, which comes up with the branch and is destroyed with it."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMING_UP, HEALTHY, FAILED = "COMING_UP", "ACTIVE_HEALTHY", "INIT_FAILED"
_AT_MOST = 10
_SETTINGS = ("fsync=off", "shared_buffers=16MB", "max_connections=60", "timezone=UTC")
_ASK_SECONDS = 0.1


@dataclass(frozen=True)
class Database:
    """``login``: host, port, user and password. ``status``: what the Management API calls its state now."""

    login: Mapping[str, Any]
    status: Callable[[], str]


class Spare:
    """Those that somebody gives, which may be none; each is healthy after ``seconds``. What was written there stays."""

    def __init__(self, given: list[Mapping[str, Any]], seconds: float) -> None:
        self._left, self._seconds = list(given), seconds

    def add(self) -> Database | None:
        if not self._left:
            return None
        healthy_at = time.monotonic() + self._seconds
        return Database(self._left.pop(0), lambda: HEALTHY if time.monotonic() >= healthy_at else COMING_UP)

    def remove(self, login: Mapping[str, Any]) -> None:
        self._left.append(login)

    def end(self) -> None:
        """They are somebody else's."""


class Clusters:
    """Real ones. ``host``: the name by which their users reach them, and where they listen."""

    def __init__(self, host: str, directory: str) -> None:
        self._host, self._root = host, Path(directory)
        self._there: dict[int, _Cluster] = {}
        # Of whoever was here before: its branches are forgotten.
        shutil.rmtree(self._root, ignore_errors=True)

    def add(self) -> Database | None:
        if len(self._there) >= _AT_MOST:
            return None
        port = self._free_port()
        # As Supabase's may be: with what a URL must not hold as it is.
        login = {"host": self._host, "port": port, "user": "postgres", "password": f"{secrets.token_urlsafe(18)}/@%"}
        cluster = _Cluster(self._root / str(port), login)
        self._there[port] = cluster
        return Database(login, lambda: cluster.status)

    def remove(self, login: Mapping[str, Any]) -> None:
        self._there.pop(login["port"]).destroy()

    def end(self) -> None:
        for port in list(self._there):
            self.remove({"port": port})

    def _free_port(self) -> int:
        with socket.socket() as probe:
            probe.bind((self._host, 0))
            return int(probe.getsockname()[1])


class _Cluster:
    """Made beside whoever asks for it, as Supabase does: it answers at once, and is asked until the branch is healthy."""

    def __init__(self, directory: Path, login: Mapping[str, Any]) -> None:
        self.status = COMING_UP
        self._directory, self._login = directory, login
        self._programs, self._user = _programs(), _user()
        self._server: subprocess.Popen[bytes] | None = None
        self._making = threading.Thread(target=self._make, daemon=True)
        self._making.start()

    def destroy(self) -> None:
        self._making.join()
        if self._server:
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait()
        shutil.rmtree(self._directory)

    def _make(self) -> None:
        try:
            self._initialise()
            self._start()
            self.status = HEALTHY
        except (OSError, subprocess.CalledProcessError):
            self.status = FAILED

    def _initialise(self) -> None:
        self._directory.mkdir(parents=True)
        password = self._directory / "password"
        password.write_text(self._login["password"])
        self._directory.chmod(0o700)
        if self._user:
            shutil.chown(self._directory, self._user)
            shutil.chown(password, self._user)
        made = ("--username", self._login["user"], f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync")
        initdb = self._begun("initdb", "--pgdata", self._data, *made)
        if initdb.wait():
            raise subprocess.CalledProcessError(initdb.returncode, "initdb")
        password.unlink()
        with (self._data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all all scram-sha-256\n")

    def _start(self) -> None:
        host, port = self._login["host"], self._login["port"]
        settings = (f"listen_addresses={host}", f"port={port}", f"unix_socket_directories={self._data}", *_SETTINGS)
        self._server = self._begun("postgres", "-D", self._data, *(word for one in settings for word in ("-c", one)))
        asked = (str(self._programs / "pg_isready"), "--quiet", f"--host={host}", f"--port={port}")
        while subprocess.run(asked, check=False).returncode:
            if self._server.poll() is not None:
                raise subprocess.CalledProcessError(self._server.returncode, "postgres")
            time.sleep(_ASK_SECONDS)

    @property
    def _data(self) -> Path:
        return self._directory / "data"

    def _begun(self, program: str, *arguments: object) -> subprocess.Popen[bytes]:
        """As somebody who is not root, which Postgres refuses to run as."""
        command = [str(self._programs / program), *map(str, arguments)]
        other: dict[str, Any] = {}
        if self._user:
            other = {"user": self._user, "group": pwd.getpwnam(self._user).pw_gid, "extra_groups": []}
        with (self._directory / "log").open("ab") as log:
            return subprocess.Popen(command, cwd="/", stdout=log, stderr=log, **other)


def _programs() -> Path:
    """Debian keeps them off the PATH, by version."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return places[-1]


def _user() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "" if os.geteuid() else next(name for name in ("postgres", "nobody") if name in names)
