"""A bare host has become one that can run stacks: the engine."""

from __future__ import annotations

import json

from testinfra.host import Host

DAEMON_JSON = "/etc/docker/daemon.json"


def test_the_engine_runs_and_starts_at_boot(host: Host) -> None:
    assert host.service("docker").is_running
    assert host.service("docker").is_enabled


def test_containers_live_on_while_the_engine_restarts(host: Host) -> None:
    assert host.check_output("docker info --format '{{.LiveRestoreEnabled}}'") == "true"


def test_compose_understands_what_the_rollout_asks_of_it(host: Host) -> None:
    major, minor, *_ = host.check_output("docker compose version --short").lstrip("v").split(".")
    assert (int(major), int(minor)) >= (2, 26)


def test_the_engine_is_configured_as_the_inventory_says(host: Host) -> None:
    assert json.loads(host.file(DAEMON_JSON).content_string) == {
        "dns": ["172.17.0.1"],
        "live-restore": True,
        "log-driver": "json-file",
        "log-opts": {"max-file": "5", "max-size": "20m"},
        "registry-mirrors": ["http://registry.sandbox:5000"],
    }


def test_the_running_engine_uses_its_configuration(host: Host) -> None:
    info = json.loads(host.check_output("docker info --format json"))
    assert info["LoggingDriver"] == "json-file"
    assert "http://registry.sandbox:5000/" in info["RegistryConfig"]["Mirrors"]


def test_only_root_can_change_the_engines_configuration(host: Host) -> None:
    file = host.file(DAEMON_JSON)
    assert (file.user, file.group, file.mode) == ("root", "root", 0o644)
