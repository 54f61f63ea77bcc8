"""In a real Prometheus every query of every panel finds something, and alerts fire from what happens and reach their receiver."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.conditions import CONDITIONS, Condition
from tests.monitoring.firing import fires_and_ends
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
    # Three seconds in place of an hour, and a tenth of a second in place of one.
    with watched_host(tmp_path_factory.mktemp("watched"), lease_minutes=0.05, latency_seconds=0.1) as found:
        yield found


@pytest.mark.parametrize("query", list(queries()))
def test_a_query_of_a_panel_finds_something(prometheus: Prometheus, query: str) -> None:
    assert "$" not in query, "a variable of Grafana's"
    await_(query, lambda: prometheus.ask(query))


def test_everything_that_is_asked_answers(prometheus: Prometheus) -> None:
    jobs = {"edge", "node", "probe", "prometheus", "alertmanager", "blackbox", "postgres"}
    await_("all of them", lambda: {one["metric"]["job"] for one in prometheus.ask("up == 1")} == jobs)


def test_a_services_three_backends_count_as_one_and_a_balancer_as_none(prometheus: Prometheus) -> None:
    query = 'count by (service) (haproxy_backend_http_requests_total{service=~"shop.web|upstreams"})'
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


@pytest.mark.parametrize("condition", [one for one in CONDITIONS if not one.deep], ids=lambda one: one.alert)
def test_an_alert_fires_from_what_happens_reaches_its_receiver_and_ends(prometheus: Prometheus, condition: Condition) -> None:
    fires_and_ends(prometheus, condition)


def test_errors_that_can_wait_wake_nobody_up(prometheus: Prometheus) -> None:
    await_("the ticket", lambda: prometheus.last_word("ErrorsSlow", service="shop.few", severity="ticket") == "firing")
    assert prometheus.ask('ALERTS{alertname="ErrorsFast", service="shop.few"}') == []


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
