"""The migration of a release from its start to what is remembered, with a Compose that only writes down what it was told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.file_mounts import Sources
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.project_mounts import ProjectMounts
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.images import Image
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.one_offs import OneOff
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.migrate import migrate, preset_command
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.migrations import Migrations
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.release.schema_files import digests
from ansible_collections.morpheus.deploy.plugins.module_utils.release.workspace import Workspace
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

from tests.unit.clock import Clock

FILES = {"compose.yml": b"services: {}\n", "migrations/1_a.sql": b"create a;", "migrations/2_b.sql": b"create b;"}
MIGRATION = {"service": "migrate", "directory": "migrations", "timeout_seconds": 5.0}
IMAGES = {"migrate": {"reference": "shop/api:1.0", "digest": "sha256:d", "id": "sha256:i"}}


class Host:
    """host.StackHost, its engine, and one_offs.OneOffs: a container appears when Compose was called."""

    def __init__(self, root: Path) -> None:
        self.releases = Releases("shop", root)
        self.stack, self.engine, self.one_offs = "shop", self, self
        self.hold: list[int] = []
        self.through = self
        self.let_to: list[tuple[list[str], str]] = []
        self.told = root / "told"
        self.ends = OneOff("id1", "shop-migrate-run-1", "1.0-a")
        self.before: list[OneOff] = []
        self.calls: list[str] = []

    def let(self, kinds: Any, *, beside: bool) -> None:
        assert beside
        self.let_to.append((sorted(kinds), "after" if self.told.exists() else "before"))

    def image(self, identity: str) -> Image:
        return Image("shop/api:1.0", identity, "sha256:d")

    def model(self, stack: Any, workspace: Any) -> dict[str, Any]:
        return {"services": {"migrate": {"image": "shop/api:1.0", "profiles": ["migrate"]}}}

    def mounts(self, stack: Any, workspace: Workspace) -> ProjectMounts:
        sources = Sources.of(stack, workspace.shipped())
        return ProjectMounts(sources, self.releases.project, self.releases.live_files.root, self.releases.contents)

    def find(self, service: str) -> list[OneOff]:
        return [*self.before, self.ends] if self.told.exists() else self.before

    def look(self, identity: str) -> OneOff:
        return self.ends

    def stop(self, one: OneOff) -> None:
        self.calls.append(f"stop {one.name}")

    def remove(self, one: OneOff) -> None:
        self.calls.append(f"remove {one.name}")

    def output(self, one: OneOff) -> str:
        return '{"applied": ["1", "2"]}'

    def last_words(self, one: OneOff) -> str:
        return "no such column"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    found = Host(tmp_path)
    compose(found, 0, monkeypatch)
    found.releases.write_files("1.0-a", "1.0", "staging", FILES)
    written(found, MIGRATION)
    return found


def compose(host: Host, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    program = host.told.parent / "bin" / "docker"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\necho "$*" >> {host.told}\necho "network shop is gone" >&2\nexit {code}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def written(host: Host, migration: dict[str, Any] | None, egress: tuple[str, ...] = ()) -> None:
    stack = {"compose_files": ["compose.yml"], "migration": migration, "services": [], "egress": list(egress)}
    schema = {"head": "2", "compatible_since": "1"} if migration else {}
    host.releases.write_manifest(Manifest("1.0-a", "1.0", "staging", Stack.of(stack), IMAGES, schema=schema))


def migrated(host: Host) -> str:
    return migrate(host, "1.0-a", Migrations(host, clock=Clock()))  # type: ignore[arg-type]


def test_a_migration_that_ended_well_is_remembered_with_the_content_of_its_files(host: Host) -> None:
    assert migrated(host) == '{"applied": ["1", "2"]}'
    schema = host.releases.lineage().schema
    assert (schema.head, schema.compatible_since) == ("2", "1")
    assert schema.files == digests(FILES, "migrations")
    assert "--label morpheus.deploy.migration=1.0-a migrate" in host.told.read_text()
    assert host.calls == ["remove shop-migrate-run-1"]


def test_a_migration_is_let_through_before_it_starts_and_once_more_when_its_network_is_there(host: Host) -> None:
    written(host, MIGRATION, ("metadata",))
    migrated(host)
    assert host.let_to == [(["metadata"], "before"), (["metadata"], "after")]


def test_files_are_remembered_also_when_their_versions_are_known(host: Host) -> None:
    lineage = host.releases.lineage()
    lineage.schema.migrated({"head": "2", "compatible_since": "1"})
    host.releases.write_lineage(lineage)
    migrated(host)
    assert host.releases.lineage().schema.files == digests(FILES, "migrations")


def test_of_one_that_failed_nothing_is_remembered(host: Host) -> None:
    host.ends = replace(host.ends, exit_code=1)
    with pytest.raises(DeployError, match=r"exited with code 1\.\nThe last log lines of shop-migrate-run-1:\nno such column$"):
        migrated(host)
    assert host.releases.lineage().schema.files == {}


def test_what_compose_began_and_did_not_start_is_not_left_behind(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    compose(host, 1, monkeypatch)
    with pytest.raises(EngineError, match=r"^docker compose failed for shop: network shop is gone$"):
        migrated(host)
    assert host.calls == ["stop shop-migrate-run-1", "remove shop-migrate-run-1"]


def test_beside_another_one_none_is_started(host: Host) -> None:
    host.before = [OneOff("id0", "shop-migrate-run-0", "0.9-b", at_work=True)]
    with pytest.raises(DeployError, match=r"^the migration of release 0\.9-b is still at work on this host"):
        migrated(host)
    assert not host.told.exists()


def test_a_container_that_vanishes_at_once_is_no_migration(host: Host) -> None:
    host.ends = replace(host.ends, release="another")
    with pytest.raises(EngineError, match=r"^its container was gone before anybody could look at it"):
        migrated(host)


def test_a_release_without_a_migration_says_so(host: Host) -> None:
    written(host, None)
    with pytest.raises(DeployError, match=r"^release 1\.0-a has no migration$"):
        migrated(host)


@pytest.mark.parametrize(
    ("preset", "service", "command"),
    [
        pytest.param("alembic", {}, ["alembic", "upgrade", "head"], id="none"),
        pytest.param("django", {"command": None}, ["python", "manage.py", "migrate", "--noinput"], id="none, as Compose says it"),
        pytest.param("alembic", {"command": ["alembic", "upgrade", "heads"]}, None, id="one of its own"),
        pytest.param("", {}, None, id="no preset"),
    ],
)
def test_a_preset_brings_the_command_where_the_service_has_none(
    preset: str, service: dict[str, Any], command: list[str] | None
) -> None:
    stack = Stack.of({"migration": {"service": "migrate", "preset": preset}})
    assert preset_command(Manifest("1", "1", "staging", stack), service) == ({"command": command} if command else {})
