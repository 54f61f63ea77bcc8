#!/usr/bin/env python3
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a night found, as the text of one issue: a directory for each playbook that looked, named <environment>-<playbook>.

Prints the text, and ends with 1 when something was found. A playbook that left no file is a finding too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

# Playbook -> the file that it writes.
PLAYBOOKS = {"status": "status.json", "audit": "audit.json", "config": "config.json", "certificates": "verdict.json"}
_LEVELS = ("high", "medium")


def of_status(report: Mapping[str, Any]) -> Iterator[str]:
    for host, said in sorted(report.get("hosts", {}).items()):
        for one in said.get("drift") or []:
            yield f"{host}: {one}"
    for host in report.get("unknown", []):
        yield f"{host}: nobody can say what it runs"
    # What else differs at Supabase is the audit's to tell.
    for one in (report.get("supabase") or {}).get("rotation", []):
        inventory = f"inventories/{report['environment']}"
        yield f"rotation of the signing key: {one}; go on with ansible-playbook playbooks/supabase.yml -i {inventory}"


def of_audit(report: Mapping[str, Any]) -> Iterator[str]:
    for one in report.get("findings", []):
        if one.get("level") in _LEVELS:
            yield f"{one['level']} {one['id']} {one['where']}: {one['seen']}"


def of_config(report: Mapping[str, Any]) -> Iterator[str]:
    yield from report.get("problems", [])
    yield from (report.get("drift") or {}).get("broken", [])


def of_certificates(report: Mapping[str, Any]) -> Iterator[str]:
    if report["failed"]:
        yield from report["messages"] or [f"it ended as {report['verdict']}"]


_FINDINGS = {"status": of_status, "audit": of_audit, "config": of_config, "certificates": of_certificates}


def findings(directory: Path, name: str) -> list[str]:
    """What ``name``, as staging-audit, has found. Every playbook that ended without its file is told as such."""
    playbook = name.rpartition("-")[2]
    path = directory / name / PLAYBOOKS[playbook]
    try:
        return list(_FINDINGS[playbook](json.loads(path.read_text())))
    except (OSError, ValueError, KeyError) as error:
        return [f"{playbook} left no report ({error.__class__.__name__}); its log says why"]


def text(directory: Path, environments: Sequence[str], run: str) -> tuple[str, int]:
    """The issue, and how many findings there are."""
    lines, count = [f"Found by {run}", ""], 0
    for name in (f"{environment}-{playbook}" for environment in environments for playbook in PLAYBOOKS):
        found = findings(directory, name)
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
