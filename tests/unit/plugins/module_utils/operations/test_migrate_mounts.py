"""What the container of a migration is given. It runs before the project directory holds its release."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.file_mounts import Sources
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.project_mounts import ProjectMounts
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.images import Image
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import migrate as migrate_module
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.release.workspace import Workspace
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

FILES = {"compose.yml": b"", "migrations/1.sql": b"create", "migrations/run.sh": b"#!/bin/sh"}
STACK: dict[str, Any] = {
    "compose_files": ["compose.yml"],
    "files": ["migrations"],
    "migration": {"service": "migrate", "timeout_seconds": 5.0},
}


class Host:
    """host.StackHost with a project whose migration mounts these."""

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        self.stack = "shop"
        self.hold: list[int] = []
        self.releases = Releases("shop", root)
        project = self.releases.project
        volumes = [{"type": "bind", "source": str(project / name), "target": f"/{name}"} for name in names]
        volumes.append({"type": "volume", "source": "db", "target": "/db"})
        self.engine = self
        self.found = {"services": {"migrate": {"image": "shop/api:1", "volumes": volumes}, "api": {"image": "shop/api:1"}}}

    def image(self, reference: str) -> Image:
        return Image(reference, "sha256:1", "sha256:1")

    def model(self, stack: Any, workspace: Workspace) -> dict[str, Any]:
        return self.mounts(stack, workspace).resolved(self.found)

    def mounts(self, stack: Any, workspace: Workspace) -> ProjectMounts:
        sources = Sources.of(stack, workspace.shipped())
        return ProjectMounts(sources, self.releases.project, self.releases.live_files.root, self.releases.contents)


def test_it_reads_its_own_release_and_the_applications_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(tmp_path, ["migrations", "uploads", "secrets/key"])
    releases = host.releases
    image = {"reference": "shop/api:1", "digest": "sha256:1", "id": "sha256:1"}
    releases.write_files("1-a", "1", "staging", FILES, ["migrations/run.sh"])
    manifest = Manifest("1-a", "1", "staging", Stack.of(STACK), {"migrate": image})
    seen: dict[str, Any] = {}

    class Compose:
        def __init__(self, project: str, directory: Path, files: Sequence[Path], *unused: Any) -> None:
            seen.update(directory=directory, override=json.loads(files[-1].read_text()))

    monkeypatch.setattr(migrate_module, "Compose", Compose)
    with migrate_module._compose(host, manifest, "migrate"):  # type: ignore[arg-type]
        pass
    assert seen["directory"] == releases.workspace("1-a").files
    # Named volumes and secrets stay as the files say them; the release has a link to its secrets.
    migrations, uploads = seen["override"]["services"]["migrate"]["volumes"]
    assert (Path(migrations["source"]).parents[1], migrations["read_only"]) == (releases.contents.root, True)
    assert Path(migrations["source"], "run.sh").stat().st_mode & 0o777 == 0o755
    assert uploads["source"] == str(releases.project / "uploads")
