# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run for several stacks ended, from how its part for each of them did. Pure.

``parts``: stack -> the verdict of its part, in the order in which they were played; see ``without_word`` and ``not_tried`` for
those that have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import summary
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.ends import CHECKED

Parts = Mapping[str, Mapping[str, Any]]
NOT_TRIED = "not_tried"
# Of those that are well, the word that says most.
_WELL = ("deployed", "rolled_back", "done", CHECKED)
_EMPTY: dict[str, Any] = {
    "release": "",
    "release_id": "",
    "previous": "",
    "previous_id": "",
    "hosts": {},
    "left_out": {},
    "let_in": [],
    "notes": [],
    "messages": [],
    "mend": [],
}


def without_word(name: str, code: int) -> dict[str, Any]:
    """Of a part that was killed."""
    how = f"signal {-code}" if code < 0 else f"exit status {code}"
    message = f"the run for {name} ended without a word ({how}); nobody knows what it has done: look with playbooks/status.yml"
    return {**_EMPTY, "verdict": "mixed", "failed": True, "messages": [message]}


def not_tried(why: str, *, failed: bool) -> dict[str, Any]:
    return {**_EMPTY, "verdict": NOT_TRIED, "failed": failed, "messages": [why]}


def looked(code: int, plan: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Of a part that only looks: its report is its word. ``plan``: the one that it has made."""
    about = {"release": plan.get("release", ""), "plan": dict(plan)} if plan else {}
    return {**_EMPTY, "verdict": "failed" if code else "done", "failed": bool(code), **about}


def word(parts: Parts, *, broken_off: bool = False) -> str:
    """The word that is true of all of them; ``mixed`` when none is. ``broken_off``: some may not have had their turn."""
    tried = [part for part in parts.values() if part["verdict"] != NOT_TRIED]
    bad = {str(part["verdict"]) for part in tried if part["failed"]}
    bad |= {"refused"} if broken_off else set()
    good = {str(part["verdict"]) for part in tried if not part["failed"]}
    if not bad:
        return next((one for one in _WELL if one in good), "unchanged" if tried else "refused")
    # A refusal changed nothing, so any other word is true of both.
    bad = bad - {"refused"} or bad
    return bad.pop() if len(bad) == 1 and good <= {"unchanged", CHECKED} else "mixed"


def combined(whole: Mapping[str, Any], parts: Parts) -> dict[str, Any]:
    """``whole``: the verdict of what was done for all stacks together."""
    failed = bool(whole["failed"]) or any(part["failed"] for part in parts.values())
    messages = [f"{name}: {line}" for name, part in parts.items() for line in part["messages"]]
    return {
        **whole,
        "verdict": word(parts, broken_off=bool(whole["failed"])),
        "failed": failed,
        "release": _listed(parts, "release"),
        "previous": _listed(parts, "previous"),
        "let_in": sorted({name for part in parts.values() for name in part.get("let_in") or []}),
        "messages": [*whole["messages"], *messages],
        "stacks": {name: dict(part) for name, part in parts.items()},
    }


def history_line(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """What the history keeps of a run for several stacks: of each what it keeps of a run for one."""
    line = summary.history_line({**_EMPTY, **verdict})
    stacks = verdict["stacks"]
    return {
        **line,
        "kept_off": sorted({name for part in stacks.values() for name in _kept_off(part)}),
        "stacks": {name: _of_stack(part) for name, part in stacks.items()},
    }


def lines(verdict: Mapping[str, Any], path: str) -> list[str]:
    """For the screen: the word, and the word of each stack with what its hosts run."""
    stacks = verdict["stacks"]
    what = f"{len(stacks)} stacks" if len(stacks) > 1 else "1 stack"
    found = [f"VERDICT {verdict['verdict']}: {verdict['environment'] or 'this environment'}, {what} in {verdict['seconds']} s"]
    for name, part in stacks.items():
        found += [f"  {line}" for line in _part_lines(name, part)]
    told = [f"{name}: {line}" for name, part in stacks.items() for line in part["messages"]]
    rest = [message for message in verdict["messages"] if message not in told]
    found += [f"  {line}" for message in [*rest, *(verdict.get("notices") or [])] for line in message.splitlines()]
    return [*found, f"  details: {path}"] if path else found


def _part_lines(name: str, part: Mapping[str, Any]) -> list[str]:
    if part["verdict"] == NOT_TRIED or "kind" not in part:
        tail = [f"  {line}" for message in part["messages"] for line in message.splitlines()]
        return [f"{name}: {str(part['verdict']).replace('_', ' ')}", *tail]
    first, *rest = summary.summary({key: value for key, value in part.items() if key != "path"})
    if part["check_mode"] and not part["failed"]:
        return [f"{name}: {part['verdict']} {part['release']}".rstrip(), *rest]
    about = first.partition(": ")[2].partition(" ")[2].rpartition(" in ")[0]
    return [f"{name}: {part['verdict']} {about}".rstrip(), *rest]


def _listed(parts: Parts, key: str) -> str:
    return ", ".join(f"{name} {part[key]}" for name, part in parts.items() if part.get(key))


def _of_stack(part: Mapping[str, Any]) -> dict[str, Any]:
    if "kind" not in part:
        return {"verdict": part["verdict"], "why": part["messages"][0].splitlines()[0] if part["messages"] else ""}
    line = summary.history_line(part)
    kept = ("from", "to", "verdict", "hosts", "left_out", "why", "interrupted")
    about = {key: line[key] for key in (*kept, "schema") if key in line}
    return about | {"from_id": part["previous_id"], "to_id": part["release_id"], "kind": part["kind"]}


def _kept_off(part: Mapping[str, Any]) -> Iterable[str]:
    left_out = part.get("left_out")
    return [name for name, host in left_out.items() if host.get("kept_off")] if isinstance(left_out, Mapping) else []
