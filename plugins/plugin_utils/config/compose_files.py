# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose files as they are written, read well enough to check them on a controller that has no Docker.

What a host runs is decided there, by Compose itself. This reader knows merging, ``extends``, ``include``, ``!reset``,
``!override``, profiles and the variables that are given, and takes everything else as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema
from ansible_collections.morpheus.deploy.plugins.module_utils.base.interpolation import substituted
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.compose_bring import Brought, Read
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.compose_merge import Override, merged, plain

# file, its content -> the content with variables in place, and what is wrong with them
Resolve = Callable[[str, Mapping[str, Any], list[str]], dict[str, Any]]
_SERVICE = re.compile(r"[A-Za-z0-9._-]+\Z")
# YAML 1.1 takes these for numbers to the base of sixty, and Compose for words: a port of the host and one of the container.
_SIXTIES = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?\Z")


class ComposeFiles:
    def __init__(
        self,
        texts: Mapping[str, str],
        variables: Mapping[str, str],
        *,
        resolve: Resolve | None = None,
        read: Read | None = None,
        profiles: Collection[str] = (),
    ) -> None:
        """``texts``: file name -> content, in Compose's order. ``variables``: put in place; ``resolve`` is asked for all others.

        ``read``: gives the content of a file that another one names, by its path below the stack's source. Without it such files
        are left to the hosts. ``profiles``: those that are on.
        """
        self.problems: list[str] = []
        self._variables = variables
        self._resolve = resolve
        self._profiles = frozenset(profiles)
        self._files: dict[str, Mapping[str, Any]] = {}
        self._brought = Brought(self._parsed, read, self.problems) if read else None
        self._merged: Any = {}
        for name, text in texts.items():
            self._merged = merged(self._merged, self._load(name, text))

    def model(self) -> dict[str, Any]:
        """Everything, merged; services are a mapping, as far as they can be read. One whose profile is on is behind none."""
        found: dict[str, Any] = plain(self._merged)
        services = found["services"] if isinstance(found.get("services"), dict) else {}
        return {**found, "services": {name: self._shown(service) for name, service in services.items()}}

    def written(self) -> list[Mapping[str, Any]]:
        """Each file as it is written, with those that it includes."""
        return [plain(one) for one in self._files.values()]

    def known_profiles(self) -> set[str]:
        """Of all services."""
        services = plain(self._merged).get("services")
        given = (
            [service.get("profiles") for service in services.values() if isinstance(service, dict)]
            if isinstance(services, dict)
            else []
        )
        return {str(one) for names in given if isinstance(names, list) for one in names}

    def where(self, service: str, key: str) -> str:
        """The last file that says something about a service's ``key``, or else about the service."""
        speaking = [name for name, content in self._files.items() if self._said(content, service) is not None]
        exact = [name for name in speaking if key in (self._said(self._files[name], service) or ())]
        return next(reversed(exact or speaking or list(self._files)), "")

    def _shown(self, service: Any) -> Any:
        given = service.get("profiles") if isinstance(service, Mapping) else None
        if isinstance(given, list) and self._profiles.intersection(map(str, given)):
            return {key: value for key, value in service.items() if key != "profiles"}
        return service

    @staticmethod
    def _said(content: Mapping[str, Any], service: str) -> Any:
        services = content.get("services")
        said = services.get(service) if isinstance(services, Mapping) else None
        return said if isinstance(said, Mapping) else None

    def _load(self, name: str, text: str) -> Mapping[str, Any]:
        content = self._parsed(name, text)
        if self._brought:
            included = self._brought.included(name, content)
            for path, one in included.items():
                self._files[path] = one
            content = {key: value for key, value in content.items() if key != "include"}
            self._files[name] = content
            content = self._brought.extended(name, content)
            for one in included.values():
                content = merged(one, content)
        else:
            self._files[name] = content
        return content

    def _parsed(self, name: str, text: str) -> Mapping[str, Any]:
        try:
            found = yaml.load(text, Loader=_Loader)
        except (yaml.YAMLError, RecursionError) as exc:
            said = f"is not YAML: {' '.join(str(exc).split())}"
            # Which Compose takes, and merges.
            if "expected a single document" in said:
                mend = "write each into a file of its own, and name all of them in stack.compose_files"
                said = f"holds more than one YAML document; {mend}"
            self.problems.append(f"{name}: {said}")
            return {}
        if not isinstance(found, Mapping):
            self.problems.append(f"{name}: must be a mapping with the key services")
            return {}
        if not isinstance(found.get("services") or {}, Mapping):
            self.problems.append(f"{name}: services must be a mapping")
            return {}
        unnamed = [f"{name}: services.{one}: {why}" for one in found.get("services") or {} if (why := _misnamed(one))]
        if unnamed:
            self.problems += unnamed
            return {}
        if self._resolve:
            return self._resolve(name, found, self.problems)
        known: Mapping[str, Any] = _substituted(found, self._variables)
        return known


def _substituted(value: Any, variables: Mapping[str, str], depth: int = 0) -> Any:
    if isinstance(value, Override):
        return Override(_substituted(value.value, variables, depth))
    if depth > 20:
        return None
    if isinstance(value, Mapping):
        return {key: _substituted(part, variables, depth + 1) for key, part in value.items()}
    if isinstance(value, list):
        return [_substituted(part, variables, depth + 1) for part in value]
    return substituted(value, variables) if isinstance(value, str) else value


def _misnamed(service: Any) -> str:
    """Why Compose takes no service of this name; empty when it does."""
    if not isinstance(service, str):
        return f"the name is {schema.kind(service)}; quote it"
    return "" if _SERVICE.match(service) else "Compose takes only letters, digits, ., _ and - in the name of a service"


class _Loader(yaml.SafeLoader):
    """YAML with Compose's own tags, and as strict as Compose where a key is there twice."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> Any:
        if kind is yaml.ScalarNode and implicit[0] and _SIXTIES.match(value):
            return "tag:yaml.org,2002:str"
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.composer.ComposerError(None, None, f'the key "{key.value}" is there twice', key.start_mark)
                seen.add((key.tag, key.value))
        return node


def _tagged(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        value: Any = loader.construct_mapping(node, deep=True)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) and suffix == "override" else None
    if suffix == "reset":
        return Override(None)
    return Override(value) if suffix == "override" else value


_Loader.add_multi_constructor("!", _tagged)
