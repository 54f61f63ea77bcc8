"""Services that end, and services that live in the network of another one, on a real engine."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.world import STAGING, Environment, eventually, on, says, signal_rollout
from tests.hangs import HANGS_AFTER_SECONDS

HOST = STAGING.hosts[0]
IMAGE = "morpheus/api:${STACK_RELEASE:?}"
ONE_OFFS = "label=com.docker.compose.oneoff=True"
WAITS = {"setup": {"condition": "service_completed_successfully"}}


def sleeper(**more: Any) -> dict[str, Any]:
    program = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(0)); time.sleep(1e6)"
    return {"image": IMAGE, "command": ["python3", "-c", program], **more}


def job(text: str) -> dict[str, Any]:
    return {"image": IMAGE, "command": ["python3", "-c", text], "restart": "no"}


def containers(service: str, *options: str) -> list[str]:
    label = f"label=com.docker.compose.service={service}"
    return on(HOST, "docker", "ps", "--filter", label, "--format", "{{.ID}}", *options).split()


@dataclass(frozen=True)
class Project:
    """A copy of what the deploy reads, with services of its own beside those of the example."""

    environment: Environment
    root: Path

    def write(self, services: dict[str, Any], jobs: dict[str, Any] | None = None) -> None:
        name = "compose.more.yml"
        (self.root / "stacks" / "morpheus" / name).write_text(yaml.safe_dump({"services": services}))
        path = self.root / "inventories" / "staging" / "group_vars" / "all" / "stack.yml"
        variables = yaml.safe_load(path.read_text())
        stack = variables["stack"]
        stack["compose_files"] = ["compose.yml", "compose.staging.yml", name]
        stack["jobs"] = jobs or {}
        path.write_text(yaml.safe_dump(variables))


@pytest.fixture
def project(tmp_path: Path, staging: Environment) -> Iterator[Project]:
    yield Project(staging.copied(tmp_path), tmp_path)
    for name in on(HOST, "docker", "ps", "--all", "--filter", ONE_OFFS, "--format", "{{.Names}}").split():
        on(HOST, "docker", "rm", "--force", name)
    assert staging.deploy("1.0.0").code == 0, "the example without these services"


@pytest.mark.deep
def test_a_job_runs_once_for_a_release_and_what_waits_for_it_comes_after(project: Project) -> None:
    with project.environment.load() as load:
        project.write({"setup": job("print('collected')"), "extra": sleeper(depends_on=WAITS)})
        run = project.environment.deploy("1.0.0", "--check")
        assert run.code == 0, run.output
        says(run, ["setup: run the job, and wait for its end (once for each release)"])
        assert containers("setup", "--all") == []

        run = project.environment.deploy("1.0.0")
        assert run.code == 0, run.output
        says(run, ["VERDICT deployed"])
        assert (len(containers("extra")), containers("setup", "--all")) == (1, []), "the job's container is not kept"
        restart = on(HOST, "docker", "inspect", "--format", "{{.HostConfig.RestartPolicy.Name}}", *containers("extra")).strip()
        assert restart == "unless-stopped", "nothing was said of it"

        again = project.environment.deploy("1.0.0")
        says(again, ["VERDICT unchanged"])

        back = project.environment.play("rollback.yml")
        assert back.code == 0, back.output
        assert "run the job" not in back.output
    assert load.report.is_clean, load.report.failures


@pytest.mark.deep
def test_a_job_that_fails_is_quoted_and_nothing_that_waits_for_it_is_touched(project: Project) -> None:
    project.write({"setup": job("print('no such bucket'); raise SystemExit(3)"), "extra": sleeper(depends_on=WAITS)})
    run = project.environment.deploy("1.0.0")
    assert run.code != 0
    says(run, ['the job "setup" failed:', "exited with code 3.", "The last log lines of", "no such bucket"])
    assert (containers("extra", "--all"), containers("setup", "--all")) == ([], [])


@pytest.mark.deep
def test_a_job_that_a_killed_run_has_left_is_waited_for_and_not_run_twice(project: Project) -> None:
    project.write({"setup": job("import time; time.sleep(40)"), "extra": sleeper(depends_on=WAITS)})
    with project.environment.begun("1.0.0") as deploy:
        eventually(lambda: containers("setup"), "the job is at work")
        [at_work] = containers("setup")
        signal_rollout(HOST, signal.SIGKILL)
        deploy.communicate(timeout=HANGS_AFTER_SECONDS)
    assert containers("setup") == [at_work], "it does not depend on whoever waits for it"
    says(project.environment.play("playbooks/status.yml"), ["the job setup of release 1.0.0-", "is still at work on this host"])
    run = project.environment.deploy("1.0.0")
    assert run.code == 0, run.output
    says(run, ["which an earlier run had started at", "was waited for; it ended well"])
    assert (len(containers("extra")), containers("setup", "--all")) == (1, [])


@pytest.mark.deep
def test_what_shares_the_network_of_another_is_replaced_after_it(project: Project) -> None:
    services = {"tunnel": sleeper(environment={"VERSION": "1"}), "inside": sleeper(network_mode="service:tunnel")}
    project.write(services)
    assert project.environment.deploy("1.0.0").code == 0
    [before] = containers("inside")
    services["tunnel"]["environment"]["VERSION"] = "2"
    project.write(services)
    run = project.environment.deploy("1.0.0")
    assert run.code == 0, run.output
    [tunnel], [inside] = containers("tunnel", "--no-trunc"), containers("inside", "--no-trunc")
    assert not inside.startswith(before)
    details = json.loads(on(HOST, "docker", "inspect", inside))[0]
    assert details["HostConfig"]["NetworkMode"] == f"container:{tunnel}"
