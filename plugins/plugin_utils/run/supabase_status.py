# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment's Supabase project in a status: what differs from what is declared, and what waits. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import supabase


def told(seen: Mapping[str, Any]) -> dict[str, Any]:
    """``seen``: as the role supabase keeps it for reports. Empty where no project is declared."""
    if not seen.get("declared"):
        return {}
    project = seen.get("project") or {}
    problem = str(seen.get("problem") or "").strip() or ("" if "differences" in project else str(project.get("msg") or ""))
    return {
        "declared": True,
        "drift": supabase.drift(seen),
        "waiting": list(project.get("waiting") or []),
        "rotation": _rotation(project),
        "problem": " ".join(problem.split()),
    }


def _rotation(project: Mapping[str, Any]) -> list[str]:
    """Of the key that signs users' tokens: the step that a run of supabase.yml would do now, and what waits for a later one."""
    due = [one for one in project.get("differences") or [] if one.get("name") == "signing_key"]
    return [*(f"due now: {one['sentence']}" for one in due), *(project.get("waiting") or [])]


def heads(report: Mapping[str, Any]) -> list[str]:
    """Sentences for people; none where no project is declared."""
    if not report:
        return []
    if report["problem"]:
        return [f"? ({report['problem']})"]
    count = len(report["drift"])
    differ = "1 setting differs" if count == 1 else f"{count} settings differ"
    head = f"{differ}; mend it with playbooks/supabase.yml" if count else "as it is declared"
    return [head, *report["drift"], *report["waiting"]]
