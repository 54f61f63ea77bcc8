"""What is made of an inventory is what Prometheus, Alertmanager and the blackbox exporter accept, by their own programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base import metrics
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import measured
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring import files
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring.watched import Watched

from tests.monitoring import programs
from tests.monitoring.environments import PRODUCTION, production, staging

ENVIRONMENTS = {"production": production, "staging": staging}
PAGED, TICKETED = "severity=page", "severity=ticket"


def written(directory: Path, watched: Watched) -> Path:
    """As the stack mounts them, below ``directory``."""
    found = files.variables(watched)
    assert watched.problems == []
    for name, text in found.items():
        path = directory / name.lower().replace("_", ".")
        path.write_text(text.replace("/etc/prometheus", str(directory)))
    return directory


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_files_of_an_environment_are_valid(name: str, tmp_path: Path) -> None:
    directory = written(tmp_path, ENVIRONMENTS[name]())
    found = programs.run("promtool", "check", "config", directory / "prometheus.yml")
    assert found.returncode == 0, found.stderr
    assert "rules found" in found.stdout
    found = programs.run("amtool", "check-config", directory / "alertmanager.yml")
    assert found.returncode == 0, found.stderr
    blackbox = ("--config.check", f"--config.file={directory / 'blackbox.yml'}")
    assert programs.run("prometheus-blackbox-exporter", *blackbox).returncode == 0


def test_a_mistake_in_them_is_found_by_the_same_programs(tmp_path: Path) -> None:
    """So the jobs of the stack, which run these programs, stop a deploy."""
    directory = written(tmp_path, production())
    (directory / "rules.yml").write_text((directory / "rules.yml").read_text().replace("probe_success", "probe_success{", 1))
    assert programs.run("promtool", "check", "config", directory / "prometheus.yml").returncode != 0
    (directory / "alertmanager.yml").write_text("route: {receiver: nobody}\nreceivers: []\n")
    assert programs.run("amtool", "check-config", directory / "alertmanager.yml").returncode != 0


@pytest.mark.parametrize(
    ("environment", "severity", "receivers"),
    [
        ("production", PAGED, "on-call,team"),
        ("production", TICKETED, "team,office,tickets"),
        ("staging", PAGED, "sink"),
        ("staging", TICKETED, "sink"),
    ],
)
def test_an_alert_reaches_the_receivers_of_its_environment(
    environment: str, severity: str, receivers: str, tmp_path: Path
) -> None:
    directory = written(tmp_path, ENVIRONMENTS[environment]())
    config = f"--config.file={directory / 'alertmanager.yml'}"
    found = programs.run("amtool", "config", "routes", "test", config, f"--verify.receivers={receivers}", severity)
    assert found.returncode == 0, found.stdout + found.stderr


def test_what_opens_a_receiver_is_named_and_stands_in_no_file(tmp_path: Path) -> None:
    text = (written(tmp_path, production()) / "alertmanager.yml").read_text()
    for receiver in PRODUCTION["receivers"]:
        assert f"/run/secrets/{receiver['secret']}" in text


def test_what_hosts_tell_of_themselves_is_as_prometheus_reads_it() -> None:
    record: dict[str, Any] = {
        "at": "2026-11-24T10:00:00Z",
        "environment": "production",
        "what": 'deploy "1"',
        "verdict": "deployed",
    }
    told = measured.run({**record, "seconds": 16})
    told += metrics.text({"deploy_release_info": "Live."}, [metrics.Sample("deploy_release_info", {"stack": 'a"\\\n'}, 1)])
    found = programs.run("promtool", "check", "metrics", stdin=told)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")
