# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the callback knows of several stacks: whether this run is for all of them or a part for one, and how each part ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import parts, run_file
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.ends import RUNNING, UNREACHABLE, Seen
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.summary import history_line, summary
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.verdict import Run
from ansible_collections.morpheus.deploy.plugins.plugin_utils.stacks import several

Verdict = dict[str, Any]


class ForStacks:
    """``part``: the stack that this run is a part for; empty for any other run."""

    def __init__(self) -> None:
        self.part = ""
        self._several: several.Several | None = None

    def learn(self, playbook: Any, names: list[str], arguments: Mapping[str, Any]) -> None:
        """See several.begin."""
        self.part = several.part_of(playbook)
        self._several = several.begin(playbook, names, [str(one) for one in arguments.get("args") or ()])

    def inventory(self, named: str) -> str:
        """How commands that are printed name the inventory, and the stack with it."""
        return f"{named} -e stack_name={self.part}" if self.part else named

    def place(self, environment: str) -> str:
        """The directory of this run's files below .deploy."""
        return f"{environment}/{self.part}" if environment and self.part else environment

    def choose(self, facts: Mapping[str, Any]) -> None:
        """A rollback has found out which stacks it is for."""
        if self._several and "several_stacks" in facts:
            self._several.choose(facts["several_stacks"])

    def play_parts(
        self, seen: Seen, run: Run, file: str, tags: list[str], ended_by: Callable[[], int], say: Callable[[str], Any]
    ) -> None:
        """What is done for each stack, when all that is done for them together ended well. ``file``: that of a run."""
        one = self._several
        if not one or not one.has_parts or seen.failures or seen.lost or run.refusals:
            return
        # With --tags somebody asks for what comes before, and no more.
        if one.is_leased and any(tag != "all" for tag in tags):
            return
        turns = one.turns()
        for number, name in enumerate(turns, 1):
            other = one.hindered(name)
            if other or not one.hosts[name]:
                why = f"it was left as it is, because {other} failed" if other else "--limit leaves none of its hosts"
                one.verdicts[name] = parts.not_tried(why, failed=bool(other))
                continue
            # A run of which nothing was asked says so.
            seen.tasks += 1
            say(f"\nSTACK {name} ({number} of {len(turns)})")
            began, code = time.time(), 0
            try:
                code = one.play(name, run.lease, ended_by)
            finally:
                place = f"{seen.environment}/{name}"
                plan = run_file.read(place, file) if one.name == "plan" else None
                one.verdicts[name] = parts.looked(code, plan) if seen.looks else _said(place, file, name, began, code)
            seen.unreachable |= {name} if code == UNREACHABLE else set()

    def with_parts(self, verdict: Verdict) -> Verdict:
        return parts.combined(verdict, self._several.verdicts) if self._several and self._several.verdicts else verdict


def lines(verdict: Verdict, path: str) -> list[str]:
    """For the screen, of a run that deploys or of one for several stacks."""
    return parts.lines(verdict, path) if "stacks" in verdict else summary(verdict | ({"path": path} if path else {}))


def line(verdict: Verdict) -> dict[str, Any]:
    """For the history."""
    return parts.history_line(verdict) if "stacks" in verdict else history_line(verdict)


def _said(place: str, file: str, name: str, began: float, code: int) -> Verdict:
    found = run_file.read(place, file)
    if found.get("verdict") in (None, RUNNING) or float(found.get("started", 0)) < began - 1:
        return parts.without_word(name, code)
    return found
