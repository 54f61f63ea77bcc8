"""Routes with options and wildcards, as they change hands; routes without are tested with the planner."""

from __future__ import annotations

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.plan import plan
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import Action, Step
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import DesiredService
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica, State
from ansible_collections.morpheus.deploy.plugins.module_utils.service.routing import Routing, in_order, reached

OPTIONS = '{"stream":1}'
LOOKED_UP = [
    ("a.shop.example/", "exact"),
    ("b.shop.example/x/", "wild"),
    ("b.shop.example/x/y/", "wild below"),
    ("a.shop.example/x/y/", "exact"),
    ("a.b.shop.example/", "any"),
    ("shop.example/", "any"),
    ("*.shop.example/q/", "wild"),
    ("localhost/", "any"),
    ("*/", "any"),
]


@pytest.mark.parametrize(("key", "service"), LOOKED_UP)
def test_the_host_comes_before_its_wildcard_and_that_before_any(key: str, service: str) -> None:
    routes = {"a.shop.example/": "exact", "*.shop.example/": "wild", "*.shop.example/x/y/": "wild below", "*/": "any"}
    assert reached(routes, key) == service


def test_a_new_wildcard_takes_no_request_before_its_turn() -> None:
    """It hides the routes of any host, and a host's own route hides both."""
    routing = Routing({"*/": "web", "*/api/": "api"}, {"*/": "web", "*/api/": "api", "*.shop.example/": "shop"})
    assert routing.pins == {"*.shop.example/": "web", "*.shop.example/api/": "api"}
    now = {"*/": "web", "*.shop.example/api/": f"api|{OPTIONS}"}
    assert Routing(now, {**now, "a.shop.example/": "shop"}).pins == {
        "a.shop.example/": "web",
        "a.shop.example/api/": f"api|{OPTIONS}",
    }


def test_routes_of_wider_hosts_end_first() -> None:
    ending = dict.fromkeys(["a.example/", "*.a.example/", "*/", "*.a.example/b/", "*/b/"], "")
    assert in_order(ending) == ["*/", "*/b/", "*.a.example/", "*.a.example/b/", "a.example/"]


def _plan(now: dict[str, str], wanted: dict[str, str], fingerprint: str = "new") -> list[Step]:
    replicas = [Replica("1", "web-1", "web", 1, fingerprint, State.RUNNING, True, port=80)]
    return plan([DesiredService("web", 1, "new", routed=True, port=80)], replicas, routing=Routing(now, wanted))


def test_a_change_of_options_alone_is_a_step_of_its_own_and_replaces_nobody() -> None:
    leads = f"web|{OPTIONS}"
    assert _plan({"a/": "web"}, {"a/": leads}) == [Step(Action.ROUTE, "web", routes=("a/",), leads=(leads,))]
    assert _plan({"a/": leads}, {"a/": "web"}) == [Step(Action.ROUTE, "web", routes=("a/",))]
    assert _plan({"a/": leads}, {"a/": leads}) == []


def test_new_options_come_when_no_replica_of_the_release_before_gets_requests() -> None:
    steps = [step.action for step in _plan({"a/": "web"}, {"a/": f"web|{OPTIONS}"}, "old")]
    assert steps.index(Action.DRAIN) < steps.index(Action.ROUTE) < steps.index(Action.STOP)


def test_a_route_that_ends_goes_with_the_options_of_the_one_above_it() -> None:
    now = {"a/": f"web|{OPTIONS}", "a/x/": 'web|{"timeout_seconds":9}'}
    steps = _plan(now, {"a/": f"web|{OPTIONS}"})
    assert [(step.action, step.routes, step.leads) for step in steps] == [
        (Action.ROUTE, ("a/x/",), (f"web|{OPTIONS}",)),
        (Action.UNROUTE, ("a/x/",), ()),
    ]


BOTH_NEW = {"a/": "web", "a/x/": "ml"}


@pytest.mark.parametrize(
    ("wanted", "waves", "late"),
    [
        (BOTH_NEW, {"web": 0, "ml": 1}, ["a/"]),
        (BOTH_NEW, {"web": 1, "ml": 1}, ["a/"]),
        (BOTH_NEW, {"web": 1, "ml": 0}, []),
        ({"a/": "web", "a/x/": f"web|{OPTIONS}"}, {"web": 0}, []),
        (
            {"*/": "web", "*.shop.example/": "jobs", "a.shop.example/": "ml"},
            {"web": 0, "jobs": 1, "ml": 2},
            ["*.shop.example/", "*/"],
        ),
    ],
)
def test_a_new_route_waits_for_new_ones_below_it(wanted: dict[str, str], waves: dict[str, int], late: list[str]) -> None:
    """Their requests would reach its service for a moment. Where something leads there already they have a pin."""
    assert Routing({}, wanted).late(waves) == late
    assert Routing({"a/": "web", "*/": "web"}, wanted).pinned.late(waves) == []


def test_a_new_route_is_taken_over_last_where_its_service_must_roll_first() -> None:
    desired = [
        DesiredService("web", 1, "new", routed=True, port=80),
        DesiredService("ml", 1, "new", routed=True, port=80, depends_on=("web",)),
    ]
    steps = plan(desired, [], routing=Routing({}, {"a/": f"web|{OPTIONS}", "a/x/": "ml"}))
    assert [(step.service, step.routes, step.leads) for step in steps if step.action is Action.ROUTE] == [
        ("ml", ("a/x/",), ()),
        ("web", ("a/",), (f"web|{OPTIONS}",)),
    ]
    assert steps[-1].wave > max(step.wave for step in steps[:-1])
