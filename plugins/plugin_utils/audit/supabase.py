# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment's Supabase project: what differs from what is declared, what its token reaches, and whether the projects of
other environments refuse it. Pure.

``seen``: {declared, asked, problem, project: result of supabase_project, buckets: results of storage_bucket, proofs: host ->
result of supabase_isolation_info}, as the role supabase keeps it for reports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.isolation import ACCEPTED, REFUSED, TOKEN
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.finding import HIGH, MEDIUM, Check, Finding, counted

_KEEP = "run playbooks/supabase.yml for this inventory"
_SCOPE = "make a token that is scoped to the project alone (docs/supabase.md), put it into the vault, and revoke this one"
_RESTRICT = "name the addresses of the hosts in supabase_project.network.allowed_addresses, and run playbooks/supabase.yml"


def check(seen: Mapping[str, Any]) -> list[Check]:
    """Empty where no project is declared."""
    if not seen.get("declared"):
        return []
    project = seen.get("project") or {}
    if not seen.get("asked") or "differences" not in project:
        why = " ".join(str(seen.get("problem") or project.get("msg") or "the Management API gave no answer").split())
        mend = "repeat the audit where the vault's password is; see that the Management API answers"
        return [Check([], "", [Finding("supabase-unasked", MEDIUM, "", "Supabase", why, mend)])]
    return [_drift(seen), _scope(project), _restrictions(project), *_isolation(seen)]


def drift(seen: Mapping[str, Any]) -> list[str]:
    """What differs, and what of it cannot be asked, as sentences."""
    found = [str(one["sentence"]) for one in (seen.get("project") or {}).get("differences") or []]
    for bucket in seen.get("buckets") or []:
        found += bucket.get("differences") or ([str(bucket["msg"])] if "msg" in bucket else [])
    return found


def _drift(seen: Mapping[str, Any]) -> Check:
    found = [Finding("supabase-drift", MEDIUM, "", "Supabase", one, _KEEP) for one in drift(seen)]
    return Check(["supabase-drift"], "settings, network restrictions and buckets", found)


def _scope(project: Mapping[str, Any]) -> Check:
    found = [Finding("supabase-token-wide", HIGH, "", "the Management API's token", one, _SCOPE) for one in project["wide"]]
    return Check(["supabase-token-wide"], "the token reads no other project and no organization", found)


def _restrictions(project: Mapping[str, Any]) -> Check:
    if project["open"] is False:
        return Check(["supabase-open"], "the database lets in the declared addresses")
    seen = (
        "the database lets everybody connect" if project["open"] else "nothing is declared, so nobody knows who may connect to it"
    )
    return Check([], "", [Finding("supabase-open", HIGH, "", "Supabase", seen, _RESTRICT)])


def _isolation(seen: Mapping[str, Any]) -> Iterator[Check]:
    rows = list(proofs(seen))
    others = {row["project"] for row in rows if row["project"]}
    if not others:
        what = "supabase_others is empty, so no other environment's project was tried"
        mend = "name the projects of the other environments in supabase_others"
        yield Check([], "", [Finding("supabase-unproved", MEDIUM, "", "Supabase", what, mend)])
        return
    found = [_accepted(row) for row in rows if row["project"] and row["outcome"] == ACCEPTED]
    void = [_void(row, rows) for row in rows if row["project"] and row["outcome"] != ACCEPTED and not _is_proved(row, rows)]
    tried = sum(bool(row["project"]) for row in rows)
    yield Check(["supabase-accepted"], f"{counted(tried, 'refusal')} by {', '.join(sorted(others))}", found)
    yield Check(["supabase-unproved"], "each was accepted by the own project", void)


def proofs(seen: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for place, result in (seen.get("proofs") or {}).items():
        yield from ({"from": place, **row} for row in result.get("proofs") or [])


def _is_proved(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether it was refused what the own project accepts."""
    own = [
        one["outcome"]
        for one in rows
        if not one["project"] and (one["from"], one["kind"], one["subject"]) == (row["from"], row["kind"], row["subject"])
    ]
    return row["outcome"] == REFUSED and ACCEPTED in own


def _accepted(row: Mapping[str, Any]) -> Finding:
    if row["kind"] == TOKEN:
        seen = f"{row['project']} accepts {row['subject']} ({row['detail']})"
        mend = "revoke it, and make one that is scoped to this environment's project"
        return Finding("supabase-accepted", HIGH, "", f"{row['project']}'s project", seen, mend)
    seen = f"the database of {row['project']} talks to {row['subject']}: {row['target']} ({row['detail']})"
    mend = f"restrict the network of {row['project']}'s project to its own hosts (playbooks/supabase.yml with its inventory)"
    return Finding("supabase-accepted", HIGH, row["from"], f"{row['project']}'s project", seen, mend)


def _void(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Finding:
    if row["outcome"] == REFUSED:
        seen = f"{row['project']} refuses {row['subject']}, and so does the own project, so that proves nothing"
    else:
        seen = f"whether {row['project']} refuses {row['subject']} is not known: {row['target']} ({row['detail']})"
    mend = "see that supabase_project and supabase_others have the right references, databases and keys"
    host = "" if row["kind"] == TOKEN else row["from"]
    return Finding("supabase-unproved", MEDIUM, host, f"{row['project']}'s project", seen, mend)
