from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.rules import (
    problems,
    replicas,
    seconds,
    time_to_fail_seconds,
    update_policy,
    watch_problems,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import FailureAction, Order, UpdatePolicy
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import HealthCheck

DURATIONS = [
    ("10s", 10.0),
    ("1m30s", 90.0),
    ("1h", 3600.0),
    ("500ms", 0.5),
    ("250us", 0.00025),
    ("1.5s", 1.5),
    ("1h2m3s4ms", 3723.004),
    ("0s", 0.0),
    (2_000_000_000, 2.0),
    (0, 0.0),
]


@pytest.mark.parametrize(("value", "expected"), DURATIONS, ids=str)
def test_a_duration_is_read_as_compose_reads_it(value: Any, expected: float) -> None:
    assert seconds(value) == pytest.approx(expected)


@pytest.mark.parametrize("value", [None, ""], ids=["null", "empty"])
def test_a_duration_that_is_not_given_is_the_default(value: Any) -> None:
    assert seconds(value, 7.0) == 7.0


@pytest.mark.parametrize("value", ["10", "ten", "10 s", "s", "-5s", "5d", "1s!", True, [], "1m-30s"], ids=str)
def test_anything_else_is_no_duration(value: Any) -> None:
    with pytest.raises(ValueError, match="is not a duration such as 10s or 1m30s"):
        seconds(value)


POLICIES = [
    pytest.param({}, UpdatePolicy(), id="nothing said"),
    pytest.param({"deploy": None}, UpdatePolicy(), id="an empty section"),
    pytest.param({"deploy": {"update_config": {}}}, UpdatePolicy(), id="an empty policy"),
    pytest.param(
        {
            "deploy": {
                "update_config": {
                    "parallelism": 0,
                    "delay": "5s",
                    "order": "stop-first",
                    "failure_action": "rollback",
                    "monitor": "1m",
                    "max_failure_ratio": 0.02,
                }
            }
        },
        UpdatePolicy(0, 5.0, Order.STOP_FIRST, FailureAction.ROLLBACK, 60.0, 0.02),
        id="everything said",
    ),
]


@pytest.mark.parametrize(("service", "policy"), POLICIES)
def test_a_policy_is_what_compose_says_and_starts_first_otherwise(service: dict[str, Any], policy: UpdatePolicy) -> None:
    assert update_policy(service) == policy


def test_a_rollback_may_have_a_policy_of_its_own() -> None:
    service = {"deploy": {"update_config": {"parallelism": 1}, "rollback_config": {"parallelism": 3}}}
    assert update_policy(service, "rollback_config").parallelism == 3


@pytest.mark.parametrize(
    ("service", "count"),
    [
        ({}, 1),
        ({"deploy": {"replicas": 3}}, 3),
        ({"deploy": {"replicas": 0}}, 0),
        ({"scale": 2}, 2),
        ({"deploy": {}, "scale": 2}, 2),
    ],
    ids=str,
)
def test_there_is_one_replica_unless_compose_says_otherwise(service: dict[str, Any], count: int) -> None:
    assert replicas(service) == count


HEALTHCHECKS = [
    pytest.param(None, 0.0, id="none"),
    pytest.param({"disable": True, "interval": "1s"}, 0.0, id="disabled"),
    pytest.param({"test": ["NONE"], "interval": "1s"}, 0.0, id="none, in the other notation"),
    pytest.param({"interval": "1s", "timeout": "2s", "retries": 2}, 6.0, id="each retry after its interval and with its timeout"),
    pytest.param({"test": ["CMD", "true"]}, 180.0, id="the defaults: 30 s, 30 s, 3"),
]


@pytest.mark.parametrize(("healthcheck", "expected"), HEALTHCHECKS)
def test_a_healthcheck_needs_every_retry_with_its_timeout_to_fail(healthcheck: dict[str, Any] | None, expected: float) -> None:
    assert time_to_fail_seconds(healthcheck) == expected


GOOD: dict[str, Any] = {"image": "shop/api:1.0"}
QUICK = {"test": ["CMD", "true"], "interval": "1s", "timeout": "2s", "retries": 2}


def with_update(**config: Any) -> dict[str, Any]:
    return {**GOOD, "deploy": {"update_config": config}}


EXCLUSIVE = [
    pytest.param({}, Order.STOP_FIRST, 1, id="nothing said"),
    pytest.param({"parallelism": 0}, Order.STOP_FIRST, 1, id="all at once, but not in which order"),
    pytest.param({"order": "stop-first", "parallelism": 0}, Order.STOP_FIRST, 0, id="stop-first by its file, all at once"),
    pytest.param({"order": "start-first", "parallelism": 2}, Order.STOP_FIRST, 1, id="start-first, which was not refused then"),
]


@pytest.mark.parametrize(("config", "order", "parallelism"), EXCLUSIVE)
@pytest.mark.parametrize("section", ["update_config", "rollback_config"])
def test_what_may_not_run_twice_is_replaced_stop_first_and_one_at_a_time(
    config: dict[str, Any], order: Order, parallelism: int, section: str
) -> None:
    policy = update_policy({"deploy": {section: config}}, section, "writes to the volume db-data")
    assert (policy.order, policy.parallelism, policy.exclusive) == (order, parallelism, "writes to the volume db-data")


FINDINGS = [
    pytest.param(GOOD, [], id="nothing"),
    pytest.param({"image": "shop/api@sha256:abc"}, [], id="a digest"),
    pytest.param({"image": "shop/api:latest@sha256:abc"}, [], id="latest with a digest"),
    pytest.param({"image": "registry.example:5000/shop/api:1.0"}, [], id="a registry with a port"),
    pytest.param(
        {},
        [
            "services.api.image: required; hosts run images that were built and tested before, they build none. If the service "
            "was renamed or removed in another file, take its lines out of this one"
        ],
        id="no image",
    ),
    pytest.param(
        {"build": "."},
        [
            "services.api.image: required; hosts run images that were built and tested before, they build none. Push it, and "
            "write beside build: image: <registry>/api:${STACK_RELEASE:?}"
        ],
        id="an image that would be built",
    ),
    pytest.param(
        {"image": "shop/api:latest"},
        ['services.api.image: "shop/api:latest" does not say which version runs; give a tag other than latest, or a digest'],
        id="latest",
    ),
    pytest.param(
        {"image": "registry.example:5000/shop/api"},
        [
            'services.api.image: "registry.example:5000/shop/api" does not say which version runs; give a tag other than latest, '
            "or a digest"
        ],
        id="no tag, but a port",
    ),
    pytest.param(
        {**GOOD, "container_name": "api"},
        [],
        id="container_name of one replica",
    ),
    pytest.param(
        {**GOOD, "pre_stop": [{"command": "./leave.sh"}]},
        ["services.api.pre_stop: replicas are drained and then stopped by signal, without hooks; do it when SIGTERM comes"],
        id="a hook before the stop",
    ),
    pytest.param(
        {**GOOD, "network_mode": "host"},
        ["services.api.network_mode: old and new replicas cannot share the host's ports; remove it"],
        id="the host's network for a routed service",
    ),
    pytest.param(
        with_update(parallelism=2, delay="1s", order="start-first", failure_action="pause", monitor="9s"), [], id="a policy"
    ),
    pytest.param(
        with_update(paralellism=2),
        [
            "services.api.deploy.update_config.paralellism: unknown key; known are parallelism, delay, failure_action, monitor, "
            "max_failure_ratio, order"
        ],
        id="an unknown key of the update policy",
    ),
    pytest.param(
        with_update(parallelism="two"),
        ["services.api.deploy.update_config.parallelism: 'two' is not a number of replicas (0 means all at the same time)"],
        id="parallelism that is a word",
    ),
    pytest.param(
        with_update(parallelism=-1),
        ["services.api.deploy.update_config.parallelism: -1 is not a number of replicas (0 means all at the same time)"],
        id="parallelism below nothing",
    ),
    pytest.param(
        with_update(order="parallel"),
        ['services.api.deploy.update_config.order: "parallel" is not one of start-first, stop-first'],
        id="an order that is none",
    ),
    pytest.param(
        with_update(failure_action="continue"),
        ['services.api.deploy.update_config.failure_action: "continue" is not one of rollback, pause'],
        id="failure_action: continue",
    ),
    pytest.param(
        with_update(max_failure_ratio=10),
        [
            "services.api.deploy.update_config.max_failure_ratio: 10 is not a share of requests between 0 and 1, such as 0.05",
        ],
        id="a failure ratio in per cent",
    ),
    pytest.param(
        with_update(max_failure_ratio="10%"),
        [
            "services.api.deploy.update_config.max_failure_ratio: '10%' is not a share of requests between 0 and 1, such as 0.05",
        ],
        id="a failure ratio in words",
    ),
    pytest.param(
        with_update(max_failure_ratio=-0.1),
        [
            "services.api.deploy.update_config.max_failure_ratio: -0.1 is not a share of requests between 0 and 1, such as 0.05",
        ],
        id="a failure ratio below nothing",
    ),
    pytest.param(
        with_update(max_failure_ratio=True),
        [
            "services.api.deploy.update_config.max_failure_ratio: True is not a share of requests between 0 and 1, such as 0.05",
        ],
        id="a failure ratio that is no number",
    ),
    pytest.param(with_update(max_failure_ratio=0), [], id="no failure is tolerated"),
    pytest.param(with_update(max_failure_ratio=1), [], id="every failure is tolerated"),
    pytest.param(
        with_update(delay="soon"),
        ['services.api.deploy.update_config.delay: "soon" is not a duration such as 10s or 1m30s'],
        id="a delay that is no duration",
    ),
    pytest.param(
        with_update(monitor="5"),
        ['services.api.deploy.update_config.monitor: "5" is not a duration such as 10s or 1m30s'],
        id="a monitor without a unit",
    ),
    pytest.param(
        {**GOOD, "deploy": {"rollback_config": {"order": "any"}}},
        ['services.api.deploy.rollback_config.order: "any" is not one of start-first, stop-first'],
        id="a bad policy for rollbacks",
    ),
]


@pytest.mark.parametrize(("service", "found"), FINDINGS)
def test_what_a_routed_service_may_not_say_is_found(service: dict[str, Any], found: list[str]) -> None:
    assert problems("api", service, routed=True) == found


HEALTH = {"successes": 3, "interval_seconds": 0.25, "timeout_seconds": 2.0}
BY_DOCKER = "the healthcheck can fail ((interval + timeout) x retries); make it at least 6s, or the healthcheck quicker"
BY_US = (
    "its health in stack.services can fail ((interval_seconds + timeout_seconds) x successes); make it at least 6.75s, or the "
    "health quicker"
)
WATCHES = [
    pytest.param("6s", None, "", id="just long enough for Docker's healthcheck"),
    pytest.param(
        "5s", None, f"5 s is shorter than the 6 s in which {BY_DOCKER}", id="a monitor too short for Docker's healthcheck"
    ),
    pytest.param("6.75s", HEALTH, "", id="just long enough for our own check"),
    pytest.param(
        "6.7s",
        HEALTH,
        f"6.7 s is shorter than the 6.75 s in which {BY_US}",
        id="a monitor too short for the health in stack.services",
    ),
    pytest.param("6.3s", HEALTH | {"interval_seconds": 0.1}, "", id="a sum that binary numbers cannot hold"),
    pytest.param("1s", HEALTH | {"timeout_seconds": 0.05}, "", id="our own check counts, not Docker's"),
    pytest.param("1s", HEALTH | {"successes": 0}, "", id="a health that is wrong anyway"),
    pytest.param("0s", HEALTH, "", id="no watch"),
    pytest.param("soon", HEALTH, "", id="no duration"),
    pytest.param(None, HEALTH, "", id="nothing said"),
]


@pytest.mark.parametrize("section", ["update_config", "rollback_config"])
@pytest.mark.parametrize(("monitor", "health", "words"), WATCHES)
def test_a_watch_is_as_long_as_what_watches_needs_to_fail(
    section: str, monitor: str | None, health: dict[str, Any] | None, words: str
) -> None:
    service = {**GOOD, "healthcheck": QUICK, "deploy": {section: {"monitor": monitor}}}
    seconds = HealthCheck.of(health).failing_seconds if health else None
    assert watch_problems("api", service, seconds) == ([f"services.api.deploy.{section}.monitor: {words}"] if words else [])


def test_what_a_release_was_accepted_with_does_not_keep_a_host_from_going_back_to_it() -> None:
    assert problems("api", {**with_update(monitor="1ms"), "healthcheck": QUICK}, routed=True) == []


WORKERS = [
    pytest.param({**GOOD, "ports": ["80:80"]}, [], id="ports"),
    pytest.param({**GOOD, "network_mode": "host"}, [], id="network_mode"),
    pytest.param({**GOOD, "container_name": "cron"}, [], id="container_name of one replica"),
    pytest.param(
        {**GOOD, "container_name": "cron", "deploy": {"replicas": 2}},
        ["services.api.container_name: its replicas live side by side, so none may have a fixed name"],
        id="container_name of two replicas",
    ),
]


@pytest.mark.parametrize(("service", "found"), WORKERS)
def test_a_service_without_routes_has_more_freedom(service: dict[str, Any], found: list[str]) -> None:
    assert problems("api", service, routed=False) == found


def test_all_findings_come_at_once() -> None:
    service = {
        "image": "api",
        "pre_stop": [{"command": "x"}],
        "container_name": "x",
        "deploy": {"replicas": 2, "update_config": {"order": "x"}},
    }
    assert len(problems("api", service, routed=True)) == 4


@pytest.mark.parametrize(
    "service",
    [
        {"image": "${IMAGE:-a:1}", "deploy": {"replicas": "${N:-2}", "update_config": {"parallelism": "${N:-2}"}}},
        {"image": 5, "ports": None, "healthcheck": {"retries": "${R}"}, "deploy": {"update_config": {"monitor": "5s"}}},
        {"image": "a:1", "container_name": "x", "deploy": {"replicas": "two"}},
        {"image": "a:1", "deploy": "x"},
        {"image": "a:1", "deploy": {"update_config": ["x"]}},
        {"image": "a:1", "healthcheck": "x", "deploy": {"update_config": {"monitor": "5s"}}},
    ],
    ids=["variables", "wrong types", "replicas", "deploy", "update_config", "healthcheck"],
)
def test_no_service_as_written_makes_it_crash(service: dict[str, Any]) -> None:
    """Compose itself will say what is wrong with it, in its own words."""
    assert isinstance(problems("api", service, routed=True), list)
    assert isinstance(watch_problems("api", service, None), list)
