"""The engine's configuration: merged, taken over with as little as it takes, and never while something is deployed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.acceptance.world import ROOT, Environment, eventually, on, says
from tests.hangs import HANGS_AFTER_SECONDS

DAEMON = "/etc/docker/daemon.json"
PLAYBOOK = "playbooks/provision.yml"
README = ROOT / "roles" / "docker_engine" / "README.md"


def daemon(host: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(on(host, "cat", DAEMON))
    return found


def lives_on(host: str) -> bool:
    return on(host, "docker", "info", "--format", "{{.LiveRestoreEnabled}}").strip() == "true"


def started(host: str) -> str:
    """Which process the engine is, so that a restart shows."""
    return on(host, "systemctl", "show", "--property", "MainPID,ExecMainStartTimestampMonotonic", "docker")


def everywhere(environment: Environment) -> tuple[str, ...]:
    """The balancer has an engine, too."""
    return (*environment.hosts, "production-lb-1") if environment.name == "production" else environment.hosts


@contextmanager
def as_it_was(environment: Environment) -> Iterator[None]:
    """The configuration of the inventory afterwards, and what a person may have added is gone."""
    before = {host: on(host, "cat", DAEMON) for host in everywhere(environment)}
    try:
        yield
    finally:
        for host, text in before.items():
            on(host, "python3", "-c", f"open({DAEMON!r}, 'w').write({text!r})")
            on(host, "sh", "-c", f"systemctl restart docker; rm -f {DAEMON}.*~")
        eventually(lambda: all(on(host, "docker", "ps", "-q", check=False) for host in before), "the engines answer again")


@pytest.mark.deep
def test_a_changed_option_is_taken_over_under_load_and_what_a_person_added_stays(production: Environment) -> None:
    hosts = everywhere(production)
    before = {host: production.containers(host) for host in production.hosts}
    engines = {host: started(host) for host in hosts}
    with as_it_was(production):
        # What a person did on the first host: an option of their own, and containers that would not live on through a restart.
        edit = f"import json; d = json.load(open({DAEMON!r})); d['max-concurrent-uploads'] = 4; d['live-restore'] = False"
        on(hosts[0], "python3", "-c", f"{edit}; json.dump(d, open({DAEMON!r}, 'w'))")
        on(hosts[0], "systemctl", "reload", "docker")
        eventually(lambda: not lives_on(hosts[0]), "the engine has switched live-restore off")
        options = ["-e", "docker_engine_log_max_files=6"]
        with production.load() as load:
            run = production.play(PLAYBOOK, *options)
            assert run.code == 0, run.output
            says(run, [f"{host}: the engine was restarted for log-opts" for host in hosts])
            assert production.history()[-1]["what"] == f"restart the engine of {', '.join(hosts)}"
            after = {host: started(host) for host in hosts}
            assert all(after[host] != engines[host] for host in hosts)

            again = production.play(PLAYBOOK, *options)
            assert again.code == 0, again.output
            assert "changed=0" in again.output
            assert not re.search("changed=[1-9]", again.output)

            # One mirror more needs no restart.
            mirrors = ["http://registry.sandbox:5000", "http://second.sandbox:5000"]
            run = production.play(PLAYBOOK, *options, "-e", json.dumps({"docker_engine_registry_mirrors": mirrors}))
            assert run.code == 0, run.output
            eventually(lambda: "second.sandbox" in on(hosts[0], "docker", "info"), "the engine has taken the mirror over")
            assert {host: started(host) for host in hosts} == after
        assert lives_on(hosts[0])
        assert daemon(hosts[0])["max-concurrent-uploads"] == 4
        assert daemon(hosts[0])["log-opts"] == {"max-file": "6", "max-size": "20m"}
        assert on(hosts[0], "sh", "-c", f"ls {DAEMON}.*~")
    assert {host: production.containers(host) for host in production.hosts} == before
    print(f"\nengine restarted on every host: {load.report.failed} failed of {load.report.sent}")
    assert load.report.is_clean, load.report.failures


@pytest.mark.deep
def test_no_engine_is_restarted_while_something_is_deployed(staging: Environment) -> None:
    host = staging.hosts[0]
    before, engine = on(host, "cat", DAEMON), started(host)
    with staging.begun("1.1.0") as deploy:
        eventually(staging.lease, "the deploy has the lease")
        run = staging.play(PLAYBOOK, "--tags", "engine", "-e", "docker_engine_log_max_files=6")
        assert run.code != 0
        says(run, ["The lease of staging is held by", "(deploy 1.1.0)", "VERDICT refused"])
        assert (on(host, "cat", DAEMON), started(host)) == (before, engine)
        output, _ = deploy.communicate(timeout=HANGS_AFTER_SECONDS)
        assert deploy.returncode == 0, output


@pytest.mark.deep
def test_a_file_that_is_no_json_is_refused_with_its_path_and_left_alone(staging: Environment) -> None:
    host = staging.hosts[0]
    with as_it_was(staging):
        on(host, "sh", "-c", f"echo '{{\"debug\": true,' > {DAEMON}")
        run = staging.play(PLAYBOOK)
        assert run.code != 0
        says(run, [f"{host}: {DAEMON} is not JSON", "Nothing was changed; mend or move it, and run again.", "VERDICT refused"])
        assert on(host, "cat", DAEMON).strip() == '{"debug": true,'


def handed_on(host: str) -> str:
    """What the node exporter would tell of the engine."""
    return on(host, "cat", "/var/lib/morpheus.deploy/metrics/engine.prom", check=False)


@pytest.mark.deep
def test_what_the_engine_tells_of_itself_is_handed_on_and_so_is_that_it_is_away(staging: Environment) -> None:
    host = staging.hosts[0]
    with as_it_was(staging):
        with staging.load() as load:
            run = staging.play(PLAYBOOK, "--tags", "engine", "-e", json.dumps({"docker_engine_metrics": True}))
            assert run.code == 0, run.output
            eventually(lambda: "\nengine_up 1\n" in handed_on(host), "the engine tells of itself")
        assert load.report.is_clean, load.report.failures
        assert re.search(r'^engine_daemon_container_states_containers\{state="running"\} [1-9]', handed_on(host), re.MULTILINE)
        assert on(host, "stat", "--format=%a %U", "/var/lib/morpheus.deploy/metrics/engine.prom").split() == ["644", "root"]
        assert [row.split()[3] for row in on(host, "ss", "-Hltn", "sport = :9323").splitlines()] == ["127.0.0.1:9323"]

        on(host, "systemctl", "stop", "docker.socket", "docker")
        eventually(lambda: handed_on(host).endswith("\nengine_up 0\n"), "it is known that the engine is away")
        on(host, "systemctl", "start", "docker")
        eventually(lambda: "\nengine_up 1\n" in handed_on(host), "the engine tells of itself again")
        on(host, "rm", "/var/lib/morpheus.deploy/metrics/engine.prom")
        on(host, "systemctl", "kill", "--signal=KILL", "engine-metrics")
        eventually(lambda: "\nengine_up 1\n" in handed_on(host), "the program is there again")

        # Taken away as the role's README says.
        away = {"docker_engine_metrics": False, "docker_engine_daemon_options": {"metrics-addr": None}}
        run = staging.play(PLAYBOOK, "--tags", "engine", "-e", json.dumps(away))
        assert run.code == 0, run.output
        [commands] = re.findall(r"```sh\n(systemctl disable --now engine-metrics\n.*?)```", README.read_text(), re.DOTALL)
        on(host, "sh", "-euc", commands)
        assert (on(host, "ss", "-Hltn", "sport = :9323"), handed_on(host)) == ("", "")
