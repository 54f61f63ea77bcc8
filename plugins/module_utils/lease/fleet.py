# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of an environment, and which of them a run does without: lost on the way, or left out by ``--limit``. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

UNKNOWN = "unknown"
_AWAY = "it could not be reached"


def missing(needed: Sequence[str], present: Iterable[str], chosen: Iterable[str]) -> list[str]:
    """A sentence for each host of ``needed`` that is not ``present``; ``chosen`` are the hosts that the run set out with."""
    present, chosen = set(present), set(chosen)
    return [f"{name} {_why(name in chosen)}" for name in needed if name not in present]


def _why(was_chosen: bool) -> str:
    return "was lost (it could not be reached, or a task failed on it)" if was_chosen else "is left out by --limit"


def way_on(lost: Sequence[str], chosen: int, limit: str) -> list[str]:
    """What a run is told that was refused because of ``lost`` hosts; ``chosen``: how many there were, with ``limit``."""
    if not lost or len(lost) >= chosen:
        return []
    them = "it" if len(lost) == 1 else "them"
    without = ",".join([*([limit] if limit else []), *(f"!{name}" for name in lost)])
    return [f"Mend {them}; or run the same command with --limit '{without}' to go on without {them}."]


@dataclass(frozen=True)
class LeftOut:
    """What a host that ``--limit`` leaves out said of itself. ``problem``: why it said nothing."""

    release: str = ""
    release_id: str = ""
    rolling: str = ""
    schema: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    # Whether every balancer keeps it off, and why one does not.
    kept_off: bool = False
    balancer_problem: str = ""


def left_out(answers: Mapping[str, Mapping[str, Any]], balancers: Sequence[Mapping[str, Any]] = ()) -> dict[str, dict[str, Any]]:
    """``answers``: host -> what the task that asked it ended with, a result of the module ``stack_info`` if all is well.

    ``balancers``: results of ``edge_upstream``, which was to keep off the hosts that could not be reached.
    """
    found = {name: _left_out(answer) for name, answer in answers.items()}
    told = [one for one in balancers if not one.get("skipped")]
    problem = next((_balancer_problem(one) for one in told if one.get("failed") or one.get("unreachable")), "")
    kept_off = bool(told) and not problem
    for name, one in found.items():
        if one.problem == _AWAY:
            found[name] = replace(one, kept_off=kept_off, balancer_problem=problem)
    return {name: asdict(one) for name, one in found.items()}


def _balancer_problem(answer: Mapping[str, Any]) -> str:
    return _AWAY if answer.get("unreachable") else (str(answer.get("msg") or "").splitlines() or ["it gave no answer"])[0]


def _left_out(answer: Mapping[str, Any]) -> LeftOut:
    if answer.get("unreachable"):
        return LeftOut(problem=_AWAY)
    if answer.get("failed") or "live_release" not in answer:
        return LeftOut(problem=(str(answer.get("msg") or "").splitlines() or ["it gave no answer"])[0])
    # Of its own: Ansible's mappings cannot be copied as asdict does it.
    return LeftOut(answer["live_release"], answer.get("live", ""), answer["rolling"].get("id", ""), {**answer["schema"]})


def runs(host: Mapping[str, Any]) -> str:
    """What a host that was left out runs, as the history keeps it."""
    return UNKNOWN if host["problem"] else str(host["release"] or "nothing")


def _when_back(host: Mapping[str, Any]) -> str:
    if host["problem"] != _AWAY:
        return ""
    if host.get("kept_off"):
        return ". The balancer sends nobody there until it has the same release: deploy again when it is back, without --limit"
    told = f" The balancer could not be told to keep it off: {host['balancer_problem']}" if host.get("balancer_problem") else ""
    return f". When it comes back it serves what it served before: deploy again then, without --limit.{told}".removesuffix(".")


def sentence(name: str, host: Mapping[str, Any]) -> str:
    if host["problem"]:
        return f"left out by --limit: {name}, and nobody knows what it runs: {host['problem']}{_when_back(host)}"
    rolling = f", in the middle of a rollout to {host['rolling']}" if host["rolling"] else ""
    return f"left out by --limit: {name}, which runs {runs(host)}{rolling}"
