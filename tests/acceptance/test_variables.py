"""A URL that is composed of a secret variable: containers have it, nobody else sees it, and it rolls whom it concerns."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from tests.acceptance import sentinel
from tests.acceptance.world import BASE, ROOT, STACK, STAGING, Environment, edit_vault, on

HOST = STAGING.hosts[0]
SERVICES = """
x-service: &service
  image: morpheus/web:1.0.0
  command: [sleep, infinity]
  stop_signal: SIGKILL
  healthcheck: {test: [CMD, "true"], interval: 1s, timeout: 2s, retries: 1}
services:
  composed:
    <<: *service
    environment: {DATABASE_URL: "postgres://app:${DB_PASSWORD:?}@db/${DB_NAME:?}", DSN: "${SENTRY_DSN:-}"}
  named:
    <<: *service
    environment: {DB_NAME: "${DB_NAME}"}
"""
# With what parsers, shells and Compose's own interpolation stumble over.
FIRST, SECOND = (f"{sentinel.MARK}$HOME ${{X:?}} 'one' \"two\" # \\ {number}" for number in (1, 2))
TOUCHED, OTHERS = ("composed", "named"), ("api", "web", "ml")


@dataclass(frozen=True)
class Project:
    """Staging with two more services, from copies of its inventory and its stack."""

    environment: Environment
    inventory: Path
    source: Path

    def name(self, database: str) -> None:
        """What the plain variable says from the next deploy on."""
        path = self.inventory / "group_vars" / "all" / "stack.yml"
        given = yaml.safe_load(path.read_text())
        given["stack_source"] = str(self.source)
        given["stack"]["compose_files"] = ["compose.yml", "compose.staging.yml", "compose.composed.yml"]
        given["stack"]["variables"] = {"DB_NAME": database}
        given["stack_secret_variables"] = {"DB_PASSWORD": "{{ vault_db_password }}"}
        path.write_text(yaml.safe_dump(given))

    def know(self, password: str) -> None:
        edit_vault(self.inventory, vault_db_password=password)
        run = self.environment.play("playbooks/fingerprint.yml")
        assert run.code == 0, run.output
        assert not sentinel.holds(run.output.encode())

    def deployed(self) -> None:
        run = self.environment.deployed("1.0.0", "-vvvv", "--diff")
        assert not sentinel.holds(run.output.encode())

    def everybody(self) -> dict[str, str]:
        """Service -> ids of its replicas."""
        return {name: " ".join(sorted(self.environment.containers(HOST, name).values())) for name in (*TOUCHED, *OTHERS)}


@pytest.fixture
def project(staging: Environment, inventories: Path, tmp_path: Path) -> Iterator[Project]:
    found = Project(replace(staging, inventories=str(inventories)), inventories / "staging", tmp_path / "source")
    shutil.copytree(ROOT / "stacks" / "morpheus", found.source)
    (found.source / "compose.composed.yml").write_text(SERVICES)
    found.name("shop")
    found.know(FIRST)
    found.deployed()
    yield found
    staging.deployed("1.0.0")


def environment(project: Project, service: str) -> dict[str, str]:
    """What the only replica of a service was started with."""
    [name] = project.environment.containers(HOST, service)
    text = on(HOST, "docker", "exec", name, "cat", "/proc/1/environ")
    return dict(entry.split("=", 1) for entry in text.split("\0") if entry)


def on_disk() -> list[tuple[str, str]]:
    """Path and mode of each file of ours on the host that holds the secret. None of the whole host's is open to others."""
    found = sentinel.on_host(HOST)
    assert [path for path, _, is_open in found if is_open] == []
    return [(path, mode) for path, mode, _ in found if path.startswith((BASE, "/etc/morpheus.deploy"))]


@pytest.mark.deep
def test_a_composed_url_rolls_whom_it_concerns_and_is_seen_by_nobody_else(project: Project) -> None:
    staging = project.environment
    assert environment(project, "composed")["DATABASE_URL"] == f"postgres://app:{FIRST}@db/shop"
    assert environment(project, "composed")["DSN"] == ""
    assert environment(project, "named")["DB_NAME"] == "shop"
    assert on_disk() == [(f"{STACK}/secrets/variables.env", "0o600")]
    assert not sentinel.holds((ROOT / ".deploy" / "staging" / "verdict.json").read_bytes())
    # Whoever types docker compose on the host has the same.
    by_hand = on(HOST, "sh", "-c", f"cd {STACK}/project && docker compose ps --services").split()
    assert {"composed", "named", "api", "web"} <= set(by_hand)

    # The same again is no change; another value of the secret is one for the service that is composed of it, and no new release.
    first, before = staging.live(), project.everybody()
    project.deployed()
    assert project.everybody() == before
    project.know(SECOND)
    project.deployed()
    after = project.everybody()
    assert [name for name in after if after[name] != before[name]] == ["composed"]
    assert environment(project, "composed")["DATABASE_URL"] == f"postgres://app:{SECOND}@db/shop"
    assert staging.live() == first
    assert on_disk() == [(f"{STACK}/secrets/variables.env", "0o600")]

    # A plain variable is part of the release, so a rollback brings it back; secrets are the current ones.
    project.name("archive")
    project.deployed()
    renamed = project.everybody()
    assert [name for name in renamed if renamed[name] != after[name]] == ["composed", "named"]
    assert environment(project, "composed")["DATABASE_URL"] == f"postgres://app:{SECOND}@db/archive"
    back = staging.play("rollback.yml", "-vvvv", "--diff")
    assert back.code == 0, back.output
    assert not sentinel.holds(back.output.encode())
    assert staging.live() == first
    assert environment(project, "composed")["DATABASE_URL"] == f"postgres://app:{SECOND}@db/shop"
    assert environment(project, "named")["DB_NAME"] == "shop"
    assert [name for name in OTHERS if project.everybody()[name] != before[name]] == []
