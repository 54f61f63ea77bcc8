# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An export of another environment brought into this one's database, in one transaction. Only rows change: the schema is this
environment's own, and so are its marker and its ledger of migrations.
"""

from __future__ import annotations

from ansible_collections.morpheus.deploy.plugins.module_utils.backup import contents, database, foreign_keys, server
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.database import Declared
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.record import EXPORT, Record
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.restore import Restoring
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError

# Without triggers and checks of foreign keys where the login may do that; the keys are looked at in the end.
_QUIET = (
    "do $quiet$ begin perform set_config('session_replication_role', 'replica', true); "
    "exception when insufficient_privilege then null; end $quiet$;"
)


def look(declared: Declared, found: Record) -> None:
    """Raises DeployError when the export cannot be brought here; reads only."""
    if found.kind != EXPORT:
        raise DeployError(
            f"{found.name} is a {found.kind} of {found.environment}, with persons in it; only an export is brought here"
        )
    if found.environment == declared.environment:
        raise DeployError(
            f"{found.name} is an export of {found.environment} itself; restore a backup instead: playbooks/restore.yml"
        )
    with database.connected(declared) as here:
        there = {contents.quoted(*row) for row in here.rows(contents.tables())}
        missing = sorted(set(found.tables) - there)
    if missing:
        raise DeployError(
            f"the database of {declared.environment} has no table {', '.join(missing)}, and {found.name} brings rows for it; "
            "nothing was changed. Deploy a release with the migrations that make it first"
        )


def bring(restoring: Restoring, declared: Declared, found: Record) -> None:
    """Raises DeployError with the database as it was, whatever fails."""
    look(declared, found)
    with database.connected(declared) as here:
        server.refuse_other(restoring.tools, here.server)
    emptied = f"truncate {', '.join(found.tables)} cascade;" if found.tables else ""
    before = f"begin; {contents.SETTINGS}; set client_min_messages = warning; {_QUIET}\n{emptied}\n"
    after = f"{contents.counted(found.tables)}\n{foreign_keys.proof()}"
    with restoring.archive(found) as path:
        restoring.put(declared, path, before, ["--data-only"], after, f"the export {found.name}")
