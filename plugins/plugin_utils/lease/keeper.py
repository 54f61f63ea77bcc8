# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keeper of a lease: a process on the controller that renews it while the run lives, and gives it back at its end.

It knows neither Ansible nor SSH: ``start`` begins a shell command on the lease host.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

from ansible_collections.morpheus.deploy.plugins.module_utils.base import clock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import history
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.lease import BEAT_SECONDS, GONE, Lease
from ansible_collections.morpheus.deploy.plugins.plugin_utils.lease.handover import Handover

POLL_SECONDS = 0.02
# A command that takes longer hangs in a connection that is dead.
COMMAND_SECONDS = 10.0
RETRY_SECONDS = 1.0
FAILED = 1


class Command(Protocol):
    def poll(self) -> int | None:
        """Its exit status; None while it is at work."""

    def kill(self) -> None: ...


class Watched(Protocol):
    """The run, see handover.Process."""

    def runs(self) -> bool: ...

    def stopped(self) -> bool: ...


@dataclass(frozen=True)
class Kept:
    """The lease that is kept, as the module ``lease`` returned it."""

    token: int
    owner: str
    reason: str
    run: str
    ttl_seconds: float


@dataclass
class Keeper:
    lease: Lease
    kept: Kept
    run: Watched
    handover: Handover
    start: Callable[[str], Command]
    clock: Clock

    def keep(self) -> None:
        """Until the run has ended and the lease is given back, or the lease host was out of reach for three times the ttl."""
        line = self._watch()
        # The run itself clears up what failed while it waits for it.
        if self._give_back(line) or not self.run.runs():
            self.handover.remove()

    def _watch(self) -> Mapping[str, Any] | None:
        """Renew until the run ends. What it handed over; None when it was killed before it could."""
        renewal = _Renewal(self)
        try:
            while True:
                # In this order: a run that hands over and ends between the two has handed over.
                runs = self.run.runs()
                line = self.handover.line()
                if line is not None or not runs:
                    return line
                # A run that is stopped does nothing with its lease. Woken up, it finds out whether it still has it.
                renewal.go_on(allowed=not self.run.stopped())
                self.clock.sleep(POLL_SECONDS)
        finally:
            renewal.stop()

    def _give_back(self, line: Mapping[str, Any] | None) -> bool:
        command = self.lease.return_(self.kept.token, self._record(line), only_if_held=line is None)
        deadline = self.clock.now() + 3 * self.kept.ttl_seconds
        while self.clock.now() < deadline:
            if self._finished(self.start(command)) in (0, GONE):
                return True
            self.clock.sleep(RETRY_SECONDS)
        return False

    def _finished(self, command: Command) -> int:
        deadline = self.clock.now() + COMMAND_SECONDS
        while self.clock.now() < deadline:
            code = command.poll()
            if code is not None:
                return code
            self.clock.sleep(POLL_SECONDS)
        command.kill()
        return FAILED

    def _record(self, line: Mapping[str, Any] | None) -> dict[str, Any]:
        record = history.line(
            at=clock.utc(time.time()),
            verdict="interrupted",
            environment=self.lease.environment,
            token=self.kept.token,
            run=self.kept.run,
            owner=self.kept.owner,
            what=self.kept.reason,
            why="" if line else "the run on the controller ended without a verdict",
        )
        return record | dict(line or {})


class _Renewal:
    """Never two renewals at a time. A failed one is tried again; after one that finds the lease gone there is none."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._interval = min(BEAT_SECONDS, keeper.kept.ttl_seconds / 4)
        self._command: Command | None = None
        self._began = keeper.clock.now()
        self._lost = False

    def go_on(self, *, allowed: bool) -> None:
        waited = self._keeper.clock.now() - self._began
        if self._command is not None:
            code = self._command.poll()
            if code is not None:
                self._lost = code == GONE
                self._command = None
            elif waited > COMMAND_SECONDS:
                self.stop()
        if self._command is None and allowed and not self._lost and waited >= self._interval:
            self._began = self._keeper.clock.now()
            self._command = self._keeper.start(self._keeper.lease.renewal(self._keeper.kept.token))

    def stop(self) -> None:
        if self._command is not None:
            self._command.kill()
            self._command = None


class ForkedCommand:
    """A command in a process and session of its own, so that a connection that hangs can be given up."""

    def __init__(self, execute: Callable[[], int]) -> None:
        self._pid = os.fork()
        if self._pid == 0:
            code = FAILED
            try:
                os.setsid()
                code = execute()
            finally:
                os._exit(code)

    def poll(self) -> int | None:
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def kill(self) -> None:
        for end in (os.killpg, os.kill):
            with suppress(ProcessLookupError):
                end(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


def detach(body: Callable[[], None]) -> int:
    """Run ``body`` in a process that belongs to nobody and holds nothing of this one's files. Its number, once it runs.

    Nothing of the caller's stack runs in it, whatever ``body`` raises.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _daemon(body, writer)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as stream:
        number = stream.read()
    if not number:
        raise OSError("the keeper of the lease could not be started")
    return int(number)


def _daemon(body: Callable[[], None], writer: int) -> NoReturn:
    try:
        os.setsid()
        if os.fork() == 0:
            # Whoever ends the run's processes ends the run too, and the keeper gives back the lease then. Handlers, because
            # a signal that is ignored would be ignored by the commands too.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
                signal.signal(number, lambda *_: None)
            _let_go_of_files(keep=writer)
            os.write(writer, str(os.getpid()).encode())
            _null(writer)
            body()
    finally:
        os._exit(0)


def _let_go_of_files(keep: int) -> None:
    """No pipe, socket or terminal stays open. A number is not freed, so that no library writes into somebody else's file."""
    proc = Path("/proc/self/fd")
    for number in [int(path.name) for path in (proc if proc.is_dir() else Path("/dev/fd")).iterdir()]:
        if number != keep:
            with suppress(OSError):
                _null(number)


def _null(number: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, number, inheritable=number < 3)
    if null != number:
        os.close(null)
