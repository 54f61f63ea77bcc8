# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""The parts of a run for several stacks, played one after the other, and what each of them said of its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import parts, run_file
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.ends import RUNNING, UNREACHABLE, Seen
from ansible_collections.morpheus.deploy.plugins.plugin_utils.stacks.several import Several


def play(
    one: Several, seen: Seen, file: str, lease: Mapping[str, Any], ended_by: Callable[[], int], say: Callable[[str], Any]
) -> None:
    """``seen``: of what is done for all stacks together; ``file``: that of a run, below its directory."""
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
            code = one.play(name, lease, ended_by)
        finally:
            one.verdicts[name] = (
                parts.looked(code) if seen.looks else _said(f"{seen.environment}/{name}", file, name, began, code)
            )
        seen.unreachable |= {name} if code == UNREACHABLE else set()


def _said(place: str, file: str, name: str, began: float, code: int) -> dict[str, Any]:
    found = run_file.read(place, file)
    if found.get("verdict") in (None, RUNNING) or float(found.get("started", 0)) < began - 1:
        return parts.without_word(name, code)
    return found
