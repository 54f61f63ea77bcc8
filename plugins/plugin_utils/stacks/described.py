# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stacks of an environment as the inventory describes them: which, in which order, on which hosts, or what is wrong. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema

# Key of stacks.<name> -> the variable that says the same of a single stack. All other keys are those of ``stack``.
VARIABLES = {
    "source": "stack_source",
    "release": "stack_release",
    "secrets": "stack_secrets",
    "secret_variables": "stack_secret_variables",
    "secret_files": "stack_secret_files",
    "registries": "stack_registries",
    "flags": "stack_flags",
    "rotation": "stack_rotation",
    "fingerprints": "stack_fingerprints",
    "other_fingerprints": "stack_other_fingerprints",
}
# What orders and places a stack, and is no variable of its own.
OF_THE_RUN = ("hosts", "after")
# May stand beside ``stacks``, for those that have none of their own.
_FOR_ALL = ("registries",)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")
_FLAGS = ("flag", "flags_take", "flags_bring")
# Asked of one stack with -e, so that several must be told apart: variable -> the playbooks that read it.
_OF_ONE = {
    "stack_release": ("deploy", "plan"),
    "rollback_to": ("rollback",),
    "secret": ("rotate_secrets",),
    **dict.fromkeys(_FLAGS, ("flags",)),
}
APP = "app"


@dataclass
class Described:
    """``order``: names of all stacks; ``chosen``: those of this run, in order. Both are to be used without ``problems`` only.

    ``after``: stack -> those that it comes after; ``hosts``: stack -> its hosts, for one that does not run on all.
    """

    order: list[str] = field(default_factory=list)
    chosen: list[str] = field(default_factory=list)
    after: dict[str, list[str]] = field(default_factory=dict)
    hosts: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def described(
    stacks: Any, groups: Mapping[str, Sequence[str]], given: Mapping[str, Any], variables: Iterable[str], playbook: str
) -> Described:
    """``stacks``: as the inventory has it. ``given``: what -e gives; ``variables``: names of all that are set, with it."""
    found = Described()
    if not isinstance(stacks, Mapping) or not stacks:
        what = f"must be a mapping of stacks by name, not {schema.kind(stacks)}"
        found.problems.append(f"stacks: {'is empty; name a stack, or take it out' if stacks == {} else what}")
        return found
    found.order = [str(name) for name in stacks]
    found.problems += _beside({*variables}, {*given})
    for name, stack in stacks.items():
        _describe(found, str(name), stack, groups)
    _sort(found)
    _choose(found, given, playbook)
    return found


def wrong_name(given: Mapping[str, Any], single: Any) -> str:
    """What is wrong with -e stack_name= in an inventory with a single ``stack``; empty for nothing."""
    wanted = given.get("stack_name")
    name = single.get("name") if isinstance(single, Mapping) else None
    if wanted in (None, "", name):
        return ""
    return f'stack_name: "{wanted}" is no stack of this inventory; it has one alone, {name or "without a name"}'


def _beside(variables: set[str], given: set[str]) -> Iterable[str]:
    """What belongs to one stack and stands beside them, where nobody can say whose it is."""
    if "stack" in variables:
        yield "stack: stands beside stacks, and an inventory has one of the two; move what it holds to stacks.<its name>"
    for key, variable in VARIABLES.items():
        if variable in variables - given and key not in _FOR_ALL:
            yield f"{variable}: stands beside stacks, so nobody can say whose it is; write stacks.<name>.{key}"


def _describe(found: Described, name: str, stack: Any, groups: Mapping[str, Sequence[str]]) -> None:
    path = f"stacks.{name}"
    if not _NAME.match(name):
        found.problems.append(f"{path}: the name may hold only lower-case letters, digits, - and _")
    if not isinstance(stack, Mapping):
        found.problems.append(f"{path}: must be a mapping, not {schema.kind(stack)}")
        return
    if "name" in stack:
        found.problems.append(f"{path}.name: the name of a stack is its key in stacks; take the line out")
    after = stack.get("after")
    if after is not None and not (isinstance(after, Sequence) and not isinstance(after, str)):
        found.problems.append(f"{path}.after: must be a list of names of stacks, not {schema.kind(after)}")
        after = None
    found.after[name] = [str(one) for one in after or []]
    for one in found.after[name]:
        if one not in found.order:
            found.problems.append(f'{path}.after: "{one}" is none of the stacks; {_there_is(one, found.order)}')
    if stack.get("hosts") is not None:
        _place(found, name, stack["hosts"], groups)


def _place(found: Described, name: str, wanted: Any, groups: Mapping[str, Sequence[str]]) -> None:
    path, every = f"stacks.{name}.hosts", list(groups.get(APP) or [])
    if not isinstance(wanted, str):
        found.problems.append(f"{path}: must be the name of a group or a host, not {schema.kind(wanted)}")
        return
    meant = [wanted] if wanted in every else list(groups.get(wanted) or [])
    hosts = [host for host in every if host in meant]
    if every and not hosts:
        what = "has no host of the group app" if meant else "is neither a host of the group app nor a group that has one"
        found.problems.append(f'{path}: "{wanted}" {what}; the group app has {", ".join(every)}')
    elif hosts != every:
        found.hosts[name] = hosts


def _sort(found: Described) -> None:
    """Each after those that it comes after; the inventory's order among equals."""
    known = {name: [one for one in found.after.get(name, []) if one in found.order] for name in found.order}
    try:
        TopologicalSorter(known).prepare()
    except CycleError as exc:
        circle = [*reversed(exc.args[1][1:])]
        first = circle.index(min(circle, key=found.order.index))
        circle = [*circle[first:], *circle[: first + 1]]
        steps = ", ".join(f"{one} comes after {other}" for one, other in pairwise(circle))
        found.problems.append(f"stacks: {steps}: no order does that; take one of them out of after")
        return
    waiting, found.order = list(found.order), []
    while waiting:
        ready = next(name for name in waiting if not set(known[name]) & set(waiting))
        waiting.remove(ready)
        found.order.append(ready)


def _choose(found: Described, given: Mapping[str, Any], playbook: str) -> None:
    wanted = given.get("stack_name")
    found.chosen = [str(wanted)] if wanted not in (None, "") else list(found.order)
    if wanted not in (None, "", *found.order):
        found.problems.append(f'stack_name: "{wanted}" is none of the stacks; {_there_is(str(wanted), found.order)}')
    if len(found.chosen) < 2:
        return
    found.problems += [
        f"{variable}: of which stack? There is {', '.join(found.order)}; add -e stack_name=<one of them>"
        for variable, playbooks in _OF_ONE.items()
        if playbook in playbooks and given.get(variable) not in (None, "")
    ]


def _there_is(wanted: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(wanted, names, 1)
    return f'did you mean "{near[0]}"?' if near else f"there is {', '.join(names)}"


def as_single(name: str, stack: Mapping[str, Any], common: Mapping[str, Any], hosts: Sequence[str] | None) -> dict[str, Any]:
    """The variables of an inventory that has this stack alone. ``common``: those that stacks share; ``hosts``: its own, if any.

    What ``common`` has of a release is what -e gives, and wins.
    """
    groups = {**(common.get("stack_groups") or {})}
    if hosts is not None:
        groups[APP] = list(hosts)
    own = {key: value for key, value in stack.items() if key not in VARIABLES and key not in OF_THE_RUN}
    of_stack = {variable: stack[key] for key, variable in VARIABLES.items() if stack.get(key) is not None}
    given = {"stack_release": common["stack_release"]} if common.get("stack_release") is not None else {}
    return {**common, **of_stack, **given, "stack_groups": groups, "stack": {"name": name, **own}}


def missing_source(name: str, variables: Mapping[str, Any]) -> str:
    """Said once, and not for each of its files."""
    source = variables.get("stack_source")
    if isinstance(source, str) and source and not Path(source).is_dir():
        return f'stacks.{name}.source: "{source}" is no directory on this machine'
    return ""


def renamed(name: str, said: str) -> str:
    """What is said of a single stack, with the paths of one of several."""
    for key, variable in VARIABLES.items():
        said = re.sub(rf"\b{variable}\b", f"stacks.{name}.{key}", said)
    said = re.sub(r"(?<![\w.])stack\.(?=[a-z])", f"stacks.{name}.", said)
    return said if f"stacks.{name}" in said else f"stacks.{name}: {said}"
