"""In a real Prometheus every query of every panel finds something, and alerts fire from what happens and reach their receiver."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import news, record
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import METRICS
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import measured

from tests.monitoring.programs import ROOT
from tests.monitoring.world import Prometheus, await_, watched_host

DASHBOARDS = sorted((ROOT / "stacks" / "monitoring" / "dashboards").glob("*.json"))


def loaded(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def queries() -> Iterator[Any]:
    for path in DASHBOARDS:
        dashboard = loaded(path)
        for annotation in dashboard["annotations"]["list"]:
            yield pytest.param(annotation["expr"], id=f"{path.stem}: {annotation['name']}")
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                yield pytest.param(target["expr"], id=f"{path.stem}: {panel['title']} {target['refId']}")


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with watched_host(tmp_path_factory.mktemp("watched")) as found:
        yield found


@pytest.mark.parametrize("query", list(queries()))
def test_a_query_of_a_panel_finds_something(prometheus: Prometheus, query: str) -> None:
    assert "$" not in query, "a variable of Grafana's"
    await_(query, lambda: prometheus.ask(query))


def test_everything_that_is_asked_answers(prometheus: Prometheus) -> None:
    jobs = {"edge", "node", "probe", "prometheus", "alertmanager", "blackbox", "postgres"}
    await_("all of them", lambda: {one["metric"]["job"] for one in prometheus.ask("up == 1")} == jobs)


def test_a_services_three_backends_count_as_one_and_a_balancer_as_none(prometheus: Prometheus) -> None:
    query = 'count by (service) (haproxy_backend_http_requests_total{service!=""})'
    [found] = await_(query, lambda: prometheus.ask(query))
    assert (found["metric"], found["value"][1]) == ({"service": "shop.web"}, "3")


def test_of_the_engine_the_node_exporter_tells_what_is_not_its_own(prometheus: Prometheus) -> None:
    [found] = await_("the engine", lambda: prometheus.ask('engine_daemon_engine_cpus_cpus{host="watch-1"}'))
    assert found["value"][1] == "2"
    # What it finds twice it leaves out, and complains of with each answer.
    assert "collected before" not in (prometheus.root.parent / "node.log").read_text()


def test_an_alert_reaches_its_receiver_with_the_command_that_comes_next(prometheus: Prometheus) -> None:
    """The last run of this host has failed."""

    def heard() -> list[dict[str, Any]]:
        return [one for one in prometheus.told if one["labels"]["alertname"] == "RunEndedBadly"]

    alert = await_("the alert", heard)[0]
    labels = {"alertname": "RunEndedBadly", "environment": "production", "severity": "ticket", "kind": "deploy", "word": "failed"}
    assert labels | {"release": "1.2.0"} == alert["labels"]
    assert alert["annotations"]["summary"] == "The last run, deploy 1.2.0, ended with the word failed"
    assert alert["annotations"]["runbook"] == "ansible-playbook playbooks/status.yml -i inventories/production"


# Name of an alert -> what has happened to this host, beside what it was made with (world.py).
CONDITIONS = {
    "ErrorsFast": "a tenth of the requests is answered with 503",
    "CertificateEnds": "its certificate ends in ten days",
    "MlSpendHigh": "4.50 of 5 are spent by the books",
    "RunEndedBadly": "the last run has failed",
    "BackupOld": "there is no backup",
    "BucketBackupOld": "there is no backup of buckets",
    "StagingDataOld": "there are no data for staging",
}


@pytest.mark.parametrize("alert", CONDITIONS)
def test_an_alert_fires_from_what_has_happened(prometheus: Prometheus, alert: str) -> None:
    await_(f"{alert}: {CONDITIONS[alert]}", lambda: alert in prometheus.firing())


def test_a_lease_that_is_held_is_an_alert_until_it_is_given_back(prometheus: Prometheus) -> None:
    """Held since two hours, as far as this host's clock can tell."""
    since = time.time() - 7200
    told = measured.Told(prometheus.root / METRICS, "production")
    told.held("deploy 1.3.0", since)
    await_("the alert", lambda: prometheus.firing().get("LeaseHeld", {}).get("what") == "deploy 1.3.0")
    told.free()
    await_("its end", lambda: "LeaseHeld" not in prometheus.firing())


@pytest.mark.parametrize(
    ("kind", "alert"), [(news.BACKUP, "BackupOld"), (news.BUCKETS, "BucketBackupOld")], ids=["database", "buckets"]
)
def test_a_backup_that_is_told_of_ends_the_alert(prometheus: Prometheus, kind: str, alert: str) -> None:
    await_("the alert", lambda: alert in prometheus.firing())
    news.News(prometheus.root).tell(kind, {"at": record.said(time.time()), "name": "last-night"})
    await_("its end", lambda: alert not in prometheus.firing())


@pytest.mark.parametrize(
    ("part", "alerts"),
    [
        ("database", {"DatabaseAway"}),
        ("edge", {"ApiDown", "EdgeAway"}),
        ("engine", {"EngineAway"}),
        ("host", {"HostAway"}),
    ],
    ids=["database", "edge", "engine", "host"],
)
def test_what_dies_is_an_alert(prometheus: Prometheus, part: str, alerts: set[str]) -> None:
    """The last of all: nothing brings it back."""
    assert alerts.isdisjoint(prometheus.firing())
    prometheus.ends[part]()
    await_(", ".join(alerts), lambda: alerts <= set(prometheus.firing()))


def test_a_part_of_the_monitoring_that_dies_is_an_alert(prometheus: Prometheus) -> None:
    """Also the last of all. The exporter of a database that is away may answer too late, so this one is named."""
    alert = 'ALERTS{alertstate="firing", alertname="MonitoringPartAway", job="blackbox"}'
    assert prometheus.ask(alert) == []
    prometheus.ends["prober"]()
    await_("the alert", lambda: prometheus.ask(alert))


@pytest.mark.parametrize("path", DASHBOARDS, ids=[path.stem for path in DASHBOARDS])
def test_a_dashboard_can_be_read_from_any_prometheus(path: Path) -> None:
    dashboard = loaded(path)
    assert re.fullmatch(r"deploy-[a-z]+", dashboard["uid"])
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    cells = [(x, y) for one in places for x in range(one["x"], one["x"] + one["w"]) for y in range(one["y"], one["y"] + one["h"])]
    assert len(cells) == len(set(cells)), "panels lie on each other"
    sources = {json.dumps(panel["datasource"]) for panel in dashboard["panels"]}
    assert sources == {json.dumps({"type": "prometheus", "uid": "${datasource}"})}
