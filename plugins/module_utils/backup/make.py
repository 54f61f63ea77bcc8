# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One backup: dumped, encrypted on the way, and restored beside it from the very same stream, all of one moment.

So it is verified without the key that opens it, which this host does not have.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.backup import contents, database, flow, place, record, server
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.database import Database, Declared, State
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.flow import Programs
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.place import Directory, Place
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.record import BACKUP, Record
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.server import Image, Installed, Scratch
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError

_SIZE = "select pg_database_size(current_database())"


@dataclass(frozen=True)
class Wanted:
    """``schemas``: only these, all where there is none. ``rate``: bytes a second that the database is read with; 0 for any."""

    name: str
    why: str
    recipients: Sequence[str]
    schemas: Sequence[str] = ()
    rate: float = 0


@dataclass(frozen=True)
class Making:
    """``spool``: where an archive grows before it is put in its place."""

    declared: Declared
    tools: Installed | Image
    place: Place
    spool: Path
    now: Callable[[], float] = time.time

    def look(self, wanted: Wanted) -> None:
        """Raises DeployError when no backup could be made; reads and writes no data."""
        with database.connected(self.declared, wanted.schemas) as source:
            server.refuse_other(self.tools, source.server)

    def make(self, wanted: Wanted) -> Record:
        """Raises DeployError when it could not be made, and when it could not be restored: then it is kept, without a word in it
        that it was verified.
        """

        def fill(path: Path) -> tuple[Record, str]:
            with database.connected(self.declared, wanted.schemas) as source:
                return self._dumped(source, wanted, path)

        return place.keep(self.place, self.spool, wanted.name, fill, self.now)

    def _dumped(self, source: Database, wanted: Wanted, path: Path) -> tuple[Record, str]:
        version = server.refuse_other(self.tools, source.server)
        if isinstance(self.place, Directory):
            place.require_room(self.spool, int(source.rows(_SIZE)[0][0]))
        snapshot, at = source.snapshot(), record.said(self.now())
        roles = [name for (name,) in source.rows(contents.ROLES)]
        with server.target(self.declared.address()) as target, self.tools.scratch() as scratch:
            prepare(scratch, roles, wanted.schemas)
            options = ["--format=custom", "--no-password", f"--snapshot={snapshot}", "--lock-wait-timeout=60000"]
            options += [f"--schema={name}" for name in wanted.schemas]
            with flow.programs(self.declared.scrubbed) as dumping, flow.programs() as trying:
                encrypted = flow.encrypting(dumping, wanted.recipients, path)
                restored = trying.start(scratch.command("pg_restore", "--exit-on-error"))
                command = self.tools.command("pg_dump", *options, target=target)
                dump = dumping.start(command, environment=self.tools.environment(target))
                flow.pump(flow.Paced(dump.output, flow.Pace(wanted.rate)), encrypted.input, restored.input)
                encrypted.close()
                restored.close()
                dumping.finish()
                state = source.state()
                problem = _trial(trying, scratch, state)
        found = Record(
            name=wanted.name,
            kind=BACKUP,
            environment=self.declared.environment,
            at=at,
            why=wanted.why,
            server=version,
            sha256=flow.sha256(path),
            size=path.stat().st_size,
            roles=roles,
            schemas=list(wanted.schemas),
            tables=state.tables,
            versions=state.versions,
        )
        return found, problem


def prepare(scratch: Scratch, roles: Sequence[str], schemas: Sequence[str]) -> None:
    """What a dump speaks of and does not bring."""
    made = [f"create role {contents.quoted(name)};" for name in roles if name != "postgres"]
    # A dump of named schemas makes each of them.
    made += ["drop schema public;"] if "public" in schemas else []
    scratch.run("\n".join(made), "the server to look at the backup could not be prepared")


def held(scratch: Scratch, tables: Sequence[str]) -> State:
    """What a scratch database holds of ``tables``."""
    settings = contents.SETTINGS + ";\n"
    rows = [row for query in contents.digests(tables) for row in scratch.run(settings + query, "the restored backup")]
    return State(contents.found(rows), [], [], [])


def _trial(trying: Programs, scratch: Scratch, state: State) -> str:
    """Why what was restored is not what was dumped; empty when it is."""
    try:
        trying.finish()
        names = [contents.quoted(*row) for row in scratch.run(contents.tables(), "the restored backup")]
        seen = held(scratch, names)
    except DeployError as exc:
        return str(exc)
    wrong = record.differences(state.tables, seen.tables, now="restored", then="in the database")
    return "; ".join(wrong)
