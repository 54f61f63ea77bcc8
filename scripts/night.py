#!/usr/bin/env python3
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a night found, as the text of one issue: a directory for each playbook that looked, named <environment>-<playbook>.
The versions that hosts run on are compared over all of them: what staging proves should be so in production.

Prints the text, and ends with 1 when something was found. A playbook that left no file is a finding too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

# Playbook -> the file that it writes.
PLAYBOOKS = {
    "status": "status.json",
    "audit": "audit.json",
    "config": "config.json",
    "costs": "costs.json",
    "flags": "verdict.json",
    "certificates": "verdict.json",
}
_LEVELS = ("high", "medium")
_PARTS = {"os": "operating system", "engine": "Docker Engine", "compose": "Docker Compose", "edge": "HAProxy"}
_SCHEMA = {
    "pending": "the live release has migrations that are not applied",
    "failed": "migrations broke off",
    "unknown": "migrations are applied that no retained release has",
}


def hosts_of(report: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Of each host what it said; of several stacks on it, for each."""
    stacks = report.get("stacks") or {"": report.get("hosts", {})}
    for stack, hosts in sorted(stacks.items()):
        for host, said in sorted(hosts.items()):
            yield f"{stack} on {host}" if stack else host, said


def of_status(report: Mapping[str, Any]) -> Iterator[str]:
    for host, said in hosts_of(report):
        for one in [*(said.get("drift") or []), *(said.get("kept_off") or [])]:
            yield f"{host}: {one}"
    for host in report.get("unknown", []):
        yield f"{host}: nobody can say what it runs"
    for host, why in sorted((report.get("balancers_unread") or {}).items()):
        yield f"{host}: did not say whom it keeps off: {why}"
    for host, problems in sorted((report.get("balancers_damaged") or {}).items()):
        yield from (f"{host}: {one}" for one in problems)
    yield from report.get("endpoints") or []
    for stack, schema in sorted((report.get("schemas") or {"": report.get("schema") or {}}).items()):
        yield from (f"schema{stack and f' of {stack}'}: {one}" for one in of_schema(schema))
    supabase = report.get("supabase") or {}
    rotation = supabase.get("rotation") or []
    # A key that is to be rotated differs from what is declared, too. Its line is the one with the command.
    drift = [one for one in supabase.get("drift") or [] if f"due now: {one}" not in rotation]
    yield from (f"Supabase: {one}" for one in [supabase.get("problem"), *drift] if one)
    inventory = f"inventories/{report.get('environment', '')}"
    for one in rotation:
        yield f"rotation of the signing key: {one}; go on with ansible-playbook playbooks/supabase.yml -i {inventory}"


def of_schema(schema: Mapping[str, Any]) -> Iterator[str]:
    """``why``: the database was not asked, and the rest is from before."""
    if schema.get("why"):
        yield f"the database was not asked: {schema['why']}"
    for key, words in _SCHEMA.items():
        if schema.get(key):
            yield f"{words}: {', '.join(schema[key])}"


def of_audit(report: Mapping[str, Any]) -> Iterator[str]:
    for one in report.get("findings", []):
        if one.get("level") in _LEVELS:
            yield f"{one['level']} {one['id']} {one['where']}: {one['seen']}"


def of_config(report: Mapping[str, Any]) -> Iterator[str]:
    yield from report.get("problems", [])
    yield from (report.get("drift") or {}).get("broken", [])


def of_costs(report: Mapping[str, Any]) -> Iterator[str]:
    if report["problem"]:
        yield f"what ML endpoints have cost is unknown: {report['problem']}"
    for cap in (report.get("ml") or {}).get("caps", []):
        if cap["near"] or cap["reached"]:
            ahead = f", reached on {cap['reached']}" if cap["reached"] else ""
            yield f"{cap['cap']}: {cap['used']:g} of {cap['limit']:g} are used{ahead}"


def of_verdict(report: Mapping[str, Any]) -> Iterator[str]:
    if report["failed"]:
        yield from report["messages"] or [f"it ended as {report['verdict']}"]


_FINDINGS = {
    "status": of_status,
    "audit": of_audit,
    "config": of_config,
    "costs": of_costs,
    "flags": of_verdict,
    "certificates": of_verdict,
}


def findings(directory: Path, name: str) -> list[str]:
    """What ``name``, as staging-audit, has found. Every playbook that ended without its file is told as such."""
    playbook = name.rpartition("-")[2]
    path = directory / name / PLAYBOOKS[playbook]
    try:
        return list(_FINDINGS[playbook](json.loads(path.read_text())))
    except (OSError, ValueError, KeyError) as error:
        return [f"{playbook} left no report ({error.__class__.__name__}); its log says why"]


def of_versions(directory: Path, environments: Sequence[str]) -> Iterator[str]:
    """Where hosts run on different versions. What left no report is told where it is missing."""
    found: dict[str, dict[str, list[str]]] = {part: {} for part in _PARTS}
    for environment in environments:
        try:
            report = json.loads((directory / f"{environment}-status" / PLAYBOOKS["status"]).read_text())
        except (OSError, ValueError):
            continue
        hosts = {host.rpartition(" ")[2]: said for host, said in hosts_of(report)}
        for host, said in hosts.items():
            for part in found.keys() & (said.get("versions") or {}).keys():
                found[part].setdefault(said["versions"][part], []).append(f"{host} of {environment}")
    for part, hosts_by_version in found.items():
        if len(hosts_by_version) > 1:
            seen = "; ".join(f"{version} on {', '.join(hosts)}" for version, hosts in sorted(hosts_by_version.items()))
            yield f"{_PARTS[part]}: {seen}"


def text(directory: Path, environments: Sequence[str], run: str) -> tuple[str, int]:
    """The issue, and how many findings there are."""
    lines, count = [f"Found by {run}", ""], 0
    names = [f"{environment}-{playbook}" for environment in environments for playbook in PLAYBOOKS]
    parts = [*((name, findings(directory, name)) for name in names), ("versions", list(of_versions(directory, environments)))]
    for name, found in parts:
        count += len(found)
        lines += [f"## {name}", "", *([f"- {one}" for one in found] or ["Nothing."]), ""]
    return "\n".join(lines), count


def main() -> int:
    directory, run, *environments = sys.argv[1:]
    body, count = text(Path(directory), environments, run)
    sys.stdout.write(body)
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
