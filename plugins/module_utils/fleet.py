# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""The hosts of an environment, and which of them a run does without: lost on the way, or left out by ``--limit``. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

UNKNOWN = "unknown"


def missing(needed: Sequence[str], present: Iterable[str], chosen: Iterable[str]) -> list[str]:
    """A sentence for each host of ``needed`` that is not ``present``; ``chosen`` are the hosts that the run set out with."""
    present, chosen = set(present), set(chosen)
    return [f"{name} {_why(name in chosen)}" for name in needed if name not in present]


def _why(was_chosen: bool) -> str:
    return "was lost (it could not be reached, or a task failed on it)" if was_chosen else "is left out by --limit"


@dataclass(frozen=True)
class LeftOut:
    """What a host that ``--limit`` leaves out said of itself. ``problem``: why it said nothing."""

    release: str = ""
    release_id: str = ""
    rolling: str = ""
    schema: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


def left_out(answers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """``answers``: host -> what the task that asked it ended with, a result of the module ``stack_info`` if all is well."""
    return {name: asdict(_left_out(answer)) for name, answer in answers.items()}


def _left_out(answer: Mapping[str, Any]) -> LeftOut:
    if answer.get("unreachable"):
        return LeftOut(problem="it could not be reached")
    if answer.get("failed") or "live_release" not in answer:
        return LeftOut(problem=(str(answer.get("msg") or "").splitlines() or ["it gave no answer"])[0])
    # Of its own: Ansible's mappings cannot be copied as asdict does it.
    return LeftOut(answer["live_release"], answer["live"], answer["rolling"].get("id", ""), {**answer["schema"]})


def runs(host: Mapping[str, Any]) -> str:
    """What a host that was left out runs, as the history keeps it."""
    return UNKNOWN if host["problem"] else str(host["release"] or "nothing")


def sentence(name: str, host: Mapping[str, Any]) -> str:
    if host["problem"]:
        return f"left out by --limit: {name}, and nobody knows what it runs: {host['problem']}"
    rolling = f", in the middle of a rollout to {host['rolling']}" if host["rolling"] else ""
    return f"left out by --limit: {name}, which runs {runs(host)}{rolling}"
