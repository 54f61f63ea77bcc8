# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change one variable in the text of a YAML file and leave every other character as it is: comments, order, quotes. Pure.

Knows nothing of encryption. No message quotes the text, which is that of a vault.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError

_STRING = "tag:yaml.org,2002:str"
UNSAFE = "!unsafe"
_TEMPLATE = re.compile(r"\{\{|\{%|\{#")
# What JSON leaves as it is and YAML does not take in double quotes, or takes for the end of a line.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def read(text: str, name: str) -> str | None:
    """The value of a variable that is a string; None when there is no such variable."""
    node = _entries(text).get(name, (None, None))[1]
    if node is None:
        return None
    if not isinstance(node, yaml.ScalarNode) or node.tag not in (_STRING, UNSAFE):
        raise DeployError(f"{name} must be a string, in quotes if it looks like a number")
    return str(node.value)


def read_mapping(text: str, name: str) -> dict[str, str]:
    """A variable that ``with_mapping`` wrote; empty when there is none."""
    node = _entries(text).get(name, (None, None))[1]
    if node is None:
        return {}
    if not isinstance(node, yaml.MappingNode) or not all(
        isinstance(part, yaml.ScalarNode) for pair in node.value for part in pair
    ):
        raise DeployError(f"{name} is not what was written there")
    return {str(key.value): str(value.value) for key, value in node.value}


def with_value(text: str, name: str, value: str) -> str:
    """``text`` with another value of the variable ``name``, which must be there."""
    if read(text, name) is None:
        raise DeployError(f"{name} is not there")
    key, node = _entries(text)[name]
    start, end = node.start_mark.index, node.end_mark.index
    if start < key.end_mark.index or text[start : start + 1] in ("&", "*"):
        raise DeployError(f"{name} has an anchor or an alias; write the value itself")
    # The end of a block scalar is the beginning of the next line that is not empty.
    tail = text[start:end][len(text[start:end].rstrip()) :]
    space = "" if text[:start].endswith((" ", "\t")) else " "
    return _checked(text, text[:start] + space + _scalar(value) + tail + text[end:], name, value)


def with_mapping(text: str, name: str, values: Mapping[str, str], comment: str) -> str:
    """``text`` whose last line is the variable ``name``, with the comment above it; without values, without both."""
    before = _without(text, name, comment)
    if not values:
        return _checked(text, before, name, None)
    newline = "\r\n" if "\r\n" in text else "\n"
    pairs = ", ".join(f"{_scalar(key)}: {_scalar(value)}" for key, value in values.items())
    head = before if before.endswith("\n") else before + newline
    return _checked(text, f"{head}# {comment}{newline}{name}: {{{pairs}}}{newline}", name, dict(values))


def _without(text: str, name: str, comment: str) -> str:
    if name not in _entries(text):
        return text
    key, node = _entries(text)[name]
    lines = text.splitlines(keepends=True)
    first, last = key.start_mark.line, node.end_mark.line
    if first and lines[first - 1].strip() == f"# {comment}":
        first -= 1
    return "".join(lines[:first] + lines[last + 1 :])


def _entries(text: str) -> dict[str, tuple[Any, Any]]:
    """Variable -> its nodes, with the places in the text where they stand."""
    if text.startswith("\ufeff"):
        raise DeployError("begins with a byte order mark, which shifts everything; remove it")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise DeployError(f"cannot be read as YAML{where}") from None
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise DeployError("must be variables, one below the other")
    found: dict[str, tuple[Any, Any]] = {}
    for key, value in root.value:
        if key.value in found:
            raise DeployError(f"has {key.value} twice")
        found[key.value] = (key, value)
    return found


def _checked(before: str, after: str, name: str, value: str | Mapping[str, str] | None) -> str:
    """``after``, when nothing but ``name`` differs and that reads as it should."""
    old = {key: _shape(node) for key, (_, node) in _entries(before).items() if key != name}
    new = {key: _shape(node) for key, (_, node) in _entries(after).items() if key != name}
    reads = read(after, name) if isinstance(value, str) else read_mapping(after, name) or None
    if old != new or reads != value:
        raise DeployError(f"{name} cannot be changed without changing more than it; write it on a line of its own")
    return after


def _shape(node: Any) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return node.tag, node.value
    parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
    return node.tag, [_shape(part) for part in parts]


def _scalar(value: str) -> str:
    """In double quotes. What looks like a template is marked, or Ansible would execute what somebody else gave us."""
    if any(0xD800 <= ord(character) <= 0xDFFF for character in value) or "\0" in value:
        raise DeployError("the value holds a character that no environment variable can carry")
    text = "".join(_ESCAPES.get(character) or _escaped(character) for character in value)
    return f'{UNSAFE} "{text}"' if _TEMPLATE.search(value) else f'"{text}"'


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x20 or _UNPRINTABLE.match(character) else character
