# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which value of a secret each container of this host was started with. Reads, compares here, and tells fingerprints only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import interpolation
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import url as connection_url
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets.fingerprints import MINIMUM_LENGTH, VARIABLES, fingerprint

FILES = "files"
# Below the directory of a stack's secrets: those that have their value from a variable.
GIVEN = "values"
# Service -> secret variable of its Compose files -> variable of its containers that is composed of it, or file (see Container)
# -> its value.
Composed = Mapping[str, Mapping[str, Mapping[str, str]]]
NONE: Composed = MappingProxyType({})
PROC = Path("/proc")


class Uses(str, Enum):
    NEW = "new"
    OLD = "old"
    NEITHER = "neither"


@dataclass(frozen=True)
class Container:
    """A running container. ``service`` is empty for one that is not a replica of the stack.

    ``files``: name of a file secret that is mounted -> its content as the container reads it; ``values/<name>`` is one that has
    it from a variable.
    """

    name: str
    service: str
    variables: Mapping[str, str] = field(repr=False)
    command: Sequence[str] = field(repr=False, default=())
    files: Mapping[str, str] = field(repr=False, default_factory=dict)


@dataclass(frozen=True)
class Values:
    """``old`` is empty when it stays in use elsewhere, so that only the stack's own replicas count."""

    new: str = field(repr=False)
    old: str = field(repr=False)

    def told_by(self, value: str) -> Uses:
        if value == self.new:
            return Uses.NEW
        return Uses.OLD if self.old and value == self.old else Uses.NEITHER

    def old_in(self, text: str) -> bool:
        """Whether ``text`` holds the old value anywhere, alone or in a longer one such as a URL."""
        for known in _marks(self.new):
            text = text.replace(known, "")
        return any(mark in text for mark in _marks(self.old))


def _marks(value: str) -> list[str]:
    """What gives a value away: itself, and the password of a connection URL. The longer one first."""
    found = [value]
    with suppress(DeployError):
        found.append(connection_url.parse(value).password)
    return sorted((mark for mark in set(found) if len(mark) >= MINIMUM_LENGTH), key=len, reverse=True)


@dataclass(frozen=True)
class Attestation:
    """What a replica was started with."""

    name: str
    service: str
    secret: str
    uses: Uses
    fingerprint: str

    def as_dict(self) -> dict[str, str]:
        return {
            "name": self.name,
            "service": self.service,
            "secret": self.secret,
            "uses": self.uses.value,
            "fingerprint": self.fingerprint,
        }


def composed(model: Mapping[str, Any], written: Mapping[str, Any], secrets: Sequence[str], given: Mapping[str, str]) -> Composed:
    """What services are given that is composed of secret variables, in a project whose secrets are the current ones.

    ``written``: the project with variables unread. ``given``: the variables of the stack.
    """
    found: dict[str, dict[str, dict[str, str]]] = {}
    for service, definition in (written.get("services") or {}).items():
        resolved = ((model.get("services") or {}).get(service) or {}).get("environment") or {}
        for name, text in (definition.get("environment") or {}).items():
            mentioned = interpolation.names(str(text))
            for secret in secrets:
                group, _, variable = secret.partition(".")
                if group == VARIABLES and variable in mentioned and name in resolved:
                    of_service = found.setdefault(service, {}).setdefault(secret, {})
                    of_service[name] = str(resolved[name]).replace("$$", "$")
    defined = model.get("secrets") or {}
    for service, definition in (model.get("services") or {}).items():
        for use in definition.get("secrets") or []:
            variable = str((defined.get(use["source"]) or {}).get("environment") or "")
            secret = f"{VARIABLES}.{variable}"
            if secret in secrets and variable in given:
                found.setdefault(service, {}).setdefault(secret, {})[f"{GIVEN}/{use['source']}"] = given[variable]
    return found


def readers(model: Mapping[str, Any], secrets: Sequence[str], new: str, parts: Composed = NONE) -> dict[str, list[str]]:
    """Service -> which of ``secrets`` it reads in a project whose secrets are the current ones. ``parts``: see ``composed``."""
    found: dict[str, list[str]] = {}
    for service, definition in (model.get("services") or {}).items():
        environment = definition.get("environment") or {}
        mounted = _mounted(model, definition)
        for secret in secrets:
            group, _, variable = secret.partition(".")
            # Compose doubles $ in what it prints.
            reads = variable in mounted if group == FILES else str(environment.get(variable)).replace("$$", "$") == new
            if reads or secret in parts.get(service, {}):
                found.setdefault(service, []).append(secret)
    return found


def _mounted(model: Mapping[str, Any], definition: Mapping[str, Any]) -> set[str]:
    defined = model.get("secrets") or {}
    return {Path(str((defined.get(use["source"]) or {}).get("file"))).name for use in definition.get("secrets") or []}


def attest(
    containers: Sequence[Container],
    reads: Mapping[str, Sequence[str]],
    secrets: Sequence[str],
    values: Values,
    key: str,
    parts: Composed = NONE,
) -> tuple[list[Attestation], list[str]]:
    """What each replica that reads one of ``secrets`` uses; and every reason not to revoke the old value, a sentence each."""
    found, problems = [], []
    if not reads:
        problems.append(
            f"no service of the live release reads {', '.join(secrets)}, so nothing can attest it; deploy the release first"
        )
    for container in containers:
        of_service = parts.get(container.service, {})
        own = [
            _attested(container, secret, values, key, of_service.get(secret, {})) for secret in reads.get(container.service, ())
        ]
        found += own
        problems += [_sentence(one) for one in own if one.uses is not Uses.NEW]
        if all(one.uses is Uses.NEW for one in own):
            problems += _elsewhere(container, values)
    return found, problems


def _attested(container: Container, secret: str, values: Values, key: str, parts: Mapping[str, str]) -> Attestation:
    if parts:
        given = {name: container.files.get(name, container.variables.get(name, "")) for name in parts}
        old = bool(values.old) and any(map(values.old_in, given.values()))
        uses = Uses.NEW if given == parts else Uses.OLD if old else Uses.NEITHER
        told = {Uses.NEW: values.new, Uses.OLD: values.old}.get(uses, "")
        return Attestation(container.name, container.service, secret, uses, fingerprint(key, told))
    group, _, variable = secret.partition(".")
    value = (container.files if group == FILES else container.variables).get(variable, "")
    return Attestation(container.name, container.service, secret, values.told_by(value), fingerprint(key, value))


def _sentence(one: Attestation) -> str:
    what = "still uses the old value of" if one.uses is Uses.OLD else "uses neither the old nor the new value of"
    return f"{one.name} (a replica of {one.service}) {what} {one.secret}"


def _elsewhere(container: Container, values: Values) -> list[str]:
    """Old values where nobody expects them: in another variable, or in a container that was started by hand."""
    places = [f"its variable {name}" for name, value in sorted(container.variables.items()) if values.old_in(value)]
    places += ["its command"] if any(map(values.old_in, container.command)) else []
    places += [f"its file {name}" for name, content in sorted(container.files.items()) if values.old_in(content)]
    whose = f"a replica of {container.service}" if container.service else "which is not a replica of the stack"
    return [f"{container.name} ({whose}) still has the old value in {', '.join(places)}"] if places else []


def container(details: Mapping[str, Any], project: str, secrets_directory: str = "secrets") -> Container:
    """From what the engine tells of a running container."""
    config, labels = details["Config"], details["Config"].get("Labels") or {}
    pairs = (entry.partition("=") for entry in config.get("Env") or [])
    own = labels.get("com.docker.compose.project") == project and labels.get("com.docker.compose.oneoff") != "True"
    return Container(
        name=details["Name"].lstrip("/"),
        service=str(labels.get("com.docker.compose.service", "")) if own else "",
        variables={name: value for name, _, value in pairs},
        command=[str(part) for part in [details.get("Path", ""), *(details.get("Args") or [])]],
        files=dict(_files(details, secrets_directory)),
    )


def _files(details: Mapping[str, Any], directory: str) -> list[tuple[str, str]]:
    """A mounted file is read where the container sees it: one that was replaced on the host stays the old one in there."""
    found = []
    for mount in details.get("Mounts") or []:
        source = Path(str(mount.get("Source")))
        seen = PROC / str(details["State"]["Pid"]) / "root" / str(mount["Destination"]).lstrip("/")
        above = source.parts[-3:-1]
        prefix = "" if above[-1:] == (directory,) else f"{GIVEN}/" if above == (directory, GIVEN) else None
        if prefix is not None and seen.is_file():
            found.append((f"{prefix}{source.name}", seen.read_bytes().decode("utf-8", "surrogateescape")))
    return found
