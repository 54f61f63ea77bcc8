# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many connections a server lets a login have, and who has them. Knows a cursor by DB-API's verbs only."""

from __future__ import annotations

from typing import Any

# Newer servers keep some back for the role pg_use_reserved_connections. Background workers of the server have no database.
_LOOK = """
    select current_setting('max_connections')::int,
           current_setting('superuser_reserved_connections')::int
             + coalesce(current_setting('reserved_connections', true), '0')::int,
           (select count(*)::int from pg_stat_activity where datid is not null and usename is distinct from current_user),
           (select rolconnlimit from pg_roles where rolname = current_user),
           (select datconnlimit from pg_database where datname = current_database())
"""


def look(cursor: Any) -> dict[str, int]:
    """``max``, ``reserved``, ``others`` (connections that are not of this login), and ``limit``, the least that role and database
    are limited to; -1 where they are not.
    """
    cursor.execute(_LOOK)
    most, reserved, others, *limits = cursor.fetchone()
    return {"max": most, "reserved": reserved, "others": others, "limit": min([one for one in limits if one >= 0], default=-1)}
