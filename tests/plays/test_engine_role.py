"""Which engine the role docker_engine lets be, shown by Ansible itself with the package manager's answer given."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.plays.played import LOCAL, play
from tests.unit.damage.engine_role import METRICS_TASKS, refusal_of_a_directory

PLAN = """
- hosts: app
  gather_facts: false
  tasks:
    - ansible.builtin.import_role:
        name: morpheus.deploy.docker_engine
        tasks_from: plan
"""
METRICS = """
- hosts: app
  gather_facts: false
  tasks:
    - ansible.builtin.include_tasks: metrics.yml
"""
RESTARTS = """#!/usr/bin/python
import json, os, sys, time

given = json.loads(r'''<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>''')
alone = True
own = given["directory"] + "/" + given["host"]
open(own, "w").close()
# Long enough for another host to come, were it let.
until = time.monotonic() + 0.5
while alone and time.monotonic() < until:
    alone = os.listdir(given["directory"]) == [given["host"]]
    time.sleep(0.01)
os.unlink(own)
print(json.dumps(dict(changed=False, failed=not alone, msg="" if alone else "two engines are away at once")))
"""
GOES_ON = "See what a changed configuration asks of an engine that runs"
REFUSED = (
    "{0} is installed on this host, and docker_engine_source: {1} would replace it, which stops every container. "
    "Set docker_engine_source: {2} for this host. Nothing was changed."
)


@pytest.mark.parametrize(
    ("source", "packages", "words"),
    [
        pytest.param("distro", "docker-ce installed\n", REFUSED.format("docker-ce", "distro", "docker"), id="docker-ce"),
        pytest.param(
            "docker",
            "docker.io installed\n",
            REFUSED.format("docker.io", "docker", "distro"),
            id="docker.io",
            marks=pytest.mark.deep,
        ),
        pytest.param("docker", "docker-ce installed\ndocker.io not-installed\n", "", id="what is wanted", marks=pytest.mark.deep),
        pytest.param(
            "distro", "docker-ce config-files\ndocker.io installed\n", "", id="removed, not purged", marks=pytest.mark.deep
        ),
        pytest.param("distro", "", "", id="a bare host"),
    ],
)
def test_an_engine_that_is_installed_is_never_replaced_by_another_one(
    tmp_path: Path, source: str, packages: str, words: str
) -> None:
    (tmp_path / "plan.yml").write_text(PLAN)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "dpkg-query").write_text(f"#!/bin/sh\nprintf '%s' '{packages}'\nexit 1\n")
    (programs / "dpkg-query").chmod(0o755)
    run = play(tmp_path, "plan.yml", "-e", f"docker_engine_source={source}", hosts={"app-1": LOCAL}, path=str(programs))
    if words:
        assert words in run.stdout
        assert "VERDICT refused" in run.stdout
    assert (GOES_ON in run.stdout) == (not words)


def test_a_directory_in_the_place_of_the_metrics_program_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """The role's own tasks, below another directory."""
    here = tmp_path / "host"
    program = here / "engine_metrics.py"
    program.mkdir(parents=True)
    tasks = METRICS_TASKS.read_text()
    (tmp_path / "metrics.yml").write_text(tasks.replace("/var/lib/morpheus.deploy", str(here)))
    (tmp_path / "play.yml").write_text(METRICS)
    run = play(tmp_path, "play.yml", hosts={"app-1": LOCAL})
    assert refusal_of_a_directory(str(program)) in run.stdout
    assert [*here.rglob("*")] == [program]


def test_no_two_hosts_change_the_configuration_of_their_engines_at_once(tmp_path: Path) -> None:
    """The role's own task, asking another module."""
    tasks = yaml.safe_load((METRICS_TASKS.parent / "configure.yml").read_text())
    task = next(one for one in tasks if "morpheus.deploy.engine_config" in one)
    del task["morpheus.deploy.engine_config"]
    here = tmp_path / "away"
    here.mkdir()
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "restarts.py").write_text(RESTARTS)
    task["restarts"] = {"directory": str(here), "host": "{{ inventory_hostname }}"}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "app", "gather_facts": False, "tasks": [task]}]))
    run = play(tmp_path, "play.yml", hosts={f"app-{number}": LOCAL for number in (1, 2, 3)})
    assert run.returncode == 0, run.stdout
