# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has an advisory lock that somebody waits for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Rows for ``words``. Parameters: the upper and the lower half of the lock's number.
QUERY = """
    select a.pid, coalesce(a.application_name, ''), coalesce(host(a.client_addr), ''),
    date_trunc('second', now() - a.backend_start)::text
    from pg_locks l join pg_stat_activity a using (pid)
    where l.locktype = 'advisory' and l.granted and l.objsubid = 1
    and l.database = (select oid from pg_database where datname = current_database())
    and l.classid = %s::oid and l.objid = %s::oid
"""


def words(rows: Sequence[Sequence[Any]]) -> str:
    found = (
        f"session {pid} of {name or 'an unnamed program'} from {client or 'the server itself'}, for {age}"
        for pid, name, client, age in rows
    )
    return "; ".join(found) or "nobody knows whose"
