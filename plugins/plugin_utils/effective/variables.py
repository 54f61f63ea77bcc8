# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of an inventory as they are in effect, leaf by leaf, each with its origin and none with a secret value.

Secrets never get in: what a vault holds is known by name only, every variable that may be secret is replaced by a placeholder
before anything is templated, and what stands where a secret belongs is not looked at. So nothing has to be taken out later, and
the outcome is the same whether the vault could be opened or not. Pure; templating is Ansible's, handed in.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Protocol

from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.origins import Source, origin
from jinja2 import Environment, TemplateSyntaxError, nodes

Path = tuple[str | int, ...]
ELSEWHERE = "not a YAML file of the inventory"
# What Ansible itself sets.
_MAGIC = re.compile(r"inventory_|ansible_|playbook_dir$|group_names$|groups$|omit$|environment$|role_")
_PART = r"""\.([A-Za-z_]\w*)|\["([^"\\\]]+)"\]"""
_REFERENCE = re.compile(rf"\{{\{{\s*([A-Za-z_]\w*)((?:{_PART})*)\s*\}}\}}\Z")
# Private characters of Unicode, so that no value of anybody's holds them.
_OPEN, _CLOSE = "\ue0f7", "\ue0f8"
_PLACEHOLDER = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")
# Names through which a template can reach any variable.
_DYNAMIC = frozenset({"vars", "hostvars"})
_SCALARS = (str, int, float, bool, type(None), datetime.date)
_DEEPEST = 20


class Engine(Protocol):
    """Ansible's templating over a set of variables."""

    def is_template(self, value: str) -> bool: ...

    def template(self, value: str) -> Any: ...


@dataclass(frozen=True)
class Vault:
    """The environment's encrypted file; ``names`` of its variables, or None when it could not be opened."""

    path: str = ""
    names: frozenset[str] | None = None

    def state(self, name: str) -> str:
        file = PurePath(self.path).name
        if not self.path:
            return f"MISSING: nothing sets {name}"
        if self.names is None:
            return f"set in {file} (vault not opened)"
        return f"set in {file}" if name in self.names else f"MISSING: no {name} in {file}"


@dataclass(frozen=True)
class Leaf:
    """``hidden``: what can be said of a secret, whose ``value`` is always None. "" for what is not a secret."""

    value: Any
    origin: str
    hidden: str = ""


Tree = Leaf | dict[str, Any] | list[Any]


class Effective:
    """The variables of one host. ``problems``: what cannot be resolved or is missing, by its path."""

    def __init__(
        self,
        raw: Mapping[str, Any],
        sources: Sequence[Source],
        extra: frozenset[str],
        vault: Vault,
        engine: Callable[[Mapping[str, Any]], Engine],
        is_hidden: Callable[[Path], bool],
    ) -> None:
        """``raw``: merged by Ansible, not templated. ``extra``: names given by -e. ``is_hidden``: where secrets belong."""
        self.problems: list[str] = []
        self._raw = raw
        self._sources = sources
        self._extra = extra
        self._vault = vault
        self._is_hidden = is_hidden
        self._names: dict[str, frozenset[str]] = {}
        self._opaque = any(source.encrypted for source in sources)
        self._engine = engine(self._shielded())

    def __contains__(self, name: str) -> bool:
        return name in self._raw

    def tree(self, name: str) -> Tree:
        return self._node(self._raw[name], (name,), (name,), 0)

    def is_secret(self, name: str) -> bool:
        if name.startswith("vault_") or name in (self._vault.names or ()) or name in _DYNAMIC:
            return True
        # From a file of variables that is encrypted, which Ansible has opened by itself.
        known = name in self._extra or _MAGIC.match(name) or any(source.variables.at((name,)) for source in self._sources)
        return self._opaque and name in self._raw and not known

    def _node(self, raw: Any, path: Path, at: Path, depth: int) -> Tree:
        """``path``: where the value stands; ``at``: what it is for. They differ behind a reference."""
        if isinstance(raw, Mapping) and raw:
            return {str(key): self._node(part, (*path, key), (*at, str(key)), depth) for key, part in raw.items()}
        if isinstance(raw, list | tuple) and raw:
            return [self._node(part, (*path, number), (*at, number), depth) for number, part in enumerate(raw)]
        where, encrypted = self._origin(path, raw)
        if encrypted or not isinstance(raw, (*_SCALARS, Mapping, list, tuple)):
            return Leaf(None, where, "set, encrypted in place")
        template = raw if isinstance(raw, str) and self._engine.is_template(raw) else ""
        target = _reference(template) if template else None
        if target and depth < _DEEPEST:
            found = _walk(self._raw, target)
            if found is not None:
                below = self._node(found, target, at, depth + 1)
                return replace(below, origin=where) if isinstance(below, Leaf) and below.origin == ELSEWHERE else below
        if self._is_hidden(at):
            return self._secret(raw, at, where, template, target)
        if self.is_secret(str(path[0])):
            return Leaf(None, where, "set")
        return self._templated(template, at, where) if template else Leaf(raw, where)

    def _secret(self, raw: Any, at: Path, where: str, template: str, target: Path | None) -> Leaf:
        if not template:
            if raw in (None, ""):
                self._say(at, "is empty")
                return Leaf(None, where, "EMPTY")
            return Leaf(None, where, "set" if where in ("-e", ELSEWHERE) else "set, in plain text")
        names = self._secrets_in(template) or ({str(target[0])} if target else set())
        return self._from_vault(at, where, names, "set by a template")

    def _templated(self, raw: str, at: Path, where: str) -> Tree:
        # One that the vault does not have may have a default in the template.
        secrets = self._secrets_in(raw) - self._absent
        try:
            result = self._engine.template(raw)
        except Exception as exc:  # Ansible's and every plugin's own errors.
            if not secrets:
                self._say(at, f"cannot be resolved: {' '.join(str(exc).split())}")
                return Leaf(None, where)
            result = None
        if secrets and not (isinstance(result, Mapping | list) and result):
            return self._from_vault(at, where, secrets, "set by a template")
        return self._spread(result, at, where)

    def _spread(self, value: Any, at: Path, where: str) -> Tree:
        if isinstance(value, Mapping) and value:
            return {str(key): self._spread(part, (*at, str(key)), where) for key, part in value.items()}
        if isinstance(value, list | tuple) and value:
            return [self._spread(part, (*at, number), where) for number, part in enumerate(value)]
        names = set(_PLACEHOLDER.findall(value)) if isinstance(value, str) else set()
        if names or self._is_hidden(at):
            return self._from_vault(at, where, names, "set by a template")
        return Leaf(value, where)

    def _from_vault(self, at: Path, where: str, names: set[str], otherwise: str) -> Leaf:
        states = [self._vault.state(name) for name in sorted(names) if name not in self._raw and name not in _DYNAMIC]
        missing = [state for state in states if state.startswith("MISSING")]
        if missing:
            self._say(at, missing[0].removeprefix("MISSING: "))
        return Leaf(None, where, (missing or states or ["set" if names else otherwise])[0])

    def _origin(self, path: Path, raw: Any) -> tuple[str, bool]:
        where, encrypted = ("-e", False) if path[0] in self._extra else origin(self._sources, path, raw)
        return where or ELSEWHERE, encrypted

    def _secrets_in(self, text: str) -> set[str]:
        return {name for name in self._all_names(text) if self.is_secret(name) or self._is_of_the_vault(name)}

    def _is_of_the_vault(self, name: str) -> bool:
        """An encrypted value stands below the variable."""
        return name in self._raw and any(not isinstance(one, _SCALARS) for one in _leaves(self._raw[name]))

    def _all_names(self, text: str, depth: int = 0) -> frozenset[str]:
        """The variables that a template uses, and those that these use."""
        if text not in self._names:
            self._names[text] = direct = _names(text)
            if depth < _DEEPEST:
                below = [one for name in direct if name in self._raw for one in _leaves(self._raw[name])]
                texts = [one for one in below if isinstance(one, str) and "{" in one]
                self._names[text] = direct.union(*(self._all_names(one, depth + 1) for one in texts))
        return self._names[text]

    def _shielded(self) -> dict[str, Any]:
        """All variables for templating, with a placeholder for each secret one."""
        found = {
            name: _placeholder(name) if self.is_secret(name) else _without_encrypted(name, value)
            for name, value in self._raw.items()
        }
        used = {name for value in self._raw.values() for one in _leaves(value) if isinstance(one, str) for name in _names(one)}
        unknown = {name for name in used - found.keys() if self.is_secret(name) and name not in _DYNAMIC}
        opened = self._vault.names
        self._absent = {name for name in unknown if opened is not None and name not in opened}
        found |= {name: _placeholder(name) for name in unknown - self._absent}
        return {name: value for name, value in found.items() if name not in _DYNAMIC}

    def _say(self, at: Path, problem: str) -> None:
        self.problems.append(f"{dotted(at)}: {problem}")


def dotted(path: Sequence[str | int]) -> str:
    """As in every message: ``stack.services[0].port``."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).removeprefix(".")


def _reference(text: str) -> Path | None:
    found = _REFERENCE.match(text.strip())
    return (found[1], *(one[1] or one[2] for one in re.finditer(_PART, found[2]))) if found else None


def _walk(value: Any, path: Path) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _names(text: str) -> frozenset[str]:
    if "{{" not in text and "{%" not in text:
        return frozenset()
    try:
        # Not jinja2.meta, which gives up at the first filter that Jinja itself does not have.
        return frozenset(node.name for node in Environment(autoescape=True).parse(text).find_all(nodes.Name))
    except TemplateSyntaxError:
        return frozenset()


def _leaves(value: Any, depth: int = 0) -> Iterator[Any]:
    if isinstance(value, Mapping | list | tuple) and depth < _DEEPEST:
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _leaves(part, depth + 1)
    else:
        yield value


def _placeholder(name: str) -> str:
    return f"{_OPEN}{name}{_CLOSE}"


def _without_encrypted(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        if all(isinstance(one, _SCALARS) for one in _leaves(value)):
            return value
        return {key: _without_encrypted(name, part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_encrypted(name, part) for part in value]
    return value if isinstance(value, _SCALARS) else _placeholder(name)
