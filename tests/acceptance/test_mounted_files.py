"""Files that services mount: each replica keeps what it was started with, and live files change under it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from tests.acceptance.world import ROOT, STACK, Environment, eventually, on, says
from tests.hangs import HANGS_AFTER_SECONDS

HOST = "staging-app-1"
# The script is the health check, so it must be executable. With bad files a replica is never healthy; it ends when it is told.
SERVICES = """
services:
  notes: &notes
    image: morpheus/web:1.0.0
    command: [bash, -c, "/scripts/check.sh || { until [ -e /dev/shm/told ]; do sleep 0.1; done; exit 1; }; exec sleep infinity"]
    stop_signal: SIGKILL
    healthcheck: {test: /scripts/check.sh, interval: 1s, timeout: 2s, retries: 1}
    volumes: ["./scripts:/scripts", "./notes:/notes", "./notes/one.txt:/one.txt:ro", "./notices:/notices"]
    configs: [settings]
  still:
    <<: *notes
    volumes: ["./scripts:/scripts:ro", "./same:/notes", "./uploads:/uploads"]
    configs: []
configs:
  settings: {file: ./settings.json}
"""
MOUNTED = ("/notes/one.txt", "/notes/two.txt", "/one.txt", "/settings")


@dataclass(frozen=True)
class Project:
    """Staging with two more services, from copies of its inventory and its stack."""

    environment: Environment
    source: Path

    def ship(self, *files: str) -> None:
        path = Path(self.environment.inventories, "staging", "group_vars", "all", "stack.yml")
        inventory = yaml.safe_load(path.read_text())
        inventory["stack_source"] = str(self.source)
        inventory["stack"]["compose_files"] = ["compose.yml", "compose.staging.yml", "compose.notes.yml"]
        inventory["stack"]["files"] = ["supabase/migrations", "scripts", "notes", "same", "settings.json", *files]
        inventory["stack"]["live_files"] = ["notices"]
        path.write_text(yaml.safe_dump(inventory))

    def write(self, name: str, text: str) -> None:
        (self.source / name).parent.mkdir(exist_ok=True)
        (self.source / name).write_text(text)

    def bring(self, text: str) -> None:
        """All that ``notes`` mounts of the release says this from the next deploy on."""
        for name in ("notes/one.txt", "notes/two.txt", "settings.json"):
            self.write(name, text)


@pytest.fixture
def project(staging: Environment, inventories: Path, tmp_path: Path) -> Iterator[Project]:
    found = Project(replace(staging, inventories=str(inventories)), tmp_path / "source")
    shutil.copytree(ROOT / "stacks" / "morpheus", found.source)
    found.write("compose.notes.yml", SERVICES)
    found.write("scripts/check.sh", "#!/bin/bash\nexec grep -q good /notes/one.txt\n")
    (found.source / "scripts" / "check.sh").chmod(0o755)
    found.write("same/one.txt", "good, and always the same")
    found.write("notices/notice.txt", "off")
    found.bring("first, good")
    found.ship()
    found.environment.deployed("1.0.0")
    yield found
    staging.deployed("1.0.0")
    on(HOST, "rm", "-rf", f"{STACK}/project/uploads")


def inside(container: str, script: str) -> str:
    """What root gets from a shell in a container, complaints included."""
    return on(HOST, "docker", "exec", "--user", "0", container, "sh", "-c", f"{{ {script}; }} 2>&1 || true")


def sees(container: str) -> set[str]:
    """What a replica of ``notes`` reads in all places where files of the release are mounted."""
    return {on(HOST, "docker", "exec", container, "cat", path) for path in MOUNTED}


def only(found: dict[str, str]) -> str:
    [name] = found
    return name


@pytest.mark.deep
def test_replicas_keep_the_files_that_they_were_started_with(project: Project) -> None:
    staging = project.environment
    incumbent, still = staging.containers(HOST, "notes"), staging.containers(HOST, "still")
    assert sees(only(incumbent)) == {"first, good"}
    assert inside(only(incumbent), "stat -c %a /scripts/check.sh /notes/one.txt") == "755\n644\n"
    for path in ("/scripts/new", "/notes/one.txt", "/one.txt", "/notices/new"):
        assert "Read-only file system" in inside(only(incumbent), f"touch {path}")
    inside(only(still), "echo theirs > /uploads/data")

    # A release that never becomes healthy: the incumbent sees the old files meanwhile and afterwards.
    project.bring("second, bad")
    with staging.begun("1.0.0") as failing:
        eventually(lambda: len(staging.containers(HOST, "notes")) == 2, "the candidate runs")
        [candidate] = staging.containers(HOST, "notes").keys() - incumbent.keys()
        assert sees(candidate) == {"second, bad"}
        assert sees(only(incumbent)) == {"first, good"}
        inside(candidate, "touch /dev/shm/told")
        output, _ = failing.communicate(timeout=HANGS_AFTER_SECONDS)
    assert failing.returncode == 2, output
    # The engine starts it again, so it depends on when somebody looks.
    assert re.search(rf"{candidate} (exited with code 1|ended with code 1 and was started again by the engine)", output), output
    assert (staging.containers(HOST, "notes"), staging.containers(HOST, "still")) == (incumbent, still)
    on(HOST, "docker", "restart", only(incumbent))
    assert sees(only(incumbent)) == {"first, good"}

    # A good one: new replicas see the new files, and a service whose files are the same is not touched.
    project.bring("third, good")
    staging.deployed("1.0.0")
    replaced = staging.containers(HOST, "notes")
    assert not set(replaced.values()) & set(incumbent.values())
    assert sees(only(replaced)) == {"third, good"}
    assert staging.containers(HOST, "still") == still
    assert inside(only(still), "cat /uploads/data") == "theirs\n"
    # What nobody mounts any more is gone, and what no service mounts, as the migrations, was never there.
    left = on(HOST, "sh", "-c", f"cd {STACK}/content && echo *//*").split()
    assert sorted(path.partition("//")[2] for path in left) == [*("notes", "one.txt", "same", "scripts", "settings.json")]
    listed = on(HOST, "sh", "-c", f"cd {STACK}/project && docker compose ps --services").split()
    assert {"notes", "still"} <= set(listed)

    # Files that would hide data from its service are refused before anything changes.
    before = staging.everything()
    project.write("uploads/data", "ours")
    project.ship("uploads")
    run = staging.deploy("1.0.0")
    assert run.code == 2
    says(run, [f"uploads is shipped, and {STACK}/project/uploads contains files that no release brought (uploads/data)"])
    assert staging.everything() == before


@pytest.mark.deep
def test_live_files_change_under_running_replicas_and_nothing_else_does(project: Project) -> None:
    staging = project.environment
    before = staging.containers(HOST)
    notes = only(staging.containers(HOST, "notes"))
    project.write("notices/notice.txt", "on")
    project.write("notices/new.txt", "new")
    check = staging.deployed("1.0.0", "--check")
    says(check, ["live files: bring notices/notice.txt", "live files: bring notices/new.txt"])
    assert inside(notes, "cat /notices/*") == "off"
    run = staging.deployed("1.0.0")
    says(run, ["VERDICT deployed: staging 1.0.0", f"{HOST} runs 1.0.0, 2 live files changed"])
    assert staging.containers(HOST) == before
    assert inside(notes, "cat /notices/*") == "newon"
    (project.source / "notices" / "new.txt").unlink()
    staging.deployed("1.0.0")
    assert inside(notes, "cat /notices/*") == "on"
    says(staging.deployed("1.0.0"), ["VERDICT unchanged: staging 1.0.0"])
