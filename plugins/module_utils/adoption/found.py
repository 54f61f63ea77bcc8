# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on a host that is to be taken over. Asked by the command ``docker``, for the host may not have been provisioned yet:
then the engine's Python library is missing.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.answers import LOOK
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.labels import (
    FINGERPRINT,
    NUMBER,
    ONEOFF,
    PROJECT,
    SERVICE,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.listed import mislabelled
from ansible_collections.morpheus.deploy.plugins.module_utils.service.mounted import Mounted
from ansible_collections.morpheus.deploy.plugins.module_utils.words import said

# Of a container: where its Compose project lies on this host, with which files.
DIRECTORY = "com.docker.compose.project.working_dir"
FILES = "com.docker.compose.project.config_files"
ENV_FILES = "com.docker.compose.project.environment_file"
# What the engine calls a volume that nobody has named.
_NO_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Origin:
    """Where a Compose project lies on this host."""

    directory: str = ""
    files: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Container:
    """``ours``: started by this collection. ``ports``: TCP ports of this host that lead into it while it runs. ``mounts``: its
    volumes, and directories of the host. ``damage``: why nobody can tell which replica it is, in words.
    """

    id: str
    name: str
    image: str = ""
    running: bool = True
    project: str = ""
    service: str = ""
    ours: bool = False
    ports: tuple[int, ...] = ()
    mounts: tuple[Mounted, ...] = ()
    origin: Origin = field(default_factory=Origin)
    damage: str = ""

    @property
    def words(self) -> str:
        return f"the container {self.name}" + (f" of the project {self.project}" if self.project else "")


def has_no_name(volume: str) -> bool:
    return _NO_NAME.fullmatch(volume) is not None


def container(details: Mapping[str, Any]) -> Container | None:
    """One as the engine inspects it; None for one-off containers, which end by themselves."""
    config = details.get("Config") or {}
    labels: Mapping[str, str] = config.get("Labels") or {}
    if labels.get(ONEOFF) == "True":
        return None
    name = str(details["Name"]).lstrip("/")
    project, service = labels.get(PROJECT, ""), labels.get(SERVICE, "")
    bindings = (details.get("HostConfig") or {}).get("PortBindings") or {}
    item = {"Labels": labels, "Names": [name]}
    return Container(
        id=str(details["Id"]),
        name=name,
        image=str(config.get("Image", "")),
        running=bool((details.get("State") or {}).get("Running")),
        project=project,
        service=service,
        ours=FINGERPRINT in labels,
        ports=tuple(sorted(_published(bindings))),
        mounts=tuple(_mounts(name, service, details.get("Mounts") or [])),
        origin=origin(labels),
        damage=mislabelled(item) if project and (NUMBER in labels or ONEOFF in labels) else "",
    )


def origin(labels: Mapping[str, str]) -> Origin:
    def listed(label: str) -> tuple[str, ...]:
        return tuple(one for one in labels.get(label, "").split(",") if one)

    return Origin(labels.get(DIRECTORY, ""), listed(FILES), listed(ENV_FILES))


def _published(bindings: Mapping[str, Any]) -> set[int]:
    return {
        int(place["HostPort"])
        for inside, places in bindings.items()
        for place in places or []
        if not inside.endswith("/udp") and str(place.get("HostPort") or "").isdecimal()
    }


def _mounts(name: str, service: str, mounts: Sequence[Mapping[str, Any]]) -> list[Mounted]:
    return [
        Mounted(
            name,
            service,
            str(one["Type"]),
            str(one.get("Name") or one.get("Source") or ""),
            str(one["Destination"]),
            bool(one.get("RW", True)),
        )
        for one in mounts
    ]


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    except FileNotFoundError:
        raise EngineError(
            "this host has no docker command, so nothing runs here that could be taken over; for a bare host: "
            "playbooks/provision.yml and deploy.yml"
        ) from None
    except subprocess.TimeoutExpired:
        raise EngineError(f"{' '.join(command[:3])} did not end within 120 s. {LOOK}") from None
    if done.returncode:
        raise EngineError(f"{' '.join(command[:3])}: {said.ending(done.stderr, 300)}. {LOOK}")
    return done.stdout


class Docker:
    """The engine of this host, asked by its command. ``run``: see _run. Holds values of variables: never return it whole."""

    def __init__(self, run: Callable[[Sequence[str]], str] = _run) -> None:
        self._run = run

    def containers(self) -> list[Container]:
        """Those that run, and stopped ones."""
        found = map(
            container, self._inspected("container", self._run(["docker", "ps", "--all", "--quiet", "--no-trunc"]).split())
        )
        return [one for one in found if one]

    def networks(self, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        return self._named("network", names)

    def volumes(self, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        return self._named("volume", names)

    def _named(self, kind: str, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        there = set(self._run(["docker", kind, "ls", "--format", "{{.Name}}"]).split())
        return {str(one["Name"]): one for one in self._inspected(kind, [name for name in names if name in there])}

    def _inspected(self, kind: str, names: Sequence[str]) -> list[Mapping[str, Any]]:
        if not names:
            return []
        try:
            found: list[Mapping[str, Any]] = json.loads(self._run(["docker", kind, "inspect", *names]))
        except ValueError:
            raise EngineError(f"docker {kind} inspect printed no JSON. {LOOK}") from None
        return found
