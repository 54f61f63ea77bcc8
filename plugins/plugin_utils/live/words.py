# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of a run for people: what failed in three lines, how long it took, and who. Pure."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.words.plain_text import plain

FEW = 4
_OPTIONS = re.compile(r"^Validating arguments against arg spec '[^']*' - ")


def who(hosts: Sequence[str]) -> str:
    """The first few of ``hosts`` by name, the others by number."""
    if len(hosts) <= FEW:
        return ", ".join(hosts)
    return f"{', '.join(hosts[: FEW - 1])} and {len(hosts) - FEW + 1} more"


def clock(seconds: float) -> str:
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def harmless(value: Any) -> list[str]:
    """Lines of ``value`` without anything that acts on a terminal."""
    return [line.rstrip().expandtabs(4) for line in plain(str(value)).splitlines()]


def task(name: str) -> str:
    """What a task is called for people: without its role, and what Ansible asks of a role's options in one word."""
    said = " ".join(harmless(name)).rpartition(" : ")[2]
    return _OPTIONS.sub("Check the options of: ", said)


def failure(what: str, host: str, task: str, said: str) -> tuple[list[str], list[str]]:
    """The three lines that matter: what failed where, why, and what is so now or is to be done; and the rest.

    Our messages begin with the reason, and end with what follows from it, unless they are a list.
    """
    lines = [line for line in harmless(said) if line.strip()]
    is_list = bool(lines) and lines[-1].lstrip().startswith("- ")
    first, second, rest = lines[:1], lines[1:][-1:], lines[1:-1]
    if is_list:
        # Its entries stand below each other.
        second, rest = lines[1:2], [f"  {line}" for line in textwrap.dedent("\n".join(lines[1:])).splitlines()[1:]]
        return [f"{what} {host}: {task}", *(f"  {line.strip()}" for line in first + second)], rest
    return [f"{what} {host}: {task}", *(f"  {line.strip()}" for line in first + second)], [f"    {line}" for line in rest]


def why(result: Mapping[str, Any]) -> str:
    """What a result says of its failure; of one that is hidden, that it is."""
    said = str(result.get("msg") or result.get("censored") or "")
    # A program that failed has said why itself.
    for key in ("stderr", "module_stderr", "stdout", "module_stdout"):
        if result.get(key) and str(result[key]).strip() not in said:
            said = f"{said}\n{result[key]}".strip()
    return said or "it says nothing"


def told(result: Any) -> bool:
    """``result``: of a task, as callbacks get it. Whether it is of a loop whose items have been told."""
    items = (result.result.get("results") if result.task.loop else None) or ()
    return any(isinstance(one, dict) and (one.get("failed") or one.get("unreachable")) for one in items)
