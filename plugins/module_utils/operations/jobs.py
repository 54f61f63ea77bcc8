# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs on this host: services that end, run once for each release, waited for, and never two of a stack's at once.

As with a migration the container is the mark that no crash can lose: one that works on, or has ended, without anybody is found by
the next run. What ended well is remembered in the lineage, and its container removed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Lock

from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock, SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.compose_command import Compose
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.one_offs import JOB, OneOff, OneOffs
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.journal import Journal
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.earlier_runs import Kind, still_at_work
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.migrations import Migrations
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack


@dataclass
class Jobs:
    """Of one stack on this host. ``migrations``: how one-off containers are waited for."""

    releases: Releases
    one_offs: OneOffs
    migrations: Migrations
    # Jobs of one wave end beside each other, and each is written into one file.
    _lock: Lock = field(default_factory=Lock, repr=False)

    @classmethod
    def of(
        cls, releases: Releases, one_offs: OneOffs, guard: Callable[[], None] = lambda: None, clock: Clock | None = None
    ) -> Jobs:
        return cls(releases, one_offs, Migrations(one_offs, guard, clock or SystemClock()))

    def settle(self, stack: Stack, names: Collection[str], identity: str, *, look_only: bool = False) -> list[str]:
        """See Kind.settle."""
        kind = Kind(_whose, self._ended, lambda one, spent: self._finish(stack, one, spent), self.migrations.now)
        return kind.settle(self.one_offs.jobs(names), identity, look_only=look_only)

    def runner(self, stack: Stack, identity: str, compose: Compose) -> Callable[[str], None]:
        """How a rollout to a release runs each of its jobs."""
        return lambda service: self.run(stack, service, identity, lambda: compose.run_detached(service, {JOB: identity}))

    def run(self, stack: Stack, service: str, identity: str, start: Callable[[], None]) -> None:
        """Run a job of a release unless it has ended well by now. ``start``: starts its container, which has its label."""
        self.settle(stack, [service], identity)
        if not self.releases.lineage().is_due(identity, service):
            return
        try:
            start()
            found = self._ours(service, identity)
            if not found:
                raise EngineError("its container was gone before anybody could look at it; is something pruning containers here?")
        except EngineError as exc:
            with suppress(EngineError):
                for one in self._ours(service, identity):
                    self.one_offs.stop(one)
                    self.one_offs.remove(one)
            raise DeployError(f'the job "{service}" did not start: {exc}') from exc
        try:
            self._finish(stack, found[0], 0.0)
        except DeployError as exc:
            raise DeployError(f'the job "{service}" failed: {exc}') from exc

    def at_work(self) -> list[str]:
        """A sentence for each that is at work here, for runs that do not use this host and may not run it beside it."""
        return self.at_work_of_others("")

    def at_work_of_others(self, identity: str) -> list[str]:
        """The same of those that are of another release than this."""
        return [still_at_work(_whose(one), one) for one in self.one_offs.jobs(()) if one.at_work and one.release != identity]

    def _ours(self, service: str, identity: str) -> list[OneOff]:
        return [one for one in self.one_offs.jobs([service]) if (one.service, one.release) == (service, identity)]

    def _finish(self, stack: Stack, one: OneOff, spent: float) -> None:
        timeout = stack.job(one.service).timeout_seconds
        option = f"stack.jobs.{one.service}.timeout_seconds"
        # Remembered before its container goes: whenever this run is killed, one of the two is there.
        waiting = replace(self.migrations, option=option, ended_well=self._remember)
        waiting.finish(one, timeout, min(spent, timeout))

    def _ended(self, one: OneOff) -> None:
        """One that nobody has waited for to its end."""
        if not one.exit_code:
            self._remember(one)
        self.one_offs.remove(one)

    def _remember(self, one: OneOff) -> None:
        with self._lock:
            lineage = self.releases.lineage()
            lineage.has_run(one.release, one.service)
            self.releases.write_lineage(lineage)
        # It tells the same when the lineage is lost; a disk without room for it is no reason to fail.
        with suppress(OSError):
            Journal(self.releases.root / "journal.jsonl").write("job", release=one.release, job=one.service)


def _whose(one: OneOff) -> str:
    return (
        f"the job {one.service} of release {one.release}"
        if one.release
        else f"the job {one.service}, which a person has started,"
    )
