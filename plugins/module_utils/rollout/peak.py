# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollout needs at its worst moment beside what runs already, as while old and new replicas are side by side. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import Action, Step


def most(steps: Sequence[Step], takes: Mapping[str, int], frees: Mapping[str, int]) -> int:
    """``takes``: service -> what one more replica of it takes; ``frees``: what one takes that runs, and gives back when it stops.

    Services of one wave roll at the same time, so that the worst moments of all of them may be one.
    """
    peak = more = 0
    for _, wave in groupby(steps, lambda step: step.wave):
        found = sorted(wave, key=lambda step: step.service)
        moments = [_moment(list(of_one), takes, frees) for _, of_one in groupby(found, lambda step: step.service)]
        peak = max(peak, more + sum(worst for worst, _ in moments))
        more += sum(left for _, left in moments)
    return peak


def _moment(steps: Sequence[Step], takes: Mapping[str, int], frees: Mapping[str, int]) -> tuple[int, int]:
    """Of one service: its worst moment, and what is left of it at the end of the wave."""
    worst = more = 0
    for step in steps:
        if step.action is Action.START:
            more += step.count * takes.get(step.service, 0)
        elif step.action is Action.STOP:
            more -= len(step.replicas) * frees.get(step.service, 0)
        # A job gives back what it takes before anything else of its service is done.
        running = takes.get(step.service, 0) if step.action is Action.RUN else 0
        worst = max(worst, more + running)
    return worst, more
