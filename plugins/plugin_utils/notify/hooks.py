# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hooks want to know how a run ended, and what each is told. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KEPT = ("verdict", "failed", "release", "release_id", "previous", "previous_id", "started", "seconds", "messages")


def of_end(verdict: Mapping[str, Any]) -> list[str]:
    """``verdict``: of a run that deploys. A deploy whose hosts were taken back is a failure and a rollback."""
    playbooks = str(verdict.get("playbook") or "deploy").split(", ")
    found = ["on_failure"] if verdict["failed"] else ["after_deploy"] if "deploy" in playbooks else []
    return [*found, "after_rollback"] if verdict["verdict"] == "rolled_back" else found


def facts(name: str, verdict: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, Any]:
    """What the hook reads as one line of JSON."""
    found: dict[str, Any] = {"hook": name, **{word: words[word] for word in ("environment", "playbook", "what", "owner")}}
    found |= {key: verdict[key] for key in _KEPT if key in verdict}
    found["token"] = (verdict.get("lease") or {}).get("token") or 0
    found["hosts"] = {host: one["release"] for host, one in (verdict.get("hosts") or {}).items()}
    if "stacks" in verdict:
        kept = ("verdict", "failed", "release", "previous")
        found["stacks"] = {stack: {key: part[key] for key in kept if key in part} for stack, part in verdict["stacks"].items()}
    return found
