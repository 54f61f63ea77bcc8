from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.filter.stack_config import stack_config
from ansible_collections.morpheus.deploy.plugins.filter.stack_configs import stack_configs
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring import files
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring.watched import Host, Inventory, Watched

ROOT = Path(__file__).parents[5]
OPTIONS = specifications.options("monitoring")
GOOD: dict[str, Any] = {
    "thresholds": {"disk_free_percent": 15},
    "receivers": [
        {"name": "on-call", "kind": "slack", "secret": "alert_receiver", "severities": ["page"]},
        {"name": "office", "kind": "email", "to": "a@shop.example", "from": "b@shop.example", "smarthost": "mail:25"},
    ],
    "database": True,
}
APP = Host("app-1", "10.0.0.1:8405", "10.0.0.1:443", "shop.example")
WATCH = Host("watch-1", "10.0.0.9:8405", "10.0.0.9:80")
INVENTORY = Inventory("staging", [APP, WATCH], ["watch-1"], ["https://shop.example/health"], {"money_per_day": 5.0})


def watched(given: Any = GOOD, inventory: Inventory = INVENTORY) -> Watched:
    return Watched(given, OPTIONS, inventory)


def changed(**values: Any) -> dict[str, Any]:
    """``thresholds__cpu_percent=0`` changes a threshold, ``first__url=""`` the first receiver."""
    found = copy.deepcopy(GOOD)
    for path, value in values.items():
        place, _, name = path.rpartition("__")
        target = {"": found, "thresholds": found["thresholds"], "first": found["receivers"][0], "second": found["receivers"][1]}
        target[place][name] = value
    return found


def loaded(variables: Mapping[str, str], name: str) -> Any:
    return yaml.safe_load(variables[name])


def test_an_environment_without_monitoring_has_no_problem() -> None:
    assert watched(None).problems == []
    assert watched(None, Inventory("staging")).problems == []


def test_what_is_well_is_watched() -> None:
    found = files.variables(watched())
    assert watched().problems == []
    jobs = {job["job_name"]: job for job in loaded(found, "PROMETHEUS_YML")["scrape_configs"]}
    assert list(jobs) == ["edge", "node", "node-1", "probe", "prometheus", "alertmanager", "blackbox", "postgres"]
    assert jobs["edge"]["static_configs"] == [
        {"targets": ["10.0.0.1:8405"], "labels": {"host": "app-1"}},
        {"targets": ["10.0.0.9:8405"], "labels": {"host": "watch-1"}},
    ]
    assert jobs["node"]["static_configs"] == [{"targets": ["node-exporter:9100"], "labels": {"host": "watch-1"}}]
    assert jobs["node-1"]["tls_config"] == {"server_name": "shop.example"}
    assert jobs["probe"]["static_configs"] == [{"targets": ["https://shop.example/health"]}]


def test_a_host_without_a_certificate_is_asked_in_plain() -> None:
    plain = replace(APP, edge="10.0.0.1:80", site="")
    jobs = loaded(files.variables(watched(inventory=replace(INVENTORY, hosts=[plain, WATCH]))), "PROMETHEUS_YML")[
        "scrape_configs"
    ]
    labels = {"host": "app-1", "job": "node", "__metrics_path__": "/-/metrics/node/metrics"}
    assert {"targets": ["10.0.0.1:80"], "labels": labels} in jobs[1]["static_configs"]


def test_an_authority_of_ones_own_is_asked_for() -> None:
    found = files.variables(watched(changed(ca_path="/ca.pem")), "PEM")
    jobs = {job["job_name"]: job for job in loaded(found, "PROMETHEUS_YML")["scrape_configs"]}
    assert jobs["node-1"]["tls_config"] == {"server_name": "shop.example", "ca_file": "/etc/prometheus/ca.pem"}
    tls = loaded(found, "BLACKBOX_YML")["modules"]["http_2xx"]["http"]["tls_config"]
    assert (tls, found["CA_PEM"]) == ({"ca_file": "/etc/blackbox_exporter/ca.pem"}, "PEM")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"receivers": []}, "monitoring.receivers: required; without one nobody hears of an alert"),
        (
            {"second__severities": ["page"]},
            "monitoring.receivers: nobody hears of alerts with severity ticket; add it to the severities of one",
        ),
        ({"first__severities": []}, "monitoring.receivers[0].severities: is empty; take the receiver out, or the line"),
        ({"first__severities": ["panic"]}, 'monitoring.receivers[0].severities[0]: "panic" is not one of page, ticket'),
        ({"first__kind": "sms"}, 'monitoring.receivers[0].kind: "sms" is not one of webhook, slack, email, pagerduty'),
        ({"first__secret": ""}, "monitoring.receivers[0].secret: required for slack"),
        (
            {"first__secret": "../key"},
            'monitoring.receivers[0].secret: "../key" is no name of a file in secret_files: lower-case letters, digits, - and _',
        ),
        ({"first__name": "office"}, 'monitoring.receivers[1].name: "office" is already used by monitoring.receivers[0]'),
        ({"first__name": "on call"}, 'monitoring.receivers[0].name: "on call" may hold only letters, digits, ".", "-" and "_"'),
        ({"first__kind": "webhook"}, "monitoring.receivers[0].url: required for webhook"),
        (
            {"first__kind": "webhook", "first__url": "https://me:pw@hook.example/"},
            'monitoring.receivers[0].url: "https://me:pw@hook.example/" is not an http or https URL without a password; what '
            "opens it belongs into secret",
        ),
        ({"second__to": ""}, "monitoring.receivers[1].to: required for email"),
        ({"second__smarthost": "mail"}, 'monitoring.receivers[1].smarthost: "mail" is not <host>:<port>'),
        (
            {"second__username": "alerts"},
            "monitoring.receivers[1].secret: required, because username is given; the file with its password",
        ),
        (
            {"thresholds__disk_free_percent": 100},
            "monitoring.thresholds.disk_free_percent: 100 is no share in percent; give a number above 0 and below 100",
        ),
        (
            {"thresholds__availability_percent": 90},
            "monitoring.thresholds.availability_percent: must be from 94 to below 100, not 90; with less nothing is bad enough "
            "to be told",
        ),
        (
            {"thresholds__latency_percent": 100},
            "monitoring.thresholds.latency_percent: must be from 94 to below 100, not 100; with less nothing is bad enough to be "
            "told",
        ),
        ({"thresholds__lease_minutes": 0}, "monitoring.thresholds.lease_minutes: 0 is always exceeded; give a number above 0"),
        (
            {"thresholds__disk_free_percnt": 10},
            'monitoring.thresholds.disk_free_percnt: unknown key; did you mean "disk_free_percent"?',
        ),
        ({"thresholds__cpu_percent": "much"}, "monitoring.thresholds.cpu_percent: must be a number, 0 or more, not 'much'"),
        ({"urls": ["shop.example"]}, 'monitoring.urls[0]: "shop.example" is not an http or https URL'),
        (
            {"scrape_seconds": 300},
            "monitoring.scrape_seconds: must be from 5 to 60, not 300; alerts look at the last five minutes",
        ),
        ({"repeat_hours": 0}, "monitoring.repeat_hours: 0 tells an alert again all the time; give the hours between"),
        (
            {"database": False},
            "monitoring.database: must be true, because ml.limits has caps and what is spent stands in the database",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_path(values: dict[str, Any], problem: str) -> None:
    found = watched(changed(**values))
    assert problem in found.problems
    assert set(files.variables(found).values()) == {"# monitoring has problems"}


@pytest.mark.parametrize(
    ("inventory", "problem"),
    [
        (
            {"at": []},
            "monitoring: the group monitoring of the inventory has no host; it must have one, on which the monitoring runs",
        ),
        (
            {"at": ["app-1", "watch-1"]},
            "monitoring: the group monitoring of the inventory has 2 hosts (app-1, watch-1); it must have one, on which the "
            "monitoring runs",
        ),
        (
            {"at": ["watch-2"]},
            "monitoring: watch-2 of the group monitoring must be in the group app, too, because stacks run on its hosts",
        ),
        ({"urls": []}, "monitoring.urls: required, because no stack has a public_check; name what users ask"),
        (
            {"hosts": [replace(APP, metrics="127.0.0.1:8405"), WATCH]},
            'edge_metrics_address: "127.0.0.1:8405" of app-1 is reached from there alone, and the monitoring asks too; give an '
            "address of its private network, <address>:<port>",
        ),
        (
            {"hosts": [APP, replace(WATCH, metrics="[::1]:8405")]},
            'edge_metrics_address: "[::1]:8405" of watch-1 is reached from there alone, and the monitoring asks too; give an '
            "address of its private network, <address>:<port>",
        ),
    ],
)
def test_what_the_inventory_cannot_give_is_said(inventory: dict[str, Any], problem: str) -> None:
    assert watched(inventory=replace(INVENTORY, **inventory)).problems == [problem]


def test_what_is_of_the_wrong_type_is_told_once() -> None:
    assert watched([]).problems == ["monitoring: must be a mapping, not a list"]
    assert watched(changed(receivers="me")).problems == ["monitoring.receivers: must be a list, not a string"]


PROBLEM = "monitoring.receivers: required; without one nobody hears of an alert"


def test_a_deploy_tells_them_with_everything_else() -> None:
    told = stack_config({"stack": None, "stack_environment": "prod", "monitoring_problems": [PROBLEM]})["problems"]
    assert PROBLEM in told
    assert len(told) > 1


def test_a_deploy_of_several_stacks_tells_them_once_and_what_is_wrong_with_ml_too() -> None:
    common = {"stack_environment": "staging", "monitoring_problems": [PROBLEM], "ml": {"tier": "prod"}}
    told = stack_configs(common, {"shop": {}, "mall": {}}, ["shop", "mall"])["problems"]
    assert told.count(PROBLEM) == 1
    assert 'ml.tier: "prod" is not one of mock, staging, production' in told


MONITORING = {
    "compose_files": ["compose.yml", "compose.database.yml", "compose.receiver.yml"],
    "files": ["queries.yml"],
    "variables": files.variables(watched()),
    "egress": ["metrics"],
    "hardening": {"exempt": {"node-exporter": ["volumes"]}},
    "services": [
        {"name": "prometheus", "port": 9090, "health": {"path": "/-/ready"}},
        {"name": "alertmanager", "port": 9093, "health": {"path": "/-/ready"}},
        {"name": "blackbox", "port": 9115, "health": {"path": "/-/healthy"}},
        {"name": "node-exporter", "port": 9100, "health": {"path": "/metrics"}},
        {"name": "postgres-exporter", "port": 9187, "health": {"path": "/metrics"}},
    ],
}
ROUTE = {"paths": ["/-/metrics/node"], "strip_prefix": True, "allow": ["10.0.0.9"]}
HOSTS = {
    "compose_files": ["compose.hosts.yml"],
    "hardening": {"exempt": {"node-exporter": ["volumes"]}},
    "services": [{"name": "node-exporter", "port": 9100, "routes": [ROUTE], "health": {"path": "/metrics"}}],
}


@pytest.mark.parametrize(
    ("name", "stack", "secrets"),
    [
        (
            "monitoring",
            MONITORING,
            {
                "stack_secrets": {"database": {"DATA_SOURCE_NAME": "postgresql://watch:0123456789@db.example.com/app"}},
                "stack_secret_files": {"alert_receiver": {"content": "https://hooks.example/0123456789", "owner": 65534}},
            },
        ),
        ("host-metrics", HOSTS, {}),
    ],
)
def test_the_stacks_of_the_monitoring_are_ones_that_a_deploy_accepts(
    name: str, stack: dict[str, Any], secrets: dict[str, Any]
) -> None:
    checked = stack_config(
        {
            "preflight_environments": ["staging", "production"],
            "stack_environment": "staging",
            "stack_release": "2026.11",
            "stack_source": str(ROOT / "stacks" / "monitoring"),
            "stack": {"name": name, **stack},
            **secrets,
        }
    )
    assert checked["problems"] == []
    assert checked["notes"] == []
