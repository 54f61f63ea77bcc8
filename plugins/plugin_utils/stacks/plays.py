# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a playbook plays where an inventory has several stacks, and on which hosts one of them does.

Ansible has no public way to replace plays or to take hosts out of a group: what is not public is touched here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from ansible.playbook import Playbook

_DIRECTORY = Path(__file__).parents[3] / "playbooks" / "several"
# Once for each stack, under one lease.
LEASED = ("deploy", "rollback", "restart", "rotate_secrets")
# Once for each stack, without a lease.
UNLEASED = ("audit", "claim", "config", "fingerprint", "flags", "plan")
# Once for all stacks.
AT_ONCE = ("status",)

# What is wrong with the stacks, for the first task, whose process is forked later.
_problems: list[str] = []


def refuse(problems: Sequence[str]) -> None:
    _problems[:] = problems


def refused() -> list[str]:
    return list(_problems)


def replace(playbook: Any, name: str, variables: dict[str, Any]) -> None:
    """Keep the first play of ``playbook``, which may refuse the run; those for several stacks take the place of the rest."""
    first = next(play for play in playbook.get_plays() if "begin_playbook" in (play.vars or {}))
    plays = [first]
    path = _DIRECTORY / f"{name}.yml"
    if path.exists():
        found = Playbook.load(str(path), variable_manager=first.get_variable_manager(), loader=playbook._loader)
        plays += found.get_plays()
    for play in plays[1:]:
        play.vars = {**(play.vars or {}), **variables}
    playbook._entries[:] = plays


def keep_hosts(inventory: Any, group: str, names: Collection[str]) -> None:
    """Take all other hosts out of ``group``."""
    found = inventory.groups.get(group)
    for one in [found, *found.get_descendants()] if found else []:
        # Its variables stay as they are.
        for host in [host for host in one.hosts if host.name not in names]:
            one.remove_host(host)
    inventory._inventory._groups_dict_cache.clear()
    inventory.clear_caches()
