# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server says of a statement, in the words of a message. Knows the errors of a driver by DB-API's verbs only. Pure."""

from __future__ import annotations

from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import rows
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase.plan import MigrationFile


def state(exc: Exception) -> str:
    return str(getattr(exc, "pgcode", None) or "")


def words(exc: Exception) -> str:
    """What the server said, on one line, without the mark below the place that it means and without a full stop."""
    lines = [line for line in rows.without(str(exc)).splitlines() if line.strip(" ^\t")]
    return " ".join(" ".join(lines).split()).removesuffix(".") or type(exc).__name__


def after(one: MigrationFile) -> str:
    if one.alone:
        return (
            f". {one.alone} cannot run in a transaction, so the statements before this one stay done and are noted; mend this "
            "one or "
            "what it meets, and the next run goes on with it"
        )
    return ". Nothing of this file is done; files before it are applied"
