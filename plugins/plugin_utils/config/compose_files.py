# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""Compose files as they are written, merged well enough to check them on a controller that has no Docker.

What a host runs is decided there, by Compose itself. This reader knows merging, ``!reset``, ``!override`` and the two variables
that every release has, and takes everything else as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.release_variables import substituted


@dataclass(frozen=True)
class _Override:
    """A value that replaces what earlier files say instead of being merged with it."""

    value: Any


class ComposeFiles:
    def __init__(self, texts: Mapping[str, str], variables: Mapping[str, str]) -> None:
        """``texts``: file name -> content, in Compose's order."""
        self.problems: list[str] = []
        self._files = {name: self._load(name, text, variables) for name, text in texts.items()}

    def model(self) -> dict[str, Any]:
        """Everything, merged; services are a mapping, as far as they can be read."""
        merged: Any = {}
        for content in self._files.values():
            merged = _merged(merged, content)
        found: dict[str, Any] = _plain(merged)
        return {**found, "services": found["services"] if isinstance(found.get("services"), dict) else {}}

    def where(self, service: str, key: str) -> str:
        """The last file that says something about a service's ``key``, or else about the service."""
        speaking = [name for name, content in self._files.items() if self._said(content, service) is not None]
        exact = [name for name in speaking if key in (self._said(self._files[name], service) or ())]
        return next(reversed(exact or speaking or list(self._files)), "")

    @staticmethod
    def _said(content: Mapping[str, Any], service: str) -> Any:
        services = content.get("services")
        said = services.get(service) if isinstance(services, Mapping) else None
        return said if isinstance(said, Mapping) else None

    def _load(self, name: str, text: str, variables: Mapping[str, str]) -> Mapping[str, Any]:
        try:
            found = yaml.load(substituted(text, variables), Loader=_Loader)
        except (yaml.YAMLError, RecursionError) as exc:
            self.problems.append(f"{name}: is not YAML: {' '.join(str(exc).split())}")
            return {}
        if not isinstance(found, Mapping):
            self.problems.append(f"{name}: must be a mapping with the key services")
            return {}
        if not isinstance(found.get("services") or {}, Mapping):
            self.problems.append(f"{name}: services must be a mapping")
            return {}
        return found


class _Loader(yaml.SafeLoader):
    """YAML with Compose's own tags."""


def _tagged(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        value: Any = loader.construct_mapping(node, deep=True)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = None
    if suffix == "reset":
        return _Override(None)
    return _Override(value) if suffix == "override" else value


_Loader.add_multi_constructor("!", _tagged)


def _merged(base: Any, over: Any) -> Any:
    if isinstance(over, _Override):
        return over.value
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        return {key: _merged(base.get(key), over[key]) if key in over else base[key] for key in [*base, *over]}
    if isinstance(base, list) and isinstance(over, list):
        return [*base, *over]
    return base if over is None else over


def _plain(value: Any, depth: int = 0) -> Any:
    """Without markers; what refers to itself is cut off, because no check looks that deep."""
    if isinstance(value, _Override):
        value = value.value
    if depth > 20:
        return None
    if isinstance(value, Mapping):
        return {key: _plain(part, depth + 1) for key, part in value.items()}
    return [_plain(part, depth + 1) for part in value] if isinstance(value, list) else value
