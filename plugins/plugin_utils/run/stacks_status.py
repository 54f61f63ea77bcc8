# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts said of several stacks, told apart by stack. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Answers = Mapping[str, Mapping[str, Any]]
_RELEASE = re.compile(r" -e stack_release=\S+")


def by_stack(asked: Answers, names: Sequence[str], hosts: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """``asked``: host -> what its loop over the stacks ended with; ``hosts``: of each stack that does not run on all."""
    return {
        name: {host: _answer(found, name) for host, found in asked.items() if host in hosts.get(name, asked)} for name in names
    }


def _answer(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    mine = [one for one in found.get("results") or [] if one.get("__status_stack") == name]
    # A host that was lost before has not come to its later stacks.
    return mine[0] if mine else found


def runs_of(name: str, runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The history as it is of one stack."""
    return [{**run, **run["stacks"][name]} for run in runs if name in (run.get("stacks") or {})]


def mend(name: str, commands: Sequence[str]) -> list[str]:
    """Hosts know their stack, and not that there are others."""
    return [_RELEASE.sub(lambda found: f" -e stack_name={name}{found[0]}", command) for command in commands]


def mend_all(commands: Sequence[str]) -> list[str]:
    """What is to be done for every stack, as letting a host in is."""
    return [_RELEASE.sub("", command) for command in commands]
