# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Compose puts one definition over another: files over files, and a service over the one that it extends. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Override:
    """A value that replaces what earlier files say instead of being merged with it: ``!override``, and ``!reset`` (None)."""

    value: Any

    def with_value(self, value: Any) -> Override:
        return Override(value)


# Of a service: lists that a later one replaces, and lists of NAME=value that are mappings.
_REPLACED = ("command", "entrypoint", "test")
_MAPPINGS = {
    **dict.fromkeys(("environment", "labels", "annotations", "sysctls", "args"), "="),
    **dict.fromkeys(("depends_on", "networks"), ""),
    "extra_hosts": ":=",
}


def merged(base: Any, over: Any, path: tuple[str, ...] = ()) -> Any:
    """``path``: of both, in the whole model."""
    if isinstance(over, Override):
        # What is reset stays marked, so that it is gone in the end and not empty.
        return over if over.value is None else over.value
    if isinstance(base, Override):
        base = base.value
    if base is None or over is None:
        return base if over is None else over
    if path[:1] == ("services",) and len(path) > 2:
        base, over = _alike(path, base, over)
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        if path[-1:] == ("logging",) and over.get("driver") not in (None, base.get("driver")):
            return over
        return {key: merged(base.get(key), over[key], (*path, str(key))) if key in over else base[key] for key in [*base, *over]}
    if isinstance(base, list) and isinstance(over, list):
        if path[-1:] and path[-1] in _REPLACED:
            return over
        key = _KEYS.get(path[2]) if path[:1] == ("services",) and len(path) == 3 else None
        return _by_key(base, over, key) if key else [*base, *(one for one in over if one not in base)]
    return over


def plain(value: Any, depth: int = 0) -> Any:
    """Without markers; what refers to itself is cut off, because no check looks that deep."""
    if isinstance(value, Override):
        value = value.value
    if depth > 20:
        return None
    if isinstance(value, Mapping):
        return {key: plain(part, depth + 1) for key, part in value.items() if not _is_reset(part)}
    return [plain(part, depth + 1) for part in value if not _is_reset(part)] if isinstance(value, list) else value


def _is_reset(value: Any) -> bool:
    return isinstance(value, Override) and value.value is None


def _alike(path: tuple[str, ...], base: Any, over: Any) -> tuple[Any, Any]:
    """Both as mappings where one of them is, and the other the same thing as a list."""
    separators = _MAPPINGS.get(path[-1])
    if separators is None or len(path) not in (3, 4):
        return base, over
    return _as_mapping(base, separators), _as_mapping(over, separators)


def _as_mapping(value: Any, separators: str) -> Any:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        return value
    found: dict[str, Any] = {}
    for one in value:
        at = min((one.index(sign) for sign in separators if sign in one), default=len(one))
        found[one[:at]] = one[at + 1 :] if at < len(one) else None
    return found


def _by_key(base: list[Any], over: list[Any], key: Callable[[Any], Any]) -> list[Any]:
    """Each once: the later one of those that are for the same thing."""
    found: dict[Any, Any] = {}
    for one in [*base, *over]:
        found[str(key(one))] = one
    return list(found.values())


def _target(entry: Any) -> Any:
    """Where a volume, a device, a config or a secret is seen in the container."""
    if isinstance(entry, Mapping):
        return str(entry.get("target") or entry.get("source") or entry).rstrip("/")
    parts = _outside_braces(str(entry))
    return (parts[1] if len(parts) > 1 else parts[0]).rstrip("/")


def _outside_braces(text: str) -> list[str]:
    parts, depth = [""], 0
    for sign in text:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if sign == ":" and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


_KEYS: Mapping[str, Callable[[Any], Any]] = {
    "volumes": _target,
    "devices": _target,
    "configs": _target,
    "secrets": _target,
    "tmpfs": lambda one: str(one).partition(":")[0],
    "env_file": lambda one: one.get("path") if isinstance(one, Mapping) else one,
}
