# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of several stacks a rollback takes back that names none: those that the last run gave another release. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.lease import history

_SWITCH = ("deploy ", "rollback")


def last_changed(histories: Iterable[Sequence[Mapping[str, Any]]], names: Sequence[str]) -> tuple[list[str], str]:
    """The stacks of ``names``, and why there is none. ``histories``: of each host that keeps one, oldest first."""
    choose = f"choose one with -e stack_name=<name>: {', '.join(names)}"
    for run in reversed(history.merged(histories)):
        what, at = str(run.get("what", "")), str(run.get("at", ""))
        stacks = run.get("stacks") or {}
        if not stacks and run.get("verdict") == "interrupted" and what.startswith(_SWITCH):
            return [], f"the last run ({what}, {at}) was killed before it could say which stacks it has changed; {choose}"
        changed = [name for name, part in stacks.items() if _is_changed(part)]
        found = [name for name in names if name in changed]
        if changed and not found:
            return [], f"the last run ({what}, {at}) changed {', '.join(changed)}, which stacks no longer has; {choose}"
        if found:
            return found, ""
    return [], f"no run of the history gave a stack another release; {choose}"


def _is_changed(part: Mapping[str, Any]) -> bool:
    word, to = part.get("verdict"), part.get("to")
    if word == "mixed":
        return True
    if "to_id" not in part or part["to_id"] == part.get("from_id"):
        return False
    # Taken back it runs what it ran before; a failed check through the edge leaves the new release.
    stays = word == "failed" and to in (part.get("hosts") or {}).values()
    return word == "deployed" or (word == "rolled_back" and part.get("kind") == "rollback") or stays
