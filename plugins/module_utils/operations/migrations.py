# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations at work on this host: waited for, stopped when their time is over, and never two at once.

A migration's container does not depend on whoever waits for it. When that one is killed it works on, and the next run finds it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock, SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.one_offs import OneOff, OneOffs
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.earlier_runs import Kind, still_at_work
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Migration

POLL_SECONDS = 0.1


@dataclass
class Migrations:
    """Of one stack on this host. ``guard`` raises when another run has taken over: what is at work is left to that one."""

    one_offs: OneOffs
    guard: Callable[[], None] = lambda: None
    clock: Clock = field(default_factory=SystemClock)
    now: Callable[[], float] = time.time
    # Where its time is said.
    option: str = "stack.migration.timeout_seconds"
    # Told of one that ended well, before its container goes.
    ended_well: Callable[[OneOff], None] = lambda one: None

    def settle(self, migration: Migration, release_id: str, *, look_only: bool = False) -> list[str]:
        """See Kind.settle."""
        limit = migration.timeout_seconds
        kind = Kind(_whose, self.one_offs.remove, lambda one, spent: self.finish(one, limit, min(spent, limit)), self.now)
        return kind.settle(self.one_offs.find(migration.service), release_id, look_only=look_only)

    def finish(self, one: OneOff, timeout: float, spent: float = 0.0) -> str:
        """What a migration printed that ended well. Raises DeployError with its last words when it did not, or not in time."""
        ended = self._ended(one, self.clock.now() + timeout - spent)
        if not ended:
            raise DeployError(self._stopped(one, timeout))
        words = self.one_offs.last_words(one) if ended.exit_code else self.one_offs.output(one)
        if not ended.exit_code:
            self.ended_well(one)
        with suppress(EngineError):
            self.one_offs.remove(one)
        if ended.exit_code:
            memory = " (out of memory)" if ended.out_of_memory else ""
            raise DeployError(_with_log(f"{one.name} exited with code {ended.exit_code}{memory}", one, words))
        return words

    def _ended(self, one: OneOff, deadline: float) -> OneOff | None:
        """The container when it has ended; None when it is still at work at the deadline."""
        while True:
            self.guard()
            # An engine that restarts does not end what it runs.
            with suppress(EngineError):
                seen = self.one_offs.look(one.id)
                if seen is None:
                    raise DeployError(
                        f"{one.name} was removed while it was at work, so nobody knows how it ended; run this again"
                    )
                if not seen.at_work:
                    return seen
            if self.clock.now() >= deadline:
                return None
            self.clock.sleep(min(POLL_SECONDS, deadline - self.clock.now()))

    def _stopped(self, one: OneOff, timeout: float) -> str:
        """Stop it and say so; nothing that may still be at work is called stopped, or removed."""
        late = f"{one.name} did not end within {timeout:g} s ({self.option})"
        try:
            self.one_offs.stop(one)
            seen = self.one_offs.look(one.id)
        except EngineError as exc:
            return f"{late} and could not be stopped: {exc}. {_may_go_on(one)}"
        if seen and seen.at_work:
            return f"{late} and did not end when it was stopped. {_may_go_on(one)}"
        words = self.one_offs.last_words(one)
        with suppress(EngineError):
            self.one_offs.remove(one)
        return _with_log(f"{late} and was stopped; nothing of it is at work on this host any more", one, words)


def at_work(one_offs: OneOffs, service: str) -> list[str]:
    """A sentence for each migration at work here, for runs that do not use this host and may not migrate beside it."""
    return [still_at_work(_whose(one), one) for one in one_offs.find(service) if one.at_work]


def _may_go_on(one: OneOff) -> str:
    return (
        f"It may still be at work, so the next run looks for it first and starts no second one. See what it does with: docker "
        f"logs {one.name}; stop it with: docker stop {one.name}"
    )


def _whose(one: OneOff) -> str:
    return f"the migration of release {one.release}" if one.release else "a migration that a person has started"


def _with_log(said: str, one: OneOff, words: str) -> str:
    return f"{said}.\nThe last log lines of {one.name}:\n{words}" if words else f"{said}, and had printed nothing"
