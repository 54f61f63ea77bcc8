"""A secret whose value a variable gives: the application reads it as a file, and nothing else that anybody may see holds it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance import sentinel
from tests.acceptance.world import BASE, ROOT, STAGING, Environment, Run, edit_vault, on, says

pytestmark = [pytest.mark.lane("staging"), pytest.mark.deep]

HOST = STAGING.hosts[0]
NAME = "keyed"
PLACE = f"{BASE}/stacks/{NAME}/secrets"
FILES = {f"{PLACE}/variables.env", f"{PLACE}/values/key"}
# What an application makes of what it reads, so that a log shows that it has, and not what.
STARTS = "sha256sum < /run/secrets/key; exec sleep infinity"
PRINTS = "cat /run/secrets/key; base64 -w0 /run/secrets/key; exit 1"
LOUD = ("-vvvv", "--diff")


def value(mark: str) -> str:
    """With what parsers, shells, Compose's interpolation and Ansible's templates stumble over."""
    return f"{mark}$HOME ${{X:?}} 'one' \"two\" # \\ ümläut"


FIRST, SECOND = (f"keyed{secrets.token_hex(16)}" for _ in range(2))


@dataclass(frozen=True)
class Project:
    """A small stack in a copy of staging's inventory: one service reads the secret, the other does not."""

    environment: Environment
    inventory: Path
    source: Path

    def write(self, starts: str = STARTS, *, reads: bool = True) -> None:
        """The Compose file of the next release."""
        service: dict[str, Any] = {
            "image": "morpheus/web:1.0.0",
            "stop_signal": "SIGKILL",
            "healthcheck": {"test": ["CMD", "true"], "interval": "1s", "timeout": "2s", "retries": 1},
        }
        # Compose's own sign for a dollar sign is two.
        reader = {**service, "command": ["sh", "-c", starts if reads else "exec sleep infinity"]}
        found: dict[str, Any] = {"services": {"reader": reader, "other": {**service, "command": ["sleep", "infinity"]}}}
        if reads:
            reader["secrets"] = ["key"]
            found["secrets"] = {"key": {"environment": "API_KEY"}}
        (self.source / "compose.yml").write_text(yaml.safe_dump(found))

    def give(self, **variables: str) -> None:
        """What the inventory has for variables of Compose files, and not in plain text."""
        path = self.inventory / "group_vars" / "all" / "stack.yml"
        settings = yaml.safe_load(path.read_text())
        settings["stack_secret_variables"] = {name: f"{{{{ vault_{name.lower()} }}}}" for name in variables}
        path.write_text(yaml.safe_dump(settings))
        edit_vault(self.inventory, **{f"vault_{name.lower()}": given for name, given in variables.items()})
        self.well(self.environment.play("playbooks/fingerprint.yml", *LOUD, inventory=self.inventory))

    def deploy(self) -> Run:
        return self.environment.play("deploy.yml", "-e", "stack_release=1.0.0", *LOUD, inventory=self.inventory)

    def well(self, run: Run) -> Run:
        assert run.code == 0, run.output
        assert seen(run.output.encode()) == []
        return run

    def replica(self, service: str) -> str:
        """Name and id of the only one."""
        found = on(HOST, "docker", "ps", "--no-trunc", "--format", "{{.Names}} {{.ID}}", *_of(service)).split()
        assert len(found) == 2, found
        return " ".join(found)

    def inside(self, *command: str) -> str:
        return on(HOST, "docker", "exec", self.replica("reader").split()[0], *command)


def _of(service: str) -> tuple[str, ...]:
    labels = (f"com.docker.compose.project={NAME}", f"com.docker.compose.service={service}")
    return tuple(word for label in labels for word in ("--filter", f"label={label}"))


def seen(content: bytes) -> list[str]:
    """Which of the two values stand there, in plain text, in base64 at each alignment or in hexadecimal text."""
    found = []
    for name, mark in (("first", FIRST), ("second", SECOND)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sentinel, "MARK", mark)
            found += [name] if sentinel.holds(content) else []
    return found


def places(mark: str) -> set[str]:
    """Files of the host, and containers in the engine's words, that hold it. None of them is open to others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sentinel, "MARK", mark)
        found = sentinel.on_host(HOST)
        assert [path for path, _, is_open in found if is_open] == []
        return {path for path, _, _ in found} | {*sentinel.in_containers(HOST)}


def told() -> list[str]:
    """Files of the controller that runs wrote, and logs of the stack's containers, in which one of the values stands."""
    written = [path for path in (ROOT / ".deploy").rglob("*") if path.is_file()]
    assert written
    names = on(HOST, "docker", "ps", "--all", "--format", "{{.Names}}", "--filter", f"label=com.docker.compose.project={NAME}")
    logs = [name for name in names.split() if seen(on(HOST, "sh", "-c", f"docker logs {name} 2>&1").encode())]
    return [*(str(path) for path in written if seen(path.read_bytes())), *logs]


@pytest.fixture
def project(staging: Environment, inventories: Path, tmp_path: Path) -> Iterator[Project]:
    found = Project(staging, inventories / "staging", tmp_path / NAME)
    found.source.mkdir()
    path = found.inventory / "group_vars" / "all" / "stack.yml"
    settings = yaml.safe_load(path.read_text())
    settings["stack_source"] = str(found.source)
    del settings["stack_flags"]
    settings["stack"] = {
        "name": NAME,
        "compose_files": ["compose.yml"],
        "database": settings["stack"]["database"],
        "retention": {"releases": 2},
    }
    path.write_text(yaml.safe_dump(settings))
    yield found
    removed = staging.play("playbooks/remove_stack.yml", "-e", f"stack_name={NAME}", "-e", f"remove_data={NAME}")
    assert removed.code in (0, 2), removed.output


def test_a_secret_of_a_variable_is_a_file_that_rolls_who_reads_it_and_leaves_nothing_behind(project: Project) -> None:
    project.write()
    project.give(API_KEY=value(FIRST), UNUSED="another word")
    project.well(project.deploy())
    reader, other = project.replica("reader"), project.replica("other")
    # The application has it, byte for byte.
    assert project.inside("cat", "/run/secrets/key") == value(FIRST)
    assert hashlib.sha256(value(FIRST).encode()).hexdigest() in on(HOST, "docker", "logs", reader.split()[0])
    # Nobody else: neither its environment, nor the engine, nor its log, nor whatever a run wrote, here or there.
    assert seen(project.inside("cat", "/proc/1/environ").encode()) == []
    assert (places(FIRST), told()) == (FILES, [])
    mode = on(HOST, "stat", "--format", "%a %u", PLACE, f"{PLACE}/values", f"{PLACE}/variables.env").splitlines()
    assert mode == ["700 0", "700 0", "600 0"]

    # The same again changes nothing. What somebody writes into the file is seen, and put right under the replica that reads it.
    project.well(project.deploy())
    assert (project.replica("reader"), project.replica("other")) == (reader, other)
    on(HOST, "sh", "-c", f"echo changed by hand > {PLACE}/values/key")
    assert project.inside("cat", "/run/secrets/key") == "changed by hand\n"
    says(project.environment.play("playbooks/status.yml", inventory=project.inventory), [f"{PLACE}/values/key is not as it was"])
    project.well(project.deploy())
    assert project.inside("cat", "/run/secrets/key") == value(FIRST)
    assert project.replica("reader") == reader

    # A release whose service prints it as it fails: its lines are shown, without it.
    project.write(PRINTS)
    failed = project.deploy()
    assert failed.code != 0
    assert "***" in failed.output
    assert (seen(failed.output.encode()), told(), places(FIRST)) == ([], [], FILES)
    assert project.replica("reader") == reader

    # Another value rolls who reads it, and nobody else. The one before it is nowhere any more.
    project.write()
    project.give(API_KEY=value(SECOND), UNUSED="another word")
    project.well(project.deploy())
    assert project.inside("cat", "/run/secrets/key") == value(SECOND)
    assert (project.replica("reader") == reader, project.replica("other") == other) == (False, True)
    assert (places(FIRST), places(SECOND), told()) == (set(), FILES, [])

    # Releases without it, until none is retained that reads it: first its file goes, and with the variable its value.
    project.write(reads=False)
    project.well(project.deploy())
    assert places(SECOND) == {f"{PLACE}/variables.env"}
    project.give(UNUSED="another word")
    project.well(project.deploy())
    assert (places(SECOND), told()) == (set(), [])
