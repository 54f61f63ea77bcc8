"""A host whose containers are toys. Only what needs the engine, docker compose or a container for HAProxy is replaced.

The seams, which host.StackHost promises to keep: ``client`` (its Engine stays the real one), ``model``, ``compose``,
``edge_troubles``, ``users`` and ``_validate``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import served
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import Endpoint
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.host.target import Target
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.release.workspace import Workspace
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import DesiredService
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

from tests.edge_lab.examples import Release, Service
from tests.edge_lab.toys import App, ToyDocker

STACK = "shop"
MODEL_FILE = "compose.json"
# Ends as soon as nothing is under way; a busy machine may take its time for a request.
DRAIN_SECONDS = 10.0
EDGE_PORT = 8080
HEALTH = {
    "path": "/health",
    "status": 200,
    "expect": "",
    "successes": 2,
    "interval_seconds": 0.03,
    "timeout_seconds": 10.0,
    "deadline_seconds": 180.0,
}
# A busy machine is no sick toy: only a candidate that is meant to fail is given little time.
SICK_SECONDS = 0.6


class ToyCompose:
    """docker compose as far as a rollout asks it: reads the project directory, starts toys with the override's labels."""

    def __init__(self, project: Path, docker: ToyDocker) -> None:
        self._project = project
        self._docker = docker

    def scale_up(self, service: str, total: int) -> None:
        model = json.loads((self._project / MODEL_FILE).read_text())["services"][service]
        override = json.loads((self._project / "override.json").read_text().replace("$$", "$"))["services"][service]
        app = App.of(model["environment"])
        while len(self._docker.of_service(service)) < total:
            image = (override["image"], self._docker.inspect_image(override["image"])["Id"])
            self._docker.run(service, image, override["labels"], app)
            if app.fault == "compose":
                raise EngineError(f"docker compose failed for {STACK}: the toy was told to")


class LabHost(StackHost):
    def __init__(
        self, docker: ToyDocker, edge_root: Path, releases: Releases, validate: Callable[[Path], str], stack: str = STACK
    ) -> None:
        super().__init__(stack, docker, edge_root, releases)
        self._docker = docker
        self._validate_in_chroot = validate

    def model(self, stack: Stack, workspace: Workspace) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((workspace.files / MODEL_FILE).read_text())
        return found

    def compose(self, target: Target) -> Any:
        return ToyCompose(self.releases.project, self._docker)

    def edge_troubles(self) -> list[str]:
        """HAProxy runs beside the toys and in no container."""
        return []

    def join_edge(self, target: Target) -> None:
        """Toys are on the network of the laboratory."""

    def users(self, target: Target) -> list[Endpoint]:
        return [served.route(key, EDGE_PORT, tls=False) for key in target.routes]

    def _validate(self, candidate: Path) -> str:
        return self._validate_in_chroot(candidate)

    def write(self, release: Release) -> str:
        """Put a release on the host, as prepare does; its id."""
        identity = f"{release.name}-id"
        images = {one.name: _image(release, one) for one in release.services}
        self._docker.known_images.update({image["reference"]: image["id"] for image in images.values()})
        model = json.dumps({"name": self.stack, "services": {one.name: _compose(release, one) for one in release.services}})
        stack = Stack.of({**_stack(release), "name": self.stack})
        self.releases.write_files(identity, release.name, "staging", {MODEL_FILE: model.encode()})
        self.releases.write_manifest(Manifest(identity, release.name, "staging", stack, images))
        return identity

    def wanted(self, release: Release) -> list[DesiredService]:
        """What should run of a release, with its fingerprints."""
        manifest = self.releases.read(f"{release.name}-id")
        images = {name: (image["reference"], image["id"]) for name, image in manifest.images.items()}
        target = self.target(manifest, self.releases.workspace(manifest.id), images=images)
        return target.desired


def version_of(release: Release, service: Service) -> str:
    return release.name if service.follows else "0"


def _image(release: Release, service: Service) -> dict[str, str]:
    reference = f"shop/{service.name}:{version_of(release, service)}"
    return {"reference": reference, "digest": "", "id": f"sha256:{reference}"}


def _compose(release: Release, service: Service) -> dict[str, Any]:
    ports = sorted({*service.listens, *([] if service.port in service.listens else [service.port])})
    policy = {
        "parallelism": service.parallelism,
        "order": service.order,
        "monitor": f"{round(service.monitor * 1000)}ms",
        "failure_action": "rollback",
    }
    return {
        "image": _image(release, service)["reference"],
        "deploy": {"replicas": service.replicas, "update_config": policy, "rollback_config": policy},
        "depends_on": {name: {"condition": "service_started"} for name in service.depends_on},
        "stop_grace_period": "3s",
        "environment": {
            "SERVICE": service.name,
            "VERSION": version_of(release, service),
            "PORTS": " ".join(map(str, ports)),
            "FAULT": service.fault,
        },
        "networks": {"default": None},
    }


def _stack(release: Release) -> dict[str, Any]:
    return {
        "name": STACK,
        "compose_files": [MODEL_FILE],
        "drain_seconds": DRAIN_SECONDS,
        "public_check": None,
        "retention": {"releases": 5, "pinned": []},
        "keep_free_mb": 0,
        "services": [_service(one) for one in release.services],
    }


def _service(one: Service) -> dict[str, Any]:
    deadline = SICK_SECONDS if one.fault in ("sick", "lies") else HEALTH["deadline_seconds"]
    options: dict[str, Any] = {"timeout_seconds": one.timeout_seconds, "response_headers": {"X-Tag": one.tag} if one.tag else {}}
    options |= {"stream": True} if one.stream else {}
    health = {**HEALTH, **({"port": one.health_port} if one.health_port else {})}
    by_host: dict[str, list[str]] = {}
    for host, path in one.routes:
        by_host.setdefault(host, []).append(path)
    return {
        "name": one.name,
        "port": one.port,
        "routes": [{"host": host, "paths": paths, **options} for host, paths in by_host.items()],
        "health": {**health, "deadline_seconds": deadline, "version": "version" if one.follows else ""},
        "protocol": one.protocol,
    }
