# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How two environments differ, key by key, and which of that breaks a rule. Pure; knows no secret value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.secrets.fingerprints import VARIABLES
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.entries import Configuration, Entry
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.rules import Path, Rules, fits
from yaml.nodes import ScalarNode
from yaml.resolver import Resolver

_RESOLVER = Resolver()
_YAML_TEXT = "tag:yaml.org,2002:str"


@dataclass(frozen=True)
class Fingerprints:
    """An environment's fingerprints.json. ``key``: fingerprint of the key, which must be the same to compare."""

    file: str
    key: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Side:
    configuration: Configuration
    fingerprints: Fingerprints

    @property
    def name(self) -> str:
        return self.configuration.environment


@dataclass
class Drift:
    """``broken``: sentences. The rest is for information: keys that one side lacks, and entries that differ as they may."""

    broken: list[str] = field(default_factory=list)
    only_here: list[str] = field(default_factory=list)
    only_there: list[str] = field(default_factory=list)
    different: list[tuple[Path, Entry, Entry]] = field(default_factory=list)
    secrets: str = ""


def compare(mine: Side, theirs: Side, rules: Rules) -> Drift:
    drift = Drift()
    here, there = _scoped(mine.configuration, theirs.configuration), _scoped(theirs.configuration, mine.configuration)
    for path in [*here, *(path for path in there if path not in here)]:
        if path in here and path in there:
            _compare_values(drift, rules, (mine, theirs), path, (here[path], there[path]))
    drift.only_here = _compare_presence(drift, rules, (mine, theirs), here, there)
    drift.only_there = _compare_presence(drift, rules, (theirs, mine), there, here)
    _compare_hosts(drift, rules, mine, theirs)
    _compare_secrets(drift, rules, mine, theirs)
    return drift


def _scoped(own: Configuration, other: Configuration) -> dict[Path, Entry]:
    """Leaves that are set. What all hosts have alike here, and groups of hosts apart there, is told apart here too."""
    scopes: dict[str, set[str]] = {}
    for entry in other.entries:
        if entry.scope in own.groups:
            scopes.setdefault(entry.path[0], set()).add(entry.scope)
    found = {}
    for entry in own.entries:
        if entry.value is None and not entry.hidden:
            continue
        for scope in [entry.scope] if entry.scope else sorted(scopes.get(entry.path[0], {""})):
            name = entry.path[0] + (f"@{scope}" if scope else "")
            found[(name, *entry.path[1:])] = entry
    return found


def _compare_values(drift: Drift, rules: Rules, sides: tuple[Side, Side], path: Path, entries: tuple[Entry, Entry]) -> None:
    mine, theirs = entries
    if mine.hidden or theirs.hidden:
        # Nobody knows whether these are the same: fingerprints tell, below.
        return
    same = type(mine.value) is type(theirs.value) and mine.value == theirs.value
    bound = rules.bind(path)
    if same and bound and fits(rules.differ, path) and mine.value not in ("", [], {}):
        drift.broken.append(f"{_dotted(path)} must differ, and is {say(mine.value)} in both ({mine.origin} and {theirs.origin})")
    elif not same and bound and fits(rules.match, path):
        drift.broken.append(
            f"{_dotted(path)} must be the same, and is {say(mine.value)} in {sides[0].name} ({mine.origin}) and "
            f"{say(theirs.value)} in {sides[1].name} ({theirs.origin})"
        )
    elif not same and path[0] != "stack_release":
        drift.different.append((path, mine, theirs))


def _compare_presence(
    drift: Drift, rules: Rules, sides: tuple[Side, Side], own: Mapping[Path, Entry], others: Mapping[Path, Entry]
) -> list[str]:
    """The highest paths that only the first of ``sides`` has."""
    known = {path[:length] for path in others for length in range(1, len(path) + 1)}
    found: dict[Path, list[Path]] = {}
    for path in own:
        top = next((path[:length] for length in range(1, len(path) + 1) if path[:length] not in known), None)
        if top and path[0] != "stack_release":
            found.setdefault(top, []).append(path)
    for top, leaves in found.items():
        wanted = {_wanted(rules, top, path): path for path in reversed(leaves) if rules.bind(path)}
        drift.broken += [
            f"{_dotted(path)} must be in both, and {sides[1].name} has none ({sides[0].name}: {own[leaf].origin})"
            for path, leaf in reversed(wanted.items())
            if path
        ]
    return [_dotted(top) for top in found]


def _wanted(rules: Rules, top: Path, path: Path) -> Path:
    """What of a ``path`` whose ``top`` is lacking must exist: as much as possible in one sentence; () when nothing must."""
    above = (path[:length] for length in range(len(top), len(path) + 1))
    return next((part for part in above if fits(rules.exist, part)), path if fits(rules.match, path) else ())


def _compare_hosts(drift: Drift, rules: Rules, mine: Side, theirs: Side) -> None:
    hosts = [{host for members in side.configuration.groups.values() for host in members} for side in (mine, theirs)]
    for host in sorted(hosts[0] & hosts[1]):
        if rules.bind(("hosts", host)) and fits(rules.differ, ("hosts", host)):
            drift.broken.append(f"hosts.{host} must not be in both: a host belongs to one environment")


def _compare_secrets(drift: Drift, rules: Rules, mine: Side, theirs: Side) -> None:
    sides = (mine, theirs)
    for side in sides:
        if not side.fingerprints.secrets:
            drift.secrets = f"values not compared: no fingerprints in {side.fingerprints.file}"
            return
    if mine.fingerprints.key != theirs.fingerprints.key:
        drift.secrets = "values not compared: the fingerprints of both environments were made with different keys"
        return
    for name, fingerprint in mine.fingerprints.secrets.items():
        for other, found in theirs.fingerprints.secrets.items():
            paths = (_secret_path(name), _secret_path(other))
            bound = all(rules.bind(path) and fits(rules.differ, path) for path in paths)
            if bound and fingerprint == found and not {name, other} <= _shared(sides):
                drift.broken.append(
                    f"{_dotted(paths[0])} of {mine.name} and {_dotted(paths[1])} of {theirs.name} must differ, and are the same"
                )
    lacking = [f"{_dotted(path)} of {side.name}" for side in sides for path in _without_fingerprint(side)]
    drift.secrets = "values compared by their fingerprints"
    if lacking:
        drift.secrets += f"; not compared, because they have no fingerprint: {', '.join(lacking)}"


def _shared(sides: Iterable[Side]) -> set[str]:
    """Names of secrets that both environments may have in common."""
    entries = [entry for side in sides for entry in side.configuration.entries if entry.path == ("stack_shared_secrets",)]
    return {name for entry in entries for name in entry.value or ()}


def _without_fingerprint(side: Side) -> list[Path]:
    known = {_secret_path(name) for name in side.fingerprints.secrets}
    places = ("stack_secrets", "stack_secret_variables", "stack_secret_files")
    secrets = [entry.path for entry in side.configuration.entries if entry.path[0] in places]
    named = [path for path in secrets if len(path) > 1 and (path[0] != "stack_secret_files" or path[-1] == "content")]
    return [path for path in named if path not in known]


def _secret_path(name: str) -> Path:
    """``api.DATABASE_URL``, ``variables.X``, ``files.<name>``, ``registries.<server>.password`` as the configuration's paths."""
    file, _, variable = name.partition(".")
    if file == VARIABLES:
        return ("stack_secret_variables", variable)
    if file == "registries":
        return ("stack_registries", *variable.rsplit(".", 1))
    return ("stack_secret_files", variable, "content") if file == "files" else ("stack_secrets", file, variable)


def _dotted(path: Path) -> str:
    return ".".join(path)


def say(value: Any) -> str:
    """A value in one line. A string that YAML would take for something else is quoted, so that types can be told."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "not set"
    if isinstance(value, list):
        return f"[{', '.join(map(say, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {say(part)}' for key, part in value.items())}}}"
    if isinstance(value, float):
        return f"{value:.1f}" if value == round(value, 1) else str(value)
    text = str(value)
    is_text = isinstance(value, str) and _RESOLVER.resolve(ScalarNode, text, (True, False)) != _YAML_TEXT  # type: ignore[no-untyped-call]
    return f'"{text}"' if is_text else " ".join(text.splitlines())
