# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verdict as people read it: lines for the end of a run, and one for the environment's history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.lease import fleet
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.release_names import names_in

# How long is known to the edge's role alone; 300 is its default.
LEFT_BEHIND = (
    "connections left to an old edge worker, which ends by force edge_hard_stop_after_seconds (300 unless set) after its reload"
)


def history_line(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """What the environment's history keeps of a run."""
    verdict = _named(verdict)
    return {
        "what": verdict["lease"].get("reason", ""),
        "owner": verdict["lease"].get("owner", ""),
        "token": verdict["lease"].get("token", 0),
        "environment": verdict["environment"],
        "from": verdict["previous"],
        "to": verdict["release"],
        "verdict": verdict["verdict"],
        "seconds": verdict["seconds"],
        "hosts": {name: host["release"] for name, host in verdict["hosts"].items()},
        "left_out": {name: fleet.runs(host) for name, host in verdict["left_out"].items()},
        "kept_off": [name for name, host in verdict["left_out"].items() if host.get("kept_off")],
        "let_in": verdict["let_in"],
        "drained": verdict["drained"],
        "cut": verdict["cut"],
        "left_behind": verdict["left_behind"],
        "errors": verdict["errors"],
        "interrupted": verdict["interrupted"],
        "why": verdict["messages"][0].splitlines()[0] if verdict["messages"] else "",
        # What a rollback was judged by.
        **({"schema": verdict["schema"]} if verdict.get("schema") else {}),
    }


def summary(verdict: Mapping[str, Any]) -> list[str]:
    """Lines for the end of a run: the word first."""
    verdict = _named(verdict)
    environment = verdict["environment"] or "this environment"
    if verdict["check_mode"] and not verdict["failed"]:
        what = "A rollback to" if verdict["kind"] == "rollback" else "A deploy of"
        lines = [f"CHECK MODE: nothing was changed in {environment}. {what} {verdict['release']} would:"]
        if verdict["rotation"]:
            lines = [f"CHECK MODE: nothing was changed in {environment}. The rotation of {verdict['rotation']['name']} would:"]
            return lines + [f"  {step}" for step in verdict["rotation"]["plan"]]
        for what, key in (("upgrade of the edge", "edges"), ("upgrade of the engine", "engines"), ("removal", "removals")):
            plans = verdict[key]
            if plans:
                lines = [f"CHECK MODE: nothing was changed in {environment}. The {what} would:"]
                lines += [f"  {name}: {plan}" for name, plan in sorted(plans.items())]
        for name, host in sorted(verdict["hosts"].items()):
            lines += [f"  {name}: {step}" for step in host["plan"] or ["nothing to do"]]
        return lines + _left_out_lines(verdict)
    was = f" (was {verdict['previous']})" if verdict["previous"] not in ("", verdict["release"]) else ""
    what = f"{verdict['release']}{was}" if verdict["release"] else ""
    lines = [f"VERDICT {verdict['verdict']}: {environment} {what}".rstrip() + f" in {verdict['seconds']} s"]
    lines += [_host_line(name, host) for name, host in sorted(verdict["hosts"].items())]
    lines += _left_out_lines(verdict)
    # What was done has seconds.
    idle = not any(host.get("plan") or host.get("seconds") for host in verdict["hosts"].values())
    if verdict["verdict"] == "deployed" and verdict["kind"] == "deploy" and was and idle:
        lines.append("  no replica was replaced: what runs is the same in both releases")
    told = [*_schema(verdict), *verdict["notes"], *verdict["messages"], *(verdict.get("notices") or [])]
    lines += [f"  {line}" for message in told for line in message.splitlines()]
    if verdict["mend"]:
        lines += ["  mend it with one of:", *(f"    {command}" for command in verdict["mend"])]
    if "path" in verdict:
        lines.append(f"  details: {verdict['path']}")
    return lines


def _schema(verdict: Mapping[str, Any]) -> list[str]:
    """What was not asked of the database itself is said, whatever became of the run."""
    found = verdict.get("schema") or {}
    if found.get("source", "live") == "live":
        return []
    seen = f"the ledger that {found['host']} saw at {found['at']}" if found["source"] == "seen" else "what hosts remember"
    return [f"the database did not say which migrations it has ({found['why']}); this went by {seen}"]


def _named(verdict: Mapping[str, Any]) -> Mapping[str, Any]:
    """The verdict as people read it: where two releases have one name, their ids stand in its place."""
    names = names_in(verdict)

    def named(one: Mapping[str, Any]) -> dict[str, Any]:
        return {**one, "release": names.of(one["release"], one.get("release_id", ""))}

    return named(verdict) | {
        "previous": names.of(verdict["previous"], verdict["previous_id"]),
        "hosts": {name: named(host) for name, host in verdict["hosts"].items()},
        "left_out": {name: named(host) for name, host in verdict["left_out"].items()},
    }


def _left_out_lines(verdict: Mapping[str, Any]) -> list[str]:
    lines = [f"  {fleet.sentence(name, host)}" for name, host in sorted(verdict["left_out"].items())]
    return [*lines, "  the database was migrated for all hosts"] if lines and verdict["migrated"] else lines


def _host_line(name: str, host: Mapping[str, Any]) -> str:
    state = "more than one release" if host["mixed"] else host["release"] or ("nothing" if host["seen"] else "what it ran before")
    if host["removing"]:
        state = "what its removal has not come to; the same command goes on with it"
    elif host.get("idle"):
        state = f"no replica of {host['release']}, which is live there"
    elif host["lost"]:
        state = f"an unknown release (last known: {host['release'] or 'none'})"
    counts = {
        "live files changed": len(host["live_files"]),
        "secrets put right that somebody had changed": len(host.get("put_right") or []),
        "requests drained": host["drained"],
        "connections cut": host["cut"],
        LEFT_BEHIND: host["left_behind"],
        "requests answered with 5xx": host["errors"],
    }
    interrupted = [f"{service} ({why})" for service, why in sorted(host["interrupted"].items())]
    said = [f"{number} {words}" for words, number in counts.items() if number]
    said += [f"interrupted: {', '.join(interrupted)}"] if interrupted else []
    return ", ".join([f"  {name} runs {state}", *said])
