# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup put back: into a server of its own, to see that it can be, or into the database, in one transaction.

Whoever reads the database sees it as it was until the transaction ends, and as it was in the backup afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.backup import contents, database, flow, make, record, server
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.database import Declared
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.flow import Pace, Program, Programs
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.place import Place
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.record import Record
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.server import Image, Installed, Scratch
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError

_PSQL = ("--no-psqlrc", "--quiet", "--output=/dev/null", "--set=ON_ERROR_STOP=1", "--set=VERBOSITY=terse", "--file=-")
# What psql ends with when the database has taken a statement, or has said no to one.
_ANSWERED = (0, 3)


class UnansweredError(DeployError):
    """The database was told to commit, and did not answer."""


@dataclass(frozen=True)
class Plan:
    """What a restore would do. ``lost``: sentences; ``is_empty``: there is nothing to lose."""

    is_empty: bool
    lost: Sequence[str]


@dataclass(frozen=True)
class Restoring:
    """``identity``: the key that opens archives. ``spool``: where one lies that comes from elsewhere. ``pace``: of all that is
    read to look at one.
    """

    tools: Installed | Image
    place: Place
    spool: Path
    identity: str = field(repr=False)
    now: Callable[[], float] = time.time
    pace: Pace = field(default_factory=Pace)

    def drill(self, found: Record) -> int:
        """How many rows came back, each of them as it was. Nothing but a server of its own is touched."""
        with self.scratch(found) as scratch:
            seen = make.held(scratch, list(found.tables))
        wrong = record.differences(found.tables, seen.tables, now="restored", then="in the backup")
        if wrong:
            raise DeployError(f"the backup {found.name} does not come back as it was: {'; '.join(wrong)}")
        return sum(one.rows for one in seen.tables.values())

    @contextmanager
    def scratch(self, found: Record) -> Iterator[Scratch]:
        """A server of its own with what ``found`` holds."""
        with self.archive(found) as path, self.tools.scratch() as scratch, ExitStack() as stack:
            make.prepare(scratch, found.roles, found.schemas)
            with flow.programs() as at_work:
                plain = flow.decrypting(at_work, self.identity, path, stack)
                restored = at_work.start(scratch.command("pg_restore", "--exit-on-error"))
                flow.pump(flow.Paced(plain.output, self.pace), restored.input)
                restored.close()
                _finish(at_work, f"the backup {found.name} cannot be restored")
            yield scratch

    def restore(self, declared: Declared, found: Record) -> None:
        """Raises DeployError with the database as it was, whatever fails."""
        with database.connected(declared, found.schemas, may_be_new=True) as here:
            server.refuse_other(self.tools, here.server)
            missing = sorted(set(found.roles) - {name for (name,) in here.rows(contents.ROLES)})
            schemas = found.schemas or [name for (name,) in here.rows(contents.SCHEMAS)]
        if missing:
            roles = "; ".join(f"create role {contents.quoted(name)}" for name in missing)
            raise DeployError(
                f"the backup {found.name} speaks of roles that this server does not have; nothing was changed. Make them first, "
                f"with the rights to log in that they need: {roles}"
            )
        before = contents.emptied(schemas, whole=not found.schemas)
        with self.archive(found) as path:
            self.put(declared, path, f"{_BEGIN}\n{before}\n", [], contents.proof(found.tables), f"the backup {found.name}")

    def put(self, declared: Declared, path: Path, before: str, options: Sequence[str], after: str, what: str) -> None:
        """``before``, what the archive holds, ``after``: one transaction. ``options``: of pg_restore."""
        with flow.programs(declared.scrubbed) as at_work, ExitStack() as stack:
            target = stack.enter_context(server.target(declared.address()))
            plain = flow.decrypting(at_work, self.identity, path, stack)
            script = at_work.start(self.tools.command("pg_restore", "--file=-", *options), stdin=plain.process.stdout)
            plain.output.close()
            command = self.tools.command("psql", *_PSQL, target=target)
            psql = at_work.start(command, environment=self.tools.environment(target))
            _say(psql, before)
            flow.pump(script.output, psql.input)
            wrong = f"{what} was not restored, and the database is as it was"
            # Only what was read to its end may be committed.
            whole = _ended_well(at_work, plain, script)
            if whole:
                _say(psql, f"\n{contents.SETTINGS};\n{after}\n\\echo at its end\ncommit;\n")
            psql.close()
            if psql.output.read() and psql.process.wait() not in _ANSWERED:
                raise UnansweredError(
                    f"{what} was written, and no answer came when the transaction was to end, so nobody knows whether "
                    f"the database holds it or is as it was: {declared.scrubbed(psql.words())}. Run this again: it is one "
                    "transaction, and may be done twice"
                )
            _finish(at_work, wrong)
            if not whole:
                raise DeployError(wrong)

    @contextmanager
    def archive(self, found: Record) -> Iterator[Path]:
        with archive(self.place, self.spool, found, self.pace) as path:
            yield path


@contextmanager
def archive(where: Place, spool: Path, found: Record, pace: Pace | None = None) -> Iterator[Path]:
    """The one that was made. Raises DeployError when another one lies there."""
    where.make()
    with where.archive(found, spool) as path:
        seen = flow.sha256(path, pace)
        if seen != found.sha256:
            raise DeployError(
                f"the archive of {found.name} is not the one that was made: its SHA-256 is {seen}, expected {found.sha256}. "
                "It was changed, or damaged where it lies; take another backup"
            )
        yield path


_BEGIN = f"begin; {contents.SETTINGS}; set client_min_messages = warning;"


@contextmanager
def filling(about: dict[str, Any]) -> Iterator[None]:
    """``about``: gets to know whether the database may hold something else than before."""
    try:
        yield
    except UnansweredError:
        about["begun"] = True
        raise
    about["begun"] = True


def plan(declared: Declared, found: Record, now: float) -> Plan:
    """What a restore of ``found`` would take away, by what the database holds at this moment."""
    with database.connected(declared, found.schemas, may_be_new=True) as here:
        if here.is_empty():
            return Plan(True, [])
        state = here.state()
    lost = [f"whatever was written after {found.at}, {(now - found.seconds) / 3600:.1f} hours ago"]
    lost += record.differences(found.tables, state.tables, now="now", then="in the backup")
    later = sorted(set(state.versions) - set(found.versions))
    if later:
        lost.append(
            f"migrations that were applied since: {', '.join(later)}; a deploy of a release that has them applies them again"
        )
    return Plan(False, lost)


def refuse_other(found: Record, environment: str, kind: str) -> None:
    if found.environment != environment or found.kind != kind:
        raise DeployError(f"{found.name} is {found.kind} of {found.environment}, and a {kind} of {environment} is needed")


def _say(program: Program, text: str) -> None:
    # Why it takes no more is told when it is waited for.
    flow.written(program.input, text.encode())


def _ended_well(at_work: Programs, *some: Program) -> bool:
    # Each is waited for.
    codes = [program.process.wait() for program in some]
    return not any(codes)


def _finish(at_work: Programs, what: str) -> None:
    try:
        at_work.finish()
    except DeployError as exc:
        raise DeployError(f"{what}: {exc}") from None
