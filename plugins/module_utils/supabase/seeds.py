# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs seed files on a database by the rule of Supabase's CLI, and keeps its ledger of them.

A file that the ledger does not have is run, and one whose content has changed is only written down with its new hash. A file's
statements and its line in the ledger are one transaction.

Knows a connection by DB-API's verbs only, and the errors of its driver by their SQLSTATE.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock, SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase.ledger import SEEDS
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase.runner import LOCK, Limits

_THERE = "select to_regclass(%s) is not null"
_MAKE = (
    "create schema if not exists supabase_migrations",
    f"create table if not exists {SEEDS} (path text not null primary key, hash text not null)",
)
_WRITE = f"insert into {SEEDS} (path, hash) values (%s, %s) on conflict (path) do update set hash = excluded.hash"
_LOCK_NOT_AVAILABLE, _CANCELED = "55P03", "57014"
# Since Postgres 14 a server can see that its client is gone, and end what it does for it.
_SEES_CLIENTS = 140000


@dataclass(frozen=True)
class Statement:
    text: str
    line: int


@dataclass(frozen=True)
class SeedFile:
    """As the controller has read it; ``hash`` as the CLI makes it."""

    path: str
    hash: str
    statements: Sequence[Statement] = ()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> SeedFile:
        return cls(**{**given, "statements": tuple(Statement(**one) for one in given["statements"])})


@dataclass
class Decision:
    """Paths in the order of the files. ``recorded``: those whose content has changed since they were run."""

    seeded: list[str] = field(default_factory=list)
    recorded: list[str] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        return {"seeded": list(self.seeded), "recorded": list(self.recorded)}


def read(cursor: Any) -> dict[str, str]:
    """Path -> hash of what was run; nothing where there is no ledger."""
    cursor.execute(_THERE, [SEEDS])
    if not cursor.fetchone()[0]:
        return {}
    cursor.execute(f"select path, hash from {SEEDS}")
    return {str(path): str(digest) for path, digest in cursor.fetchall()}


def decide(files: Sequence[SeedFile], known: Mapping[str, str]) -> Decision:
    decision = Decision()
    for one in files:
        if one.path not in known:
            decision.seeded.append(one.path)
        elif known[one.path] != one.hash:
            decision.recorded.append(one.path)
    return decision


@dataclass
class Seeder:
    """``driver_error``: what the connection raises. ``guard`` raises when another run has taken over."""

    connection: Any
    driver_error: type[Exception]
    limits: Limits = field(default_factory=Limits)
    guard: Callable[[], None] = lambda: None
    clock: Clock = field(default_factory=SystemClock)
    # What has been committed.
    done: Decision = field(default_factory=Decision)

    def run(self, files: Sequence[SeedFile]) -> Decision:
        """One file after the other; one that fails is undone whole, and those before it stay. Raises DeployError."""
        self.connection.autocommit = True
        self._deadline = self.clock.now() + self.limits.all
        # Whatever a file sets, it ends.
        watchdog = threading.Timer(self.limits.all, self.connection.cancel)
        watchdog.daemon = True
        watchdog.start()
        try:
            self._run(files)
        finally:
            watchdog.cancel()
        return self.done

    def _run(self, files: Sequence[SeedFile]) -> None:
        with self.connection.cursor() as cursor:
            self._alone(cursor)
            due = decide(files, read(cursor))
            if due.seeded or due.recorded:
                self._in_transaction(cursor, "the ledger", lambda: self._make(cursor))
            for one in files:
                self.guard()
                if one.path in due.seeded:
                    self._in_transaction(cursor, one.path, partial(self._seed, cursor, one))
                    self.done.seeded.append(one.path)
                elif one.path in due.recorded:
                    self._in_transaction(cursor, one.path, partial(_write, cursor, one))
                    self.done.recorded.append(one.path)

    def _make(self, cursor: Any) -> None:
        # To make what is there takes rights that the login may not have.
        cursor.execute(_THERE, [SEEDS])
        if not cursor.fetchone()[0]:
            for statement in _MAKE:
                cursor.execute(statement)

    def _seed(self, cursor: Any, one: SeedFile) -> None:
        for statement in one.statements:
            try:
                cursor.execute(statement.text)
            except self.driver_error as exc:
                if _state(exc) in (_LOCK_NOT_AVAILABLE, _CANCELED):
                    raise
                raise DeployError(f"{one.path}:{statement.line}: {_words(exc)}. {_UNDONE}") from exc
        # A file may have set a role or a path in which the ledger is not to be written.
        self._prepare(cursor)
        _write(cursor, one)

    def _alone(self, cursor: Any) -> None:
        """The lock that runs of migrations take, too."""
        cursor.execute(f"set lock_timeout = {int(self.limits.all * 1000)}")
        try:
            cursor.execute("select pg_advisory_lock(%s)", [LOCK])
        except self.driver_error as exc:
            # The watchdog's time is the same.
            if _state(exc) not in (_LOCK_NOT_AVAILABLE, _CANCELED):
                raise
            raise DeployError(
                f"another run of migrations or seeds is at work on this database, and was for {self.limits.all:g} s "
                "(seeds_timeout_seconds). Nothing was done; run this again when it has ended"
            ) from exc

    def _in_transaction(self, cursor: Any, what: str, act: Callable[[], None]) -> None:
        self._prepare(cursor)
        try:
            cursor.execute("begin")
            act()
            cursor.execute("commit")
        except BaseException as exc:
            # Where the connection is gone, so is the transaction.
            with suppress(self.driver_error):
                cursor.execute("rollback")
            if isinstance(exc, self.driver_error):
                raise self._explained(what, exc) from exc
            raise

    def _prepare(self, cursor: Any) -> None:
        """What the file before has set is not this one's."""
        cursor.execute("reset all")
        cursor.execute("reset role")
        left = max(self._deadline - self.clock.now(), 0.001)
        settings = {"lock_timeout": self.limits.lock, "statement_timeout": left}
        if self.connection.server_version >= _SEES_CLIENTS:
            settings["client_connection_check_interval"] = 1.0
        for name, seconds in settings.items():
            cursor.execute(f"set {name} = {int(seconds * 1000)}")

    def _explained(self, what: str, exc: Exception) -> DeployError:
        if _state(exc) == _LOCK_NOT_AVAILABLE:
            why = f"another session held a lock for {self.limits.lock:g} s (seeds_lock_timeout_seconds)"
            return DeployError(f"{what}: {why}: {_words(exc)}. {_UNDONE}")
        if _state(exc) == _CANCELED:
            why = f"did not end within {self.limits.all:g} s (seeds_timeout_seconds) and was cancelled"
            return DeployError(f"{what}: {why}. {_UNDONE}")
        return DeployError(f"{what}: {_words(exc)}. {_UNDONE}")


_UNDONE = "Nothing of this file is done; files before it are. Run this again when that is mended"


def _write(cursor: Any, one: SeedFile) -> None:
    cursor.execute(_WRITE, [one.path, one.hash])


def _state(exc: Exception) -> str:
    return str(getattr(exc, "pgcode", None) or "")


def _words(exc: Exception) -> str:
    """What the server said, on one line, without the mark below the place that it means and without a full stop."""
    lines = [line for line in str(exc).splitlines() if line.strip(" ^\t")]
    return " ".join(" ".join(lines).split()).removesuffix(".") or type(exc).__name__
