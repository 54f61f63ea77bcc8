"""Which services are jobs, and what they may not say."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import jobs

WAITS = {"depends_on": {"setup": {"condition": "service_completed_successfully"}}}


def services(setup: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"setup": {"image": "shop/app:1", "restart": "no", **setup}, "web": {"image": "shop/web:1", **WAITS}, **others}


def test_a_job_is_what_somebody_waits_for_or_the_inventory_names() -> None:
    others = {"beat": {"image": "a:1"}, "seed": {"image": "a:1", "profiles": ["seed"]}, "broken": None}
    assert jobs.names(services({}, **others), []) == ["setup"]
    assert jobs.names(services({}, **others), ["beat", "seed", "nobody"]) == ["beat", "setup"]
    assert jobs.names({"web": {"depends_on": ["db"]}, "api": {"depends_on": {"db": {"condition": "service_started"}}}}, []) == []


@pytest.mark.parametrize("restart", [{}, {"restart": "no"}, {"restart": None}, {"restart": False}])
def test_a_job_that_is_left_ended_is_good(restart: dict[str, Any]) -> None:
    assert jobs.problems(services({"restart": None} | restart), [], []) == {"setup": []}


REFUSED = [
    pytest.param(
        {"restart": "always"},
        'services.setup.restart: "always" starts it again when it has ended, and web waits for its end; write restart: "no"',
        id="a job that is started again",
    ),
    pytest.param(
        {"deploy": {"restart_policy": {"condition": "on-failure"}}},
        'services.setup.deploy.restart_policy: "on-failure" starts it again when it has ended, and web waits for its end; write '
        'restart: "no"',
        id="a job with a policy that starts it again",
    ),
    pytest.param(
        {"deploy": {"replicas": 3}},
        "services.setup.deploy.replicas: 3 are wanted, and web waits for its end: a job runs once for each release; remove it",
        id="a job three times",
    ),
]


@pytest.mark.parametrize(("setup", "problem"), REFUSED)
def test_what_a_job_may_not_say(setup: dict[str, Any], problem: str) -> None:
    assert jobs.problems(services(setup), [], []) == {"setup": [problem]}


def test_a_job_has_no_routes() -> None:
    assert jobs.problems(services({}), [], ["setup"]) == {"setup": [ROUTED]}


ROUTED = (
    "services.setup: web waits for its end, so nobody would serve its routes; take it out of stack.services, or let nobody "
    "wait for its "
    "end"
)


def test_one_that_only_the_inventory_names_says_so() -> None:
    assert jobs.problems({"beat": {"restart": "always"}}, ["beat"], []) == {
        "beat": [
            'services.beat.restart: "always" starts it again when it has ended, and stack.jobs says that it ends; write '
            'restart: "no"'
        ]
    }
