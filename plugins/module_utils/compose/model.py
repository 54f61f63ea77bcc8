# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the project as Compose resolves it to the services that should run, each with the fingerprint of all that it reads.

Compose's own hash cannot serve: it sees neither a changed secret file nor a changed mounted file, and changes with the path
of the project. The fingerprint is keyed with a key of the host, so that it tells nobody what a value is.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import SECRETS_IN_CONTAINER
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import data as compose_data
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import rules as compose_rules
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import shared
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.project_mounts import Overrides
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import DesiredService
from ansible_collections.morpheus.deploy.plugins.module_utils.service.mounted import MountedFile, content, look
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import stack_network

NO_MOUNTS = Overrides()
NO_GROUND = compose_data.Ground()
NO_VARIABLES: Mapping[str, str] = MappingProxyType({})
PART_DIGITS = 12
# What changes how many replicas run or how they are replaced, but not what a replica is.
_NOT_IDENTITY = ("scale", "depends_on", "profiles", "pull_policy", "build", "develop")

# path that a replica reads from -> where its content lies now (the release's files are in place only when it is rolled out)
Locate = Callable[[Path], Path]


def services(model: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The services that run all the time: those behind a profile are one-off or optional."""
    return {name: service for name, service in (model.get("services") or {}).items() if not service.get("profiles")}


@dataclass(frozen=True)
class _File:
    """``source``: where the project has it; ``here``: where its content lies now; ``target``: where a container has it mounted,
    empty where none has; ``released``: whether a release mounts it.
    """

    label: str
    source: Path
    here: Path
    target: str
    released: bool = False


class Fingerprints:
    def __init__(
        self,
        model: Mapping[str, Any],
        project_directory: Path,
        key: bytes,
        locate: Locate,
        variables: Mapping[str, str] = NO_VARIABLES,
    ) -> None:
        """``variables``: what those have that give secrets their values."""
        self._model = model
        self._project = project_directory
        self._key = key
        self._locate = locate
        self._variables = variables

    def parts(self, service: Mapping[str, Any], image: str) -> dict[str, str]:
        """Name of each part of the configuration -> its fingerprint; the image stands for itself by its content."""
        found = {"image": image}
        for name, value in service.items():
            if name in ("image", "environment", *_NOT_IDENTITY):
                continue
            if name == "deploy":
                value = {key: part for key, part in (value or {}).items() if key in ("resources", "restart_policy") and part}
                if not value:
                    continue
            found[name] = self._digest(value)
        for name, value in (service.get("environment") or {}).items():
            found[f"environment.{name}"] = self._digest(value)
        found |= {label: self._digest(text) for label, _, text in self._inline(service)}
        found |= {label: self._digest(name) for label, name in self._other_names(service)}
        for one in self._files(service):
            if one.here.is_file():
                found[one.label] = self._digest(look(one.here, one.label, one.released))
        return found

    def files(self, service: Mapping[str, Any]) -> list[MountedFile]:
        """Every file that a replica has mounted, as it should be."""
        found = [
            # Compose doubles $ in what it prints.
            MountedFile(label, target, content(text.replace("$$", "$") if label.startswith("config ") else text), plain=True)
            for label, target, text in self._inline(service)
        ]
        secrets = self._project / "secrets"
        return found + [
            MountedFile(
                one.label,
                one.target,
                look(one.here, one.label, one.released),
                one.source.name if one.source.parent == secrets else "",
                one.released,
            )
            for one in self._files(service)
            if one.target and one.here.is_file()
        ]

    def whole(self, parts: Mapping[str, str]) -> str:
        return self._digest(dict(parts), digits=32)

    def _other_names(self, service: Mapping[str, Any]) -> list[tuple[str, str]]:
        """(what, its name) of every network and volume that is not called as Compose would call it: there the service meets "
        "others."""
        used = [("networks", key) for key in service.get("networks") or {}]
        used += [("volumes", mount.source) for mount in compose_data.mounts(service) if mount.kind == "volume"]
        names = [(kind, key, ((self._model.get(kind) or {}).get(key) or {}).get("name")) for kind, key in used]
        return [(f"{kind[:-1]} {key}", name) for kind, key, name in names if name and name != f"{self._model.get('name')}_{key}"]

    def _sources(self, service: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
        """(name, path in the container, definition) of every secret and config that a service uses."""
        return [
            (
                f"{kind[:-1]} {use['source']}",
                str(PurePosixPath(directory, use.get("target") or use["source"])),
                (self._model.get(kind) or {}).get(use["source"]) or {},
            )
            for kind, directory in (("secrets", SECRETS_IN_CONTAINER), ("configs", "/"))
            for use in service.get(kind) or []
        ]

    def _inline(self, service: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """(name, path in the container, content) of what stands in the Compose files themselves, or in a variable."""
        found = []
        for label, target, source in self._sources(service):
            text = source.get("content", source.get("environment"))
            if text is not None:
                found.append((label, target, self._variables.get(text, text) if "environment" in source else text))
        return found

    def _files(self, service: Mapping[str, Any]) -> list[_File]:
        """Every file that a replica reads from the host."""
        found = []
        for mount in service.get("volumes") or []:
            if mount.get("type") == "bind" and mount.get("source"):
                found += self._tree(str(mount["target"]), Path(mount["source"]))
        for label, target, source in self._sources(service):
            if source.get("file"):
                file = Path(source["file"])
                found.append(_File(label, file, self._locate(file), target, self._is_released(file)))
        for entry in service.get("env_file") or []:
            path = self._project / Path(entry["path"] if isinstance(entry, Mapping) else entry)
            # Compose reads it; no container does.
            found.append(_File(f"env_file {path.name}", path, self._locate(path), ""))
        return found

    def _tree(self, target: str, source: Path) -> list[_File]:
        here = self._locate(source)
        if not here.is_dir() or (source != self._project and self._project not in source.parents):
            # A directory outside the project belongs to the host: its content is data, not configuration.
            return [_File(f"file {target}", source, here, target, self._is_released(source))]
        names = [(str(path.relative_to(here)), path) for path in sorted(here.rglob("*"))]
        return [
            _File(f"file {target}/{name}", source / name, path, f"{target}/{name}", self._is_released(source / name))
            for name, path in names
        ]

    def _is_released(self, source: Path) -> bool:
        return self._project in source.parents and source.relative_to(self._project).parts[0] != "secrets"

    def _digest(self, value: Any, digits: int = PART_DIGITS) -> str:
        text = json.dumps(value, sort_keys=True, ensure_ascii=False)
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:digits]


def desired_services(
    model: Mapping[str, Any],
    images: Mapping[str, tuple[str, str]],
    ports: Mapping[str, int],
    fingerprints: Fingerprints,
    section: str = "update_config",
    ground: compose_data.Ground = NO_GROUND,
    ending: Collection[str] = (),
) -> list[DesiredService]:
    """``images``: service -> (reference as people know it, identity of its content); ``ports``: routed service -> its port;
    ``ground``: what is data of a service; ``ending``: names of jobs.
    """
    found = []
    for name, service in sorted(services(model).items()):
        reference, identity = images[name]
        parts = fingerprints.parts(service, identity)
        if name in ports:
            # The edge asks replicas at the port of their release: one made for another port is another replica.
            parts["port"] = str(ports[name])
        found.append(
            DesiredService(
                name=name,
                replicas=0 if name in ending else compose_rules.replicas(service),
                fingerprint=fingerprints.whole(parts),
                image=reference,
                routed=name in ports,
                port=ports.get(name, 0),
                policy=compose_rules.update_policy(service, section, _exclusive(service, ground)),
                depends_on=tuple(sorted({*(service.get("depends_on") or {}), *shared.follows(service)})),
                follows=shared.follows(service),
                stop_grace_seconds=compose_rules.seconds(service.get("stop_grace_period"), 10.0),
                parts=parts,
                networks=networks(model, service, routed=name in ports),
                job=name in ending,
                files=() if name in ending else tuple(fingerprints.files(service)),
            )
        )
    return found


def _exclusive(service: Mapping[str, Any], ground: compose_data.Ground) -> str:
    return " and ".join(part for part in (compose_data.reason(service, ground), shared.reason(service)) if part)


def networks(model: Mapping[str, Any], service: Mapping[str, Any], *, routed: bool) -> frozenset[str] | None:
    """Names of the networks that replicas of a service are on; None where they have none of their own."""
    if service.get("network_mode"):
        return None
    defined = model.get("networks") or {}
    names = [str((defined.get(key) or {}).get("name") or "") for key in service.get("networks") or {"default": None}]
    return frozenset([*names, *([stack_network(model["name"])] if routed else [])]) if all(names) else None


def override(
    model: Mapping[str, Any],
    desired: list[DesiredService],
    pinned: Mapping[str, str],
    labels: Mapping[str, Mapping[str, str]],
    additions: Mapping[str, Mapping[str, Any]],
    mounts: Overrides = NO_MOUNTS,
) -> dict[str, Any]:
    """The generated Compose file: images pinned, our labels, the network to the edge for routed services, what hardens each, and
    where the files lie that it mounts.

    Services behind a profile are in it too when they are hardened or mount files: people run them by hand.
    """
    result: dict[str, Any] = {"services": {name: dict(parts) for name, parts in additions.items() if parts}}
    for service in desired:
        own: dict[str, Any] = {
            **additions.get(service.name, {}),
            "image": pinned[service.name],
            "labels": dict(labels[service.name]),
        }
        if service.routed:
            networks = dict.fromkeys((model["services"][service.name].get("networks") or {"default": None}).keys())
            shared = stack_network(model["name"])
            own["networks"] = {**{name: {} for name in networks}, shared: {}}
            result["networks"] = {shared: {"external": True, "name": shared}}
        result["services"][service.name] = own
    for name, volumes in mounts.volumes.items():
        result["services"].setdefault(name, {})["volumes"] = list(volumes)
    if mounts.configs:
        result["configs"] = {name: dict(config) for name, config in mounts.configs.items()}
    return result
