# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The effective configuration of an environment: every leaf typed, with defaults and origins, secrets hidden. Pure.

A deploy's own checks make it (``stack_config``), so what is shown is what a deploy would use.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema
from ansible_collections.morpheus.deploy.plugins.module_utils.base.interpolation import substituted
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.check import StackConfig
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.compose_files import ComposeFiles
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.origins import origin, source
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.variables import Effective, Leaf, Path, Tree, Vault

Options = Mapping[str, Any]
DEFAULT = "default"
# What a deploy's check reads and no role's specification has.
_BESIDE = ("ml", "notifications", "supabase_project")
# Where secrets belong, whatever stands there.
SECRET_PATHS = (
    ("stack_secrets", "*", "*"),
    ("stack_secret_variables", "*"),
    ("stack_secret_files", "*", "content"),
    ("stack_fingerprint_key",),
    ("ml", "key"),
    ("ml", "management_key"),
    *(("stack_registries", "*", option) for option in ("password", "token")),
    *(("notifications", "channels", "*", option) for option in ("url", "token", "password")),
    *(("supabase_project", option) for option in ("token", "secret_key")),
)
# Named with each deploy, so it need not be set.
RELEASE = "stack_release"
# A path as people read it.
Shown = Callable[[str], str]

# Stands for a secret while the rest is checked.
_STAND_IN = "hidden"
# What can only be checked with the values of secrets: a deploy does.
_NEED_VALUES = ("stack_rotation", "stack_fingerprints", "stack_fingerprint_key", "stack_other_fingerprints")
_NEED_VALUES_IN_STACK = ("database",)
_SAID_BY_VALUES = ("stack.migration.reader: ", "stack.migration.secret: ")
_TELLING = re.compile(r"secret|passw|token|credential|private_?key|api_?key|access_?key", re.IGNORECASE)
_MISPLACED = "hidden: its name says secret"
_USER_INFO = re.compile(r"(?<=://)([^\s/@:]*):[^\s/@]+(?=@)")
_GENERIC_GROUPS = ("all", "ungrouped")
# What depends on the run and not on the environment.
_OPEN_VARIABLES = {"STACK_RELEASE": "<release>", "STACK_ENVIRONMENT": "<environment>"}


@dataclass(frozen=True)
class Entry:
    """A leaf. ``path``: items of lists go by their ``name``, so that two environments can be compared. ``scope``: hosts."""

    path: tuple[str, ...]
    value: Any
    origin: str
    hidden: str = ""
    scope: str = ""

    @property
    def key(self) -> str:
        return ".".join(self.path) + (f"@{self.scope}" if self.scope else "")


@dataclass(frozen=True)
class Configuration:
    """``with_values``: ``problems`` has those, too, that only the values of secrets show."""

    environment: str
    inventory: str
    vault: Vault
    groups: Mapping[str, Sequence[str]]
    entries: Sequence[Entry]
    problems: Sequence[str]
    with_values: bool = True


def is_secret_path(path: Path) -> bool:
    return any(
        len(path) == len(pattern) and all(fnmatchcase(str(part), one) for part, one in zip(path, pattern, strict=True))
        for pattern in SECRET_PATHS
    )


def configuration(
    inventory: str,
    groups: Mapping[str, Sequence[str]],
    hosts: Mapping[str, Effective],
    vault: Vault,
    specifications: Mapping[str, Options],
    shown: Shown,
) -> Configuration:
    """``groups``: name -> hosts; ``hosts``: the first speaks for the environment; ``specifications``: role -> options."""
    first = next(iter(hosts.values()))
    options = specifications["preflight"]
    trees = {name: first.tree(name) for name in options if name in first}
    # What a release is pinned to is said by another role's variable.
    of_pins = {"ml": _values(first.tree("ml"))} if "ml" in first else {}
    checked = _checked({name: _values(tree) for name, tree in trees.items()} | of_pins | {"stack_groups": groups}, options)
    entries: list[Entry] = []
    for name, option in options.items():
        value = _typed(name, option, trees)
        if name in trees or name == RELEASE or value:
            entries += _entries(value, trees.get(name), (name,))
    # Roles share variables.
    of_roles = {
        name: option for role, described in specifications.items() if role != "preflight" for name, option in described.items()
    }
    for name, option in of_roles.items():
        if name not in options:
            entries += _of_role(name, option, groups, hosts)
    entries += _compose(checked, str(_typed("stack_source", options["stack_source"], trees) or ""))
    of_a_deploy = (f"{RELEASE}: required", *_SAID_BY_VALUES)
    problems = [problem for problem in checked.problems if not problem.startswith(of_a_deploy)]
    unresolved = [problem for effective in hosts.values() for problem in effective.problems]
    return Configuration(
        environment=checked.environment,
        inventory=shown(inventory),
        vault=replace(vault, path=shown(vault.path)),
        groups={name: members for name, members in groups.items() if name not in _GENERIC_GROUPS and members},
        entries=[_finished(entry, shown) for entry in entries],
        problems=[_without_user_info(problem) for problem in dict.fromkeys([*unresolved, *problems])],
        with_values=False,
    )


def judged(options: Options) -> list[str]:
    """The variables by which ``with_values`` goes. ``options``: of the role preflight."""
    return [*options, *_BESIDE]


def with_values(found: Configuration, given: Mapping[str, Any], options: Options, shown: Shown) -> Configuration:
    """``found``, with what a deploy's check says besides of the same variables, whose secrets are in ``given``.

    It tells no value: what it says of secrets a deploy prints, too.
    """
    prints = given.get("stack_fingerprints")
    given = {**given, "stack_fingerprints": shown(prints)} if isinstance(prints, str) else given
    problems = [problem for problem in StackConfig(given, options).problems if not problem.startswith(f"{RELEASE}: required")]
    told = [*found.problems, *(_without_user_info(problem) for problem in problems)]
    return replace(found, problems=list(dict.fromkeys(told)), with_values=True)


def _checked(given: Mapping[str, Any], options: Options) -> StackConfig:
    variables = {name: value for name, value in given.items() if name not in _NEED_VALUES}
    if isinstance(variables.get("stack"), Mapping):
        known = [name for name in _NEED_VALUES_IN_STACK if name in options["stack"]["options"]]
        variables["stack"] = {name: value for name, value in variables["stack"].items() if name not in known}
    return StackConfig(variables, options)


def _typed(name: str, option: Options, trees: Mapping[str, Tree]) -> Any:
    given = {name: _values(trees[name])} if name in trees else {}
    return schema.typed(given, {name: option}, "", [])[name]


def _values(tree: Tree) -> Any:
    if isinstance(tree, Leaf):
        return _STAND_IN if tree.hidden else tree.value
    if isinstance(tree, dict):
        return {key: _values(part) for key, part in tree.items()}
    return [_values(part) for part in tree]


def _entries(value: Any, tree: Tree | None, path: tuple[str, ...]) -> Iterator[Entry]:
    hidden = _hidden(tree)
    if hidden:
        yield Entry(path, None, hidden.origin, hidden.hidden)
    elif isinstance(value, Mapping) and value:
        for key, part in value.items():
            yield from _entries(part, tree.get(str(key)) if isinstance(tree, dict) else _leaf(tree), (*path, str(key)))
    elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
        below = tree if isinstance(tree, list) and len(tree) == len(value) else [_leaf(tree)] * len(value)
        for key, part, one in zip(_names(value), value, below, strict=True):
            yield from _entries(part, one, (*path, key))
    else:
        yield Entry(path, value, _origin(tree))


def _hidden(tree: Tree | None) -> Leaf | None:
    """What makes a leaf a secret: itself, or one part of a list that is shown as a whole."""
    parts = tree if isinstance(tree, list) else [tree]
    return next((one for one in parts if isinstance(one, Leaf) and one.hidden), None)


def _leaf(tree: Tree | None) -> Leaf | None:
    return tree if isinstance(tree, Leaf) else None


def _origin(tree: Tree | None) -> str:
    while isinstance(tree, dict | list) and tree:
        tree = next(iter(tree.values())) if isinstance(tree, dict) else tree[0]
    return tree.origin if isinstance(tree, Leaf) else DEFAULT


def _names(items: Sequence[Mapping[str, Any]]) -> list[str]:
    names = [str(item.get("name") or "") for item in items]
    usable = all(names) and len(set(names)) == len(names)
    return names if usable else [str(number) for number in range(len(items))]


def _of_role(name: str, option: Options, groups: Mapping[str, Sequence[str]], hosts: Mapping[str, Effective]) -> list[Entry]:
    """A role's variable where the inventory sets it: once when all hosts have it alike, else for each group or host."""
    found: list[tuple[list[Entry], list[str]]] = []
    for host, effective in hosts.items():
        if name not in effective:
            continue
        tree = effective.tree(name)
        entries = list(_entries(_typed(name, option, {name: tree}), tree, (name,)))
        alike = next((names for one, names in found if one == entries), None)
        if alike is None:
            found.append((entries, [host]))
        else:
            alike.append(host)
    return [
        replace(entry, scope="" if names == list(hosts) else _scope(names, groups))
        for entries, names in found
        for entry in entries
    ]


def _scope(names: Sequence[str], groups: Mapping[str, Sequence[str]]) -> str:
    exact = [group for group, members in groups.items() if group not in _GENERIC_GROUPS and sorted(members) == sorted(names)]
    return exact[0] if exact else ",".join(names)


def _compose(checked: StackConfig, directory: str) -> list[Entry]:
    """Services as the Compose files give them, for whatever release."""
    names = [name for name in checked.config.get("compose_files") or [] if name in checked.files]
    texts = {name: base64.b64decode(checked.files[name]).decode("utf-8", "replace") for name in names}
    files = ComposeFiles(texts, _OPEN_VARIABLES)
    sources = [source(f"{directory}/{name}", substituted(text, _OPEN_VARIABLES)) for name, text in texts.items()]
    found = []
    for name, service in (files.model().get("services") or {}).items():
        for entry in _entries(_with_environment(service), None, ("compose", "services", name)):
            below = entry.path[3:]
            place, _ = origin(sources, ("services", name, *below), entry.value)
            where = place or f"{directory}/{files.where(name, below[0] if below else '')}"
            found.append(replace(entry, origin=where))
    return found


def _with_environment(service: Any) -> Any:
    """Compose writes ``environment`` as a list of NAME=value, too."""
    environment = service.get("environment") if isinstance(service, Mapping) else None
    if not isinstance(environment, list):
        return service
    pairs = [str(one).partition("=") for one in environment]
    return {**service, "environment": {name: value for name, _, value in pairs}}


def _finished(entry: Entry, shown: Shown) -> Entry:
    entry = replace(entry, origin=shown(entry.origin), value=_shown_value(entry.value, shown))
    if entry.value not in (None, "", [], {}) and _may_hold_variables(entry.path) and _TELLING.search(entry.path[-1]):
        return replace(entry, value=None, hidden=_MISPLACED)
    return entry


def _may_hold_variables(path: tuple[str, ...]) -> bool:
    """Whether the keys below are of the user's choice: secrets stand there by mistake."""
    if path[0] == "compose":
        return path[3:4] == ("environment",)
    return path[:2] == ("stack", "env") if path[0] == "stack" else len(path) > 1


def _shown_value(value: Any, shown: Shown) -> Any:
    if isinstance(value, str):
        return _without_user_info(shown(value))
    if isinstance(value, Mapping):
        return {str(key): _shown_value(part, shown) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_shown_value(part, shown) for part in value]
    return value if isinstance(value, bool | int | float | None) else str(value)


def _without_user_info(text: str) -> str:
    return _USER_INFO.sub(r"\1:***", text)
