# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where in a YAML file each value stands. Knows YAML's marks and nothing of Ansible.

Why not ansible-core's own ``Origin`` tags: they live in ``ansible._internal``, which promises nothing from release to release,
"should not be used to make runtime decisions" by their own documentation, and cannot be on ``true``, ``false`` and ``null``.
YAML's marks are stable. That the right file is named, although several may define a variable, is made sure by asking for the
value too: see ``origin``.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

VAULT_HEADER = "$ANSIBLE_VAULT;"
_DEEPEST = 40
_SCALARS = (str, int, float, bool, type(None), datetime.date)


@dataclass(frozen=True)
class Marked:
    """``value``: a scalar, or ``Marked`` in a mapping or list. ``encrypted``: it stands there as ``!vault``."""

    value: Any
    line: int
    encrypted: bool = False

    def at(self, path: Sequence[str | int]) -> Marked | None:
        here = self
        for key in path:
            try:
                here = here.value[key]
            except (KeyError, IndexError, TypeError):
                return None
            if not isinstance(here, Marked):
                return None
        return here


@dataclass(frozen=True)
class Source:
    """A file of variables. One that is wholly encrypted, or is no YAML mapping, has no ``variables`` that can be told."""

    file: str
    variables: Marked
    encrypted: bool = False


def source(file: str, text: str) -> Source:
    if text.startswith(VAULT_HEADER):
        return Source(file, Marked({}, 1), encrypted=True)
    return Source(file, read(text))


def read(text: str) -> Marked:
    """The document; an empty mapping when it is none, or none that can be read: what is wrong with it, others say."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        found = _marked(loader, node, 1, 0) if node else Marked({}, 1)
    except (yaml.YAMLError, RecursionError, ValueError):
        return Marked({}, 1)
    return found if isinstance(found.value, dict) else Marked({}, 1)


def origin(sources: Sequence[Source], path: Sequence[str | int], value: Any) -> tuple[str, bool]:
    """``<file>:<line>`` of ``value`` and whether it is encrypted there; "" when it stands in none of the files.

    ``sources`` with the strongest last. A file counts only when the very value stands in it at ``path``, so that a wrong idea of
    their order, merged mappings or a plugin that changes variables can lead to no answer, but not to a wrong one.
    """
    for one in reversed(sources):
        found = one.variables.at(path)
        if found is not None and same(found, value):
            return f"{one.file}:{found.line}", found.encrypted
    return "", False


def same(marked: Marked, value: Any) -> bool:
    """Whether ``value`` is what stands there. An encrypted value is not opened to find out."""
    if marked.encrypted:
        return not isinstance(value, Mapping | list | tuple | int | float | type(None))
    if isinstance(marked.value, dict):
        return isinstance(value, Mapping) and set(marked.value) == set(value)
    if isinstance(marked.value, list):
        return isinstance(value, list | tuple) and len(marked.value) == len(value)
    if not isinstance(value, _SCALARS) or isinstance(marked.value, bool) != isinstance(value, bool):
        return False
    return bool(marked.value == value)


class _Loader(yaml.SafeLoader):
    pass


def _marked(loader: _Loader, node: yaml.Node, line: int, depth: int) -> Marked:
    """``line``: that of the key, where a block begins."""
    if depth > _DEEPEST:
        return Marked(None, line)
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
        pairs = {}
        for key, value in node.value:
            pairs[_scalar(loader, key)] = _marked(loader, value, key.start_mark.line + 1, depth + 1)
        return Marked(pairs, line)
    if isinstance(node, yaml.SequenceNode):
        return Marked([_marked(loader, one, one.start_mark.line + 1, depth + 1) for one in node.value], line)
    return Marked(_scalar(loader, node), node.start_mark.line + 1, encrypted=node.tag in ("!vault", "!vault-encrypted"))


def _scalar(loader: _Loader, node: yaml.Node) -> Any:
    if not isinstance(node, yaml.ScalarNode):
        return repr(node.start_mark.line)
    # A tag of Ansible's or Compose's own, as !unsafe.
    return node.value if node.tag.startswith("!") else loader.construct_object(node)


def of_inventory(document: Marked, name: str, kind: str) -> Marked:
    """What an inventory file says of a group (``kind``: vars) or of a host (``kind``: hosts), wherever in it."""
    found: dict[Any, Any] = {}
    for group, content in _groups(document, 0):
        if kind == "vars" and group == name:
            found |= _mapping(content.at(("vars",)))
        elif kind == "hosts":
            found |= _mapping(content.at(("hosts", name)))
    return Marked(found, 1)


def _groups(document: Marked, depth: int) -> Iterator[tuple[Any, Marked]]:
    for name, content in _mapping(document).items():
        yield name, content
        if depth < _DEEPEST:
            yield from _groups(content.at(("children",)) or Marked({}, 1), depth + 1)


def _mapping(marked: Marked | None) -> dict[Any, Any]:
    return marked.value if marked is not None and isinstance(marked.value, dict) else {}
