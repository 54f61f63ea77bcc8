# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a deploy: what would be done on which host, and what speaks against it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.preflight import judge
from ansible_collections.morpheus.deploy.plugins.plugin_utils.preflight import pending as pending_migrations
from ansible_collections.morpheus.deploy.plugins.plugin_utils.preflight.finding import ERROR, WARNING, Finding, Limits

READY, REFUSED = "ready", "refused"
_SHOWN = ("previous", "previous_id", "pending", "plan", "images", "jobs", "changed_secrets", "changed_live_files", "warnings")
_UNKNOWN = "unknown"
# Stands for whatever a tool finds to do.
ANY = "?"
PACKAGES = "the tool runs, and applies beside these what is in the image and among no files"


def plan(
    config: Mapping[str, Any],
    facts: judge.Facts,
    prepared: judge.Facts,
    now: float,
    *,
    lease: Mapping[str, Any],
    keepers: Sequence[str],
    waits: float = 0.0,
    migrations: Mapping[str, Any] | None = None,
    database: Mapping[str, Any] | None = None,
    environment_hosts: Sequence[str] = (),
    at_once: Sequence[int] = (1,),
    backup_hours: float = 0.0,
    balancers: Sequence[str] = (),
    deaf: Sequence[str] = (),
) -> dict[str, Any]:
    """``config``: the checked configuration. ``facts`` and ``prepared``: host -> what preflight_info and stack_release said.

    ``lease``: the report of EnvironmentStatus; ``keepers``: hosts that keep it; ``waits``: seconds that a deploy would wait for
    it. ``migrations``: what supabase_migrations said; ``database``: what the database said when it was asked whose it is.
    ``environment_hosts``: all of the environment; ``at_once``: sizes of batches. ``balancers``: what
    these are told, in words; ``deaf``: why they cannot be.
    """
    limits = Limits.of(config["limits"])
    said = database or {}
    due = _due(config, prepared, migrations or {}, said.get("ledger") or [])
    of_database = judge.database_findings(config, said, environment_hosts or list(facts), at_once)
    found = [
        *_lease(lease, keepers, waits),
        *judge.findings(facts, limits, now, backup_hours, of_database),
        # Who could not be reached before is a finding already.
        *(one for host, said in prepared.items() if not facts[host].get("unreachable") for one in _refusals(host, said)),
        *_risks(due),
        *(Finding(ERROR, "balancers", "", why) for why in deaf),
    ]
    is_refused = any(one.level == ERROR for one in found)
    return {
        "environment": config["environment"],
        "verdict": REFUSED if is_refused else READY,
        "failed": is_refused,
        "stack": config["stack"]["name"],
        "release": config["release"],
        "release_id": next((said["id"] for said in prepared.values() if said.get("id")), ""),
        "findings": [one.as_dict() for one in sorted(found, key=lambda one: one.level != ERROR)],
        "hosts": {host: _host(said) for host, said in prepared.items()},
        "batches": _batches(list(prepared), at_once),
        "migrations": due,
        "balancers": list(balancers),
        "lease": lease.get("lease"),
    }


def _host(said: Mapping[str, Any]) -> dict[str, Any]:
    return {key: said[key] for key in _SHOWN if key in said}


def _batches(hosts: Sequence[str], sizes: Sequence[int]) -> list[list[str]]:
    found, left, sizes = [], list(hosts), list(sizes)
    while left:
        size = max(1, int(sizes.pop(0) if len(sizes) > 1 else sizes[0]))
        found.append(left[:size])
        left = left[size:]
    return found


def _lease(lease: Mapping[str, Any], keepers: Sequence[str], waits: float) -> Iterator[Finding]:
    unread = {**(lease.get("lease_unread") or {})}
    if keepers and 2 * len(unread) >= len(keepers):
        said = "; ".join(f"{name} {why}" for name, why in sorted(unread.items()))
        seen = f"{len(keepers) - len(unread)} of {len(keepers)} hosts that keep it answered ({said})"
        yield Finding(ERROR, "lease", "", seen, "more than half of them", "Bring them back, or name others in lease_hosts")
    holder = lease.get("lease")
    if not holder:
        return
    about = f"{holder['owner']}: {holder['reason']}, since {holder['acquired']}"
    if not holder["alive"]:
        yield Finding(WARNING, "lease", "", f"{about}, gave no sign of life; a deploy takes it over", "nobody has it")
    elif waits:
        yield Finding(WARNING, "lease", "", f"{about}; a deploy waits {waits:g} s for its end", "nobody has it")
    else:
        yield Finding(ERROR, "lease", "", about, "nobody has it", "Wait for its end, or deploy with -e lease_wait_seconds=600")


def _refusals(host: str, said: Mapping[str, Any]) -> Iterator[Finding]:
    if said.get("failed") or said.get("unreachable") or "plan" not in said:
        why = "could not be reached" if said.get("unreachable") else str(said.get("msg") or "gave no answer")
        yield Finding(ERROR, "release", host, why)
        return
    for refusal in said.get("refusals") or []:
        yield Finding(ERROR, "release", host, str(refusal))
    for warning in said.get("warnings") or []:
        yield Finding(WARNING, "release", host, str(warning))


def _due(
    config: Mapping[str, Any], prepared: judge.Facts, said: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    migration = config["stack"].get("migration")
    found: dict[str, Any] = {"engine": "", "pending": [], "waiting": {}, "forced": [], "problem": ""}
    if not migration:
        return found
    if config["supabase"]:
        files = {one["path"]: one for one in config["supabase"]["files"]}
        problem = str(said.get("msg") or "gave no answer") if said.get("failed") or said.get("unreachable") else ""
        pending = [_classified(path, files.get(path) or {}) for path in said.get("applied") or []]
        more = {"waiting": said.get("waiting") or {}, "forced": said.get("forced") or []}
        return {**found, "engine": "supabase", "pending": pending, **more, "problem": problem}
    due = pending_migrations.due(config, rows)
    found["engine"] = due.preset or "command"
    if not any(one.get("pending") for one in prepared.values() if "versions" in one):
        return found
    # Without files nobody knows whether the tool finds anything to do.
    paths = due.paths or ([ANY] if due.runs and not due.is_known else [])
    more = {"also": PACKAGES} if due.is_known and not due.is_whole else {}
    return {**found, "pending": [{"path": path, "kind": _UNKNOWN, "effects": []} for path in paths], **more}


def _classified(path: str, file: Mapping[str, Any]) -> dict[str, Any]:
    return {"path": path, "kind": str(file.get("kind") or _UNKNOWN), "effects": list(file.get("effects") or [])}


def _risks(due: Mapping[str, Any]) -> Iterator[Finding]:
    if due["problem"]:
        yield Finding(ERROR, "migrations", "", due["problem"])
    for one in due["pending"]:
        if one["kind"] == _UNKNOWN:
            name = "the migration's tool runs" if one["path"] == ANY else f"{one['path']} runs"
            yield Finding(WARNING, "migrations", "", f"{name}, and nobody knows what it does to who uses the database")
        elif one["kind"] != "additive":
            what = "; ".join(one["effects"])
            yield Finding(WARNING, "migrations", "", f"{one['path']} runs and is {one['kind']}{': ' if what else ''}{what}")


def lines(report: Mapping[str, Any], path: str) -> list[str]:
    """For people: what speaks against it comes first."""
    stack = report["stack"]
    found = [f"PLAN {report['verdict']}: {report['release']} of {stack} on {report['environment']}"]
    for level, title in ((ERROR, "Refuses the deploy"), (WARNING, "To be known")):
        of_level = [one for one in report["findings"] if one["level"] == level]
        found += [f"  {title}:"] if of_level else []
        for one in of_level:
            first, *rest = f"{one['text']}{' (accepted)' if one['accepted'] else ''}".splitlines()
            found += [f"    - {first}", *(f"      {line}" for line in rest)]
    due = report["migrations"]
    if due["engine"]:
        found.append("  Database, once:")
        found += [
            f"    {'the tool of the migration' if one['path'] == '?' else one['path']} ({one['kind']})" for one in due["pending"]
        ]
        found += [f"    {name} waits: {why}" for name, why in sorted(due["waiting"].items())]
        found += [f"    {due['also']}"] if due.get("also") else []
        found += [] if due["pending"] or due["waiting"] else ["    unknown" if due["problem"] else "    nothing to do"]
    if report["balancers"]:
        found += ["  Balancers ask for routes that not all hosts have:", *(f"    {one}" for one in report["balancers"])]
    for number, batch in enumerate(report["batches"], 1):
        for name in batch:
            host = report["hosts"][name]
            was = f", runs {host['previous'] or 'nothing'}" if "previous" in host else ""
            found.append(f"  Batch {number}, {name}{was}:")
            found += [f"    {step}" for step in host.get("plan") or ["nothing to do" if "plan" in host else "unknown"]]
    return [*found, f"  details: {path}"]
