# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger of a stack's database, asked by the login that lies on this host, or as this host saw it last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import env_file
from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import LEDGER, DamagedError, NewerFormatError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import spoken
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.applied import Row
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.shipped import shipped
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import database
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.host import HostIdentity
from ansible_collections.morpheus.deploy.plugins.module_utils.release import schema_files
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Migration

CONNECT_SECONDS = 5
FILE = "ledger.json"
LIVE, SEEN, NONE = "live", "seen", "none"


@spoken()
def look(releases: Releases, now: str, *, release_id: str = "", keep: bool) -> dict[str, Any]:
    """The ledger of a release, or of the live one. ``source``: "live" when the database answered, "seen" when this is what was
    read at ``at``, "none" when nobody knows; then, as with "seen", ``why`` says what kept the database from answering. ``keep``:
    remember what it answers.
    """
    found: dict[str, Any] = {"source": NONE, "ledger": "", "rows": [], "at": "", "why": "", "reader": ""}
    found["live"] = releases.lineage().live
    found["releases"] = {identity: told for identity in releases.ids() if (told := _release(releases, identity))}
    identity = release_id or found["live"]
    migration = releases.read(identity).stack.migration if identity and releases.has(identity) else None
    if not migration or not migration.ledger:
        return found
    found |= {"ledger": migration.ledger, "reader": migration.reader}
    try:
        rows = [row.as_dict() for row in _ask(releases, migration)]
    except (DeployError, OSError) as exc:
        return found | _seen(releases, migration, str(exc))
    if keep:
        _keep(releases, {"ledger": migration.ledger, "at": now, "rows": rows})
    return found | {"source": LIVE, "rows": rows, "at": now}


def _ask(releases: Releases, migration: Migration) -> list[Row]:
    if not migration.reader:
        raise DeployError("stack.migration.reader names no login that may ask it")
    url = secret(releases, migration.reader)
    options = {"url": url, "variable": migration.reader, "ledger": migration.ledger, "timeout_seconds": CONNECT_SECONDS}
    return database.read_ledger({**options, "project_ref": "", "system_identifier": ""}, HostIdentity().read().environment)


def secret(releases: Releases, name: str) -> str:
    """The value of ``<env file>.<variable>`` or ``files.<name>`` on this host."""
    group, _, variable = name.partition(".")
    path = releases.secrets / (variable if group == "files" else f"{group}.env")
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise DeployError(f"{path}, in which its login {name} lies, is not on this host; a deploy brings it") from None
    if group == "files":
        return text.strip()
    values = env_file.values(text)
    if variable not in values:
        raise DeployError(f"{path} does not hold its login {name}; a deploy brings it")
    return values[variable]


def _keep(releases: Releases, content: Mapping[str, Any]) -> None:
    """What a newer version keeps stays as it is."""
    path = releases.root / FILE
    try:
        with suppress(FileNotFoundError, DamagedError):
            LEDGER.load(path)
    except NewerFormatError:
        return
    write_atomically(path, json.dumps(LEDGER.numbered(content)) + "\n", mode=0o600)


def _seen(releases: Releases, migration: Migration, why: str) -> dict[str, Any]:
    """As it was read last, and why the database does not say it now: with what keeps this host from remembering."""
    path = releases.root / FILE
    try:
        found = LEDGER.load(path)
        if found["ledger"] != migration.ledger:
            return {"why": why}
        rows = [Row.of(one).as_dict() for one in found["rows"]]
        return {"why": why, "source": SEEN, "rows": rows, "at": str(found["at"])}
    except FileNotFoundError:
        if not migration.reader:
            return {"why": why}
        lost = f"{path} is missing: the next deploy that reaches the database writes it"
    except (DamagedError, NewerFormatError) as exc:
        lost = str(exc)
    except (KeyError, TypeError, ValueError, AttributeError):
        lost = str(LEDGER.damaged(path, "it lists no migrations"))
    return {"why": f"{why}. What it said last is not known here: {lost}"}


def _release(releases: Releases, identity: str) -> dict[str, Any]:
    """What a retained release says of the schema: its migrations, and what they leave of older releases."""
    with suppress(DamagedError):
        manifest = releases.read(identity)
        migration = manifest.stack.migration
        if migration and migration.directory:
            files = schema_files.read(releases.workspace(identity).files, migration.directory, migration.preset)
            migrations = [one.as_dict() for one in shipped(files, migration.directory, migration.preset)]
            return {**manifest.schema, "breaking": dict(migration.breaking), "migrations": migrations}
    return {}
