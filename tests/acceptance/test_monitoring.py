"""Monitoring as stacks on two hosts: everything is asked, a deploy fires nothing, and what breaks is told and resolves."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.world import PRODUCTION, ROOT, Environment, eventually, on

pytestmark = [pytest.mark.deep, pytest.mark.lane("production")]

ADDRESSES = {"production-app-1": "10.77.2.11", "production-app-2": "10.77.2.12", "production-lb-1": "10.77.2.21"}
WATCHED, WATCHING = PRODUCTION.hosts
SINK = "http://10.77.2.4/production-alerts"
RELEASE = "2026.11"
MOVED = ("source", "secrets", "secret_files", "rotation", "flags", "fingerprints")
NODE = {
    "name": "node-exporter",
    "port": 9100,
    "routes": [{"paths": ["/-/metrics/node"], "strip_prefix": True, "allow": [ADDRESSES[WATCHING]]}],
    "health": {"path": "/metrics"},
}
PARTS = {
    "prometheus": (9090, "/-/ready"),
    "alertmanager": (9093, "/-/ready"),
    "blackbox": (9115, "/-/healthy"),
    "node-exporter": (9100, "/metrics"),
    "postgres-exporter": (9187, "/metrics"),
}
VOLUMES = {"exempt": {"node-exporter": ["volumes"]}}


@dataclass(frozen=True)
class Project:
    """A copy of production's inventory with its monitoring."""

    environment: Environment
    root: Path

    def write(self) -> None:
        self._hosts()
        directory = self.root / "inventories" / "production" / "group_vars" / "all"
        variables = yaml.safe_load((directory / "stack.yml").read_text())
        variables |= yaml.safe_load((directory / "rotation.yml").read_text())
        (directory / "rotation.yml").unlink()
        example = {key: value for key, value in variables.pop("stack").items() if key != "name"}
        example |= {key: variables.pop(f"stack_{key}") for key in MOVED}
        source = "{{ inventory_dir }}/../../stacks/monitoring"
        variables["monitoring"] = {
            "receivers": [{"name": "team", "kind": "webhook", "url": SINK}],
            "ca_path": str(ROOT / ".sandbox" / "ca.pem"),
            "database": True,
            "scrape_seconds": 5,
        }
        variables["stacks"] = {
            "morpheus": {**example, "release": "1.0.0"},
            "host-metrics": {
                "source": source,
                "release": RELEASE,
                "hosts": "watched",
                "compose_files": ["compose.hosts.yml"],
                "hardening": VOLUMES,
                "services": [NODE],
            },
            "monitoring": {
                "source": source,
                "release": RELEASE,
                "hosts": "monitoring",
                "after": ["host-metrics"],
                "compose_files": ["compose.yml", "compose.database.yml"],
                "files": ["queries.yml"],
                "variables": "{{ lookup('morpheus.deploy.monitoring').variables }}",
                "egress": ["metrics"],
                "hardening": VOLUMES,
                "services": [{"name": name, "port": port, "health": {"path": path}} for name, (port, path) in PARTS.items()],
                "secrets": {"database": {"DATA_SOURCE_NAME": "{{ vault_database_admin_url }}?sslmode=disable"}},
            },
        }
        (directory / "stack.yml").write_text(yaml.safe_dump(variables))

    def _hosts(self) -> None:
        """Hosts by their addresses, as Prometheus asks them; SSH finds them by these, too."""
        inventory = self.root / "inventories" / "production"
        groups = yaml.safe_load((inventory / "hosts.yml").read_text())
        for group in ("app", "lb"):
            for host in groups[group]["hosts"]:
                address = ADDRESSES[host]
                groups[group]["hosts"][host] = {"ansible_host": address, "edge_metrics_address": f"{address}:8405"}
        groups["watched"] = {"hosts": {WATCHED: None}}
        groups["monitoring"] = {"hosts": {WATCHING: None}}
        (inventory / "hosts.yml").write_text(yaml.safe_dump(groups))
        text = (ROOT / ".sandbox" / "ssh_config").read_text()
        for host, address in ADDRESSES.items():
            text = text.replace(f"Host {host}\n", f"Host {host} {address}\n")
        (self.root / "ssh_config").write_text(text)
        path = inventory / "group_vars" / "all" / "connection.yml"
        path.write_text(path.read_text().replace("/../../.sandbox/ssh_config", "/../../ssh_config"))

    def play(self, playbook: str, *options: str) -> None:
        run = self.environment.play(playbook, *options)
        assert run.code == 0, run.output


def asked(query: str) -> list[dict[str, Any]]:
    """What Prometheus answers: labels and value."""
    labels = [("--filter", f"label=com.docker.compose.{name}") for name in ("project=monitoring", "service=prometheus")]
    [container] = on(WATCHING, "docker", "ps", "-q", *[word for words in labels for word in words]).split()
    said = on(WATCHING, "docker", "exec", container, "promtool", "query", "instant", "-o", "json", "http://localhost:9090", query)
    found: list[dict[str, Any]] = json.loads(said)
    return found


def firing() -> set[tuple[str, str]]:
    """(alert, host or service) of those that fire."""
    labels = [one["metric"] for one in asked('ALERTS{alertstate="firing"}')]
    return {(one["alertname"], one.get("host") or one.get("service") or "") for one in labels}


def told() -> list[tuple[str, str]]:
    """(status, alert) of everything that has reached the receiver, in order."""
    with urllib.request.urlopen(SINK, timeout=30) as answer:
        bodies = [json.loads(line)["body"] for line in answer.read().decode().splitlines()]
    assert {one["labels"]["environment"] for body in bodies for one in body["alerts"]} <= {"production"}
    return [(one["status"], one["labels"]["alertname"]) for body in bodies for one in body["alerts"]]


@pytest.fixture
def project(tmp_path: Path, production: Environment) -> Iterator[Project]:
    found = Project(production.copied(tmp_path), tmp_path)
    found.write()
    # The images are needed by nothing else, so `sandbox up` leaves them out.
    subprocess.run(["python3", "-m", "sandbox", "monitoring"], cwd=ROOT, check=True, capture_output=True)
    urllib.request.urlopen(urllib.request.Request(SINK, method="DELETE"), timeout=30).close()
    yield found
    for stack in ("monitoring", "host-metrics"):
        removed = found.environment.play("playbooks/remove_stack.yml", "-e", f"stack_name={stack}", "-e", f"remove_data={stack}")
        assert removed.code == 0, removed.output
    for playbook, *options in (("edge_upgrade.yml",), ("provision.yml", "--tags", "edge,egress")):
        run = production.play(f"playbooks/{playbook}", *options)
        assert run.code == 0, run.output
    production.deployed("1.0.0")


def test_what_breaks_is_told_and_a_deploy_is_not(project: Project) -> None:
    environment = project.environment
    with environment.load(websockets=0) as load:
        project.play("playbooks/edge_upgrade.yml")
        project.play("playbooks/provision.yml", "--tags", "edge,egress")
        project.play("deploy.yml")
    assert load.report.is_clean, load.report.failures
    jobs = {"edge": 3, "node": 2, "probe": 1, "prometheus": 1, "alertmanager": 1, "blackbox": 1, "postgres": 1}
    eventually(
        lambda: {one["metric"]["job"]: int(one["value"][1]) for one in asked("sum by (job) (up)")} == jobs, "all are asked"
    )
    with environment.load() as load:
        run = environment.deploy("1.1.0", "-e", "stack_name=morpheus")
        assert run.code == 0, run.output
        eventually(
            lambda: {one["metric"]["release"] for one in asked('deploy_release_info{stack="morpheus"}')} == {"1.1.0"},
            "the release is seen",
        )
    assert load.report.is_clean, load.report.failures
    assert (firing(), told()) == (set(), [])

    # A release that is refused by the gate is told of at once; the one that goes well ends it.
    assert environment.deploy("1.9.2-lies", "-e", "stack_name=morpheus").code != 0
    eventually(lambda: ("firing", "RunEndedBadly") in told(), "somebody is told of a run that ended badly")
    project.play("deploy.yml", "-e", "stack_release=1.1.0", "-e", "stack_name=morpheus")
    eventually(lambda: ("resolved", "RunEndedBadly") in told(), "it is over")

    # On one host no replica of the API is left; users are served by the other host, so nothing else is told.
    on(WATCHED, "docker", "stop", *environment.containers(WATCHED, "api").values())
    eventually(lambda: ("firing", "ServiceDown") in told(), "somebody is told of a service that is down on a host")
    assert firing() == {("ServiceDown", WATCHED)}
    project.play("playbooks/restart.yml", "-e", "stack_name=morpheus")
    eventually(lambda: ("resolved", "ServiceDown") in told(), "it is over")

    # Without its database nothing is served.
    subprocess.run(["docker", "stop", "supabase-production"], check=True, capture_output=True)
    try:
        eventually(lambda: {("firing", "DatabaseAway"), ("firing", "ApiDown")} <= set(told()), "somebody is told of the database")
    finally:
        subprocess.run(["docker", "start", "supabase-production"], check=True, capture_output=True)
    eventually(lambda: {("resolved", "DatabaseAway"), ("resolved", "ApiDown")} <= set(told()), "it is over")
