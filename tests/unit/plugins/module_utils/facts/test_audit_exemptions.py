"""What the audit of a host reads of its live release to tell exemptions. What it tells of them: see test_attacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.compose_command import Compose
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.host import HostAudit
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

EXEMPT: dict[str, Any] = {"exempt": {"api": ["env_file", "volumes"]}, "docker_socket": [], "privileged": []}
HOSTS = {"service": "api", "word": "volumes", "state": "admitted", "text": 'services.api.volumes: "/srv/x" belongs to the host'}
READS = {
    "service": "api",
    "word": "env_file",
    "state": "admitted",
    "text": 'services.api.env_file: "/root/x.env" is not a file of the release',
}
UNUSED = {"service": "api", "word": "volumes", "state": "unused", "text": "services.api: asks nothing that volumes admits"}


class Engine:
    def containers(self) -> list[dict[str, Any]]:
        return []

    def volumes(self) -> dict[str, dict[str, str]]:
        return {}


class World:
    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.releases = Releases("shop", root)
        self.model: dict[str, Any] | None = {}
        self.written: dict[str, Any] | None = {}
        self.files: list[str] = []
        monkeypatch.setattr(Compose, "model", lambda compose: self._said(compose, self.model))
        monkeypatch.setattr(Compose, "written", lambda compose: self._said(compose, self.written))

    def _said(self, compose: Compose, services: dict[str, Any] | None) -> dict[str, Any]:
        self.files.append(str(compose.directory))
        if services is None:
            raise EngineError("env file secrets/api.env not found")
        found: dict[str, Any] = json.loads(json.dumps({"services": services}).replace("HERE", str(compose.directory)))
        return found

    def told(self, **stack: Any) -> list[dict[str, str]]:
        given = {"compose_files": ["compose.yml"], "services": [], **stack}
        self.releases.write_files("1-a", "1.0", "staging", {"compose.yml": b"", "conf/api.env": b""})
        manifest = Manifest("1-a", "1.0", "staging", Stack.of(given))
        return HostAudit(Engine(), self.releases)._exemptions(manifest)  # type: ignore[arg-type]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    found = World(tmp_path, monkeypatch)
    found.model = {"api": {"volumes": [{"type": "bind", "source": "/srv/x", "target": "/x"}], "networks": {"default": None}}}
    found.written = {"api": {"env_file": [{"path": "/root/x.env"}, {"path": "HERE/conf/api.env"}]}}
    return found


def test_exemptions_are_told_by_what_compose_resolves_and_by_the_files_that_it_takes_over(world: World) -> None:
    assert world.told(hardening=EXEMPT) == [HOSTS, READS]


def test_where_secrets_have_gone_it_is_told_what_can_be_read_without_them(world: World) -> None:
    world.model = None
    assert world.told(hardening=EXEMPT) == [READS, UNUSED]


def test_where_compose_says_nothing_nothing_is_told(world: World) -> None:
    """Why, the audit says where it looks at the services."""
    world.model = world.written = None
    assert world.told(hardening=EXEMPT) == []


def test_a_release_from_before_has_no_exemptions_and_compose_is_not_asked(world: World) -> None:
    assert world.told() == []
    assert world.files == []


def test_hardening_that_is_only_told_is_in_the_audit_word_by_word(world: World) -> None:
    world.model = {"api": {"image": "shop/api:1", "read_only": True}}
    world.written = world.model
    given = {"exempt": {"api": ["logging"]}, "docker_socket": [], "privileged": []}
    assert [one["word"] for one in world.told(hardening=given)] == ["logging"]
    told = world.told(hardening={**given, "default": "report"})
    assert {one["word"]: one["text"] for one in told} == {
        "no_new_privileges": "services.api: is not given no-new-privileges, which is only reported",
        "cap_drop": "services.api: is not given cap_drop: [ALL], which is only reported",
        "pids_limit": "services.api: is not given a limit of processes, which is only reported",
        "logging": "services.api: is not given limits of its log",
    }
