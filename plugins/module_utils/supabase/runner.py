# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs migrations on a database, each once, and keeps Supabase's ledger.

A file's statements and its line in the ledger are one transaction, so whenever this is killed both are there or neither is. A
file that cannot be one is run statement by statement, and what has ended is noted, so the next run goes on behind it. A
backfill is run in batches (see backfill.py).

Knows a connection by DB-API's verbs only, and the errors of its driver by their SQLSTATE.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock, SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase import backfill, holders, ledger, recover, said
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase.ledger import Progress
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase.pace import Pace
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase.plan import Decision, MigrationFile, Statement

T = TypeVar("T")
# Anybody's of this collection, on one database; Supabase's CLI takes none.
LOCK = 0x6D6967726174696F
POLL_SECONDS = 0.2
RETRY_SECONDS = 1.0
# lock_not_available, deadlock_detected, serialization_failure: another session was in the way, and nothing is done.
_IN_THE_WAY = {"55P03", "40P01", "40001"}
_CANCELED = "57014"
# Since Postgres 14 a server can see that its client is gone, and end what it does for it.
_SEES_CLIENTS = 140000


@dataclass(frozen=True)
class Limits:
    """In seconds. ``lock``: how long a statement may wait for a lock, and keep others waiting behind it, before it is tried
    again; ``statement``: how long one may run, 0 for as long as all may; ``all``: the whole run.
    """

    lock: float = 4.0
    statement: float = 0.0
    all: float = 300.0


@dataclass
class Runner:
    """``driver_error``: what the connection raises. ``guard`` raises when another run has taken over."""

    connection: Any
    driver_error: type[Exception]
    limits: Limits = Limits()
    guard: Callable[[], None] = lambda: None
    clock: Clock = field(default_factory=SystemClock)
    # Told of each file that was applied.
    applied: list[str] = field(default_factory=list)
    # How far each backfill has come, by its path.
    backfilled: dict[str, str] = field(default_factory=dict)

    def run(self, decide: Callable[[Any], Decision]) -> Decision:
        """``decide`` is asked when nobody else can run migrations any more. Raises DeployError with all problems at once."""
        self.connection.autocommit = True
        self._deadline = self.clock.now() + self.limits.all
        with self.connection.cursor() as cursor, self._watchdog():
            self._lock(cursor)
            decision = decide(cursor)
            refuse(decision)
            if decision.pending:
                self._patiently(cursor, lambda: self._in_transaction(cursor, lambda: ledger.make(cursor)), "the ledger")
            for one in decision.pending:
                self.guard()
                # A file may have given it back (DISCARD ALL).
                self._lock(cursor)
                apply = self._apply_in_batches if one.backfill else self._apply_alone if one.alone else self._apply
                apply(cursor, one)
                self.applied.append(one.path)
        return decision

    def _apply(self, cursor: Any, one: MigrationFile) -> None:
        def act() -> None:
            for statement in one.statements:
                if statement.runs:
                    self._execute(cursor, one, statement)
            ledger.write(cursor, one)

        self._patiently(cursor, lambda: self._in_transaction(cursor, act), one.path)

    def _apply_in_batches(self, cursor: Any, one: MigrationFile) -> None:
        where = f"{one.path}:{next((statement.line for statement in one.statements if statement.runs), 1)}"
        self._patiently(cursor, lambda: self._in_transaction(cursor, lambda: backfill.begin(cursor, one)), one.path)
        had = backfill.progress(cursor, one.version)
        pace = Pace.first(backfill.most_rows(one))
        is_over = False

        def batch() -> None:
            nonlocal had, is_over, pace
            began = self.clock.now()
            step = self._in_transaction(cursor, lambda: backfill.step(cursor, one, pace.rows, self.clock))
            had, is_over = step.now, step.is_over
            pace = pace.after(step.seconds, self.clock.now() - began)

        while not is_over:
            self.guard()
            self._lock(cursor)
            try:
                # What is cancelled while this rests goes on.
                if self._is_late:
                    raise self._too_late(where)
                self._patiently(cursor, batch, where)
            except DeployError as exc:
                raise DeployError(f"{exc}. Of this backfill is done: {had}; the next run goes on behind that") from exc
            self.backfilled[one.path] = str(had)
            if not is_over:
                self.clock.sleep(pace.rest)

    def _apply_alone(self, cursor: Any, one: MigrationFile) -> None:
        self._prepare(cursor)
        ledger.make_progress(cursor)
        found = ledger.progress(cursor, one.version)
        number = len(found.done)
        if list(found.done) != one.texts[:number]:
            raise DeployError(
                f"{one.path}: {number} of its statements have run in an attempt that broke off ({one.alone} cannot run in a "
                "transaction), and they stand otherwise in it now. Put them back as they were; what comes after them may be "
                "changed. "
                f"Or undo by hand what they did and let it begin anew: {ledger.way_to_forget(one.version)}"
            )
        for statement in one.statements[number:]:
            self.guard()
            self._lock(cursor)
            settings = [before for before in one.statements[: len(found.done)] if before.sets]
            act = partial(self._one, cursor, one, statement, found, settings)
            self._patiently(cursor, act, one.path)
            found = Progress((*found.done, statement.text))

        def end() -> None:
            ledger.write(cursor, one)
            ledger.forget(cursor, one.version)

        self._patiently(cursor, lambda: self._in_transaction(cursor, end), one.path)

    def _one(self, cursor: Any, one: MigrationFile, statement: Statement, had: Progress, settings: Sequence[Statement]) -> None:
        """A statement of a file without a transaction, and the note that it has ended. ``settings``: what was set before it."""
        then = Progress((*had.done, statement.text))
        if statement.alone and not statement.alone.startswith("ALTER TYPE"):
            # It waits for other sessions without keeping anybody waiting behind it.
            cursor.execute("set lock_timeout = 0")
            for before in settings:
                self._execute(cursor, one, before)
            self._alone(cursor, one, statement, had)
            ledger.note(cursor, one.version, then)
            return

        def both() -> None:
            if statement.runs:
                self._execute(cursor, one, statement)
            ledger.note(cursor, one.version, then)

        for before in settings:
            self._execute(cursor, one, before)
        self._in_transaction(cursor, both)

    def _alone(self, cursor: Any, one: MigrationFile, statement: Statement, had: Progress) -> None:
        begun = ledger.progress(cursor, one.version).begun == statement.text
        if recover.ended_before(cursor, statement, begun=begun):
            return
        ledger.note(cursor, one.version, replace(had, begun=statement.text))
        try:
            self._execute(cursor, one, statement)
            recover.require_valid(cursor, statement)
        except DeployError:
            if not self._is_late:
                # What it left slows down every write until the next run.
                with suppress(self.driver_error):
                    recover.ended_before(cursor, statement, begun=False)
            raise

    def _execute(self, cursor: Any, one: MigrationFile, statement: Statement) -> None:
        try:
            cursor.execute(statement.text)
        except self.driver_error as exc:
            if said.state(exc) in _IN_THE_WAY:
                raise
            if said.state(exc) == _CANCELED and self._is_late:
                raise self._too_late(f"{one.path}:{statement.line}") from exc
            raise DeployError(f"{one.path}:{statement.line}: {said.words(exc)}{said.after(one)}") from exc

    def _in_transaction(self, cursor: Any, act: Callable[[], T]) -> T:
        cursor.execute("begin")
        try:
            found = act()
            cursor.execute("commit")
            return found
        except BaseException:
            with suppress(self.driver_error):
                cursor.execute("rollback")
            raise

    def _patiently(self, cursor: Any, act: Callable[[], None], what: str) -> None:
        """Again and again while another session holds a lock, for others wait behind who waits for one."""
        tries = 0
        while True:
            try:
                self._prepare(cursor)
                act()
                return
            except self.driver_error as exc:
                if said.state(exc) == _CANCELED and self._is_late:
                    raise self._too_late(what) from exc
                if said.state(exc) not in _IN_THE_WAY:
                    raise DeployError(f"{what}: {said.words(exc)}") from exc
                tries += 1
                self.guard()
                if self.clock.now() + RETRY_SECONDS >= self._deadline:
                    raise DeployError(
                        f"{what}: another session was in the way {tries} times, each time for {self.limits.lock:g} s, and "
                        f"{self.limits.all:g} s are over (stack.migration.timeout_seconds): {said.words(exc)}. Nothing of this "
                        "file is "
                        "done that was not noted; end that session and run this again"
                    ) from exc
                self.clock.sleep(RETRY_SECONDS)

    def _prepare(self, cursor: Any) -> None:
        """What the file before has set is not this one's, as with the CLI."""
        cursor.execute("reset all")
        cursor.execute("reset role")
        limit = self.limits.statement or self.limits.all
        settings = {"lock_timeout": self.limits.lock, "statement_timeout": limit}
        if self.connection.server_version >= _SEES_CLIENTS:
            settings["client_connection_check_interval"] = 1.0
        for name, seconds in settings.items():
            cursor.execute(f"set {name} = {int(seconds * 1000)}")

    def _lock(self, cursor: Any) -> None:
        while True:
            rows = self._asked(cursor, "select pg_try_advisory_lock(%s)", [LOCK])
            if rows and rows[0][0]:
                return
            self.guard()
            if self._is_late:
                parameters = [LOCK >> 32, LOCK & 0xFFFFFFFF]
                # The watchdog cancels once, whatever is asked in that moment.
                rows = self._asked(cursor, holders.QUERY, parameters) or self._asked(cursor, holders.QUERY, parameters)
                raise DeployError(
                    f"another run of migrations is at work on this database, and was for {self.limits.all:g} s "
                    f"(stack.migration.timeout_seconds): {holders.words(rows)}. Nothing was done; run this again when it has "
                    "ended"
                )
            self.clock.sleep(POLL_SECONDS)

    def _asked(self, cursor: Any, query: str, parameters: Sequence[int]) -> list[tuple[Any, ...]]:
        """Nothing when the watchdog has cancelled it."""
        try:
            cursor.execute(query, parameters)
        except self.driver_error as exc:
            if said.state(exc) == _CANCELED and self._is_late:
                return []
            raise
        return list(cursor.fetchall())

    @contextmanager
    def _watchdog(self) -> Iterator[None]:
        """Cancels what runs when the time is over, whatever a file has set."""
        timer = threading.Timer(self.limits.all, self.connection.cancel)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    @property
    def _is_late(self) -> bool:
        # The watchdog's clock and this one need not agree to the millisecond.
        return self.clock.now() >= self._deadline - POLL_SECONDS

    def _too_late(self, what: str) -> DeployError:
        return DeployError(
            f"{what}: did not end within {self.limits.all:g} s (stack.migration.timeout_seconds) and was cancelled; nothing is "
            "at work "
            "in the database any more. Files before this one are applied; run this again with more time, and it goes on from "
            "there"
        )


def refuse(decision: Decision) -> None:
    if decision.problems:
        raise DeployError(
            "nothing was run, because these migrations cannot be:\n"
            + "\n".join(f"  - {problem}" for problem in decision.problems)
        )
