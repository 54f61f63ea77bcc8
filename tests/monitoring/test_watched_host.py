"""In a real Prometheus every query of every panel finds something, and alerts fire from what happens and reach their receiver."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.conditions import CONDITIONS, Condition
from tests.monitoring.firing import fires_and_ends
from tests.monitoring.programs import ROOT
from tests.monitoring.watching import Watching, await_
from tests.monitoring.world import Prometheus, also_watched_by_staging, watched_host

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


@pytest.fixture
def staging(prometheus: Prometheus, tmp_path: Path) -> Iterator[Watching]:
    """While one test asks, the host is staging's as well. What staging minds less: tests/monitoring/environments.py."""
    with also_watched_by_staging(prometheus, tmp_path, availability_percent=94) as found:
        yield found


def test_what_pages_one_environment_is_a_ticket_or_nothing_in_another(prometheus: Prometheus, staging: Watching) -> None:
    """A tenth of the requests fails, half a second is late in production, and the certificate ends in ten days."""
    errors, slow = {"service": "shop.web"}, {"service": "shop.slow"}
    _told(prometheus, "ErrorsFast", "firing", severity="page", **errors)
    _told(prometheus, "SlowFast", "firing", severity="page", **slow)
    _told(prometheus, "CertificateEnds", "firing")
    _told(staging, "ErrorsSlow", "firing", severity="ticket", **errors)
    # It has seen the rest as well.
    for query in ('service:slow:now{service="shop.slow"}', "probe_ssl_earliest_cert_expiry - time() < 11 * 86400"):
        await_(query, partial(staging.ask, query))
    minds = 'ALERTS{alertstate="firing", alertname=~"ErrorsFast|SlowFast|SlowLong|CertificateEnds"}'
    await_("that staging minds no more than the errors", lambda: not staging.ask(minds))
    _each_has_told_its_own(prometheus, staging)


@pytest.mark.parametrize(
    "condition",
    [pytest.param(one, marks=[pytest.mark.deep] if one.deep else [], id=one.alert) for one in CONDITIONS if not one.alone],
)
def test_an_alert_fires_from_what_happens_reaches_its_receiver_and_ends(prometheus: Prometheus, condition: Condition) -> None:
    fires_and_ends(prometheus, condition)


def test_errors_that_can_wait_wake_nobody_up(prometheus: Prometheus) -> None:
    await_("the ticket", lambda: prometheus.last_word("ErrorsSlow", service="shop.few", severity="ticket") == "firing")
    assert prometheus.ask('ALERTS{alertname="ErrorsFast", service="shop.few"}') == []
    # Whom production pages hears of pages alone.
    await_("a page", lambda: "on-call" in {one["receiver"] for one in prometheus.told})
    assert {one["labels"]["severity"] for one in prometheus.told if one["receiver"] == "on-call"} == {"page"}


def test_a_disk_that_one_environment_minds_is_told_there_alone_until_the_other_minds_it(
    prometheus: Prometheus, staging: Watching
) -> None:
    """Production wants 10 % free, staging 5."""
    full = {"device": prometheus.disk.device}
    share = f'min(node_filesystem_avail_bytes{{device="{full["device"]}"}} / node_filesystem_size_bytes * 100)'
    await_("the disk in staging", lambda: staging.ask(f"{share} > 50"))
    await_("room in production", lambda: not prometheus.firing("DiskFull", **full))
    with prometheus.disk.filled_but(7.5):
        _told(prometheus, "DiskFull", "firing", severity="page", **full)
        # Of the same group of rules, and judged after it.
        _told(staging, "DiskFillsUp", "firing", **full)
        [seen] = staging.ask(share)
        assert 5 < float(seen["value"][1]) < 10
        assert (staging.firing("DiskFull", **full), staging.last_word("DiskFull", **full)) == ([], "")
        with prometheus.disk.filled_but(2):
            _told(staging, "DiskFull", "firing", severity="page", **full)
            assert prometheus.last_word("DiskFull", **full) == "firing"
    _told(prometheus, "DiskFull", "resolved", **full)
    _told(staging, "DiskFull", "resolved", **full)
    _each_has_told_its_own(prometheus, staging)


def _told(own: Watching, alert: str, word: str, **labels: str) -> None:
    await_(f"word of {alert} in {own.environment}: {word}", lambda: own.last_word(alert, **labels) == word)


def _each_has_told_its_own(prometheus: Prometheus, staging: Watching) -> None:
    assert {(one["labels"]["environment"], one["receiver"]) for one in staging.told} == {("staging", "staging")}
    assert {one["labels"]["environment"] for one in prometheus.told} == {"production"}
    commands = {one["annotations"]["runbook"].partition("-i ")[2].split()[0] for one in staging.told}
    assert commands == {"inventories/staging"}


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
