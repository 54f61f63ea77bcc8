from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.plan import plan, waves
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import Action, Step
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import (
    DesiredService,
    FailureAction,
    Order,
    UpdatePolicy,
    trouble,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica, State
from ansible_collections.morpheus.deploy.plugins.module_utils.service.routing import Routing, in_order, reached

API = DesiredService("api", 2, "new", image="shop/api:2", routed=True)
WORKER = DesiredService("worker", 1, "new")
DATA = DesiredService("db", 1, "new", policy=UpdatePolicy(order=Order.STOP_FIRST, exclusive="writes to the volume db-data"))


def replica(
    number: int,
    fingerprint: str = "old",
    service: str = "api",
    state: State = State.RUNNING,
    admitted: bool = True,
    created: float = 0.0,
    image: str = "",
    parts: dict[str, str] | None = None,
) -> Replica:
    name = f"shop-{service}-{number}"
    return Replica(f"id-{name}", name, service, number, fingerprint, state, admitted, created, image, parts or {})


def with_policy(
    service: DesiredService,
    parallelism: int = 1,
    order: Order = Order.START_FIRST,
    monitor_seconds: float = 0.0,
    delay_seconds: float = 0.0,
) -> DesiredService:
    policy = UpdatePolicy(parallelism, delay_seconds, order, FailureAction.PAUSE, monitor_seconds)
    return replace(service, policy=policy)


PLANS = [
    pytest.param([], [], [], id="nothing wanted and nothing there"),
    pytest.param([API], [replica(1, "new"), replica(2, "new")], [], id="all is as it should be"),
    pytest.param(
        [API],
        [],
        ["0.0 api: start 2 candidates (0 of 2 run)", "0.0 api: gate 2 candidates", "0.0 api: admit 2 candidates at the edge"],
        id="a first deploy has nothing to be careful with, so all start at once",
    ),
    pytest.param(
        [with_policy(API, 1, monitor_seconds=6, delay_seconds=5)],
        [replica(1), replica(2)],
        [
            "0.0 api: start 1 candidate (configuration changed)",
            "0.0 api: gate 1 candidate",
            "0.0 api: admit 1 candidate at the edge",
            "0.0 api: drain shop-api-1 at the edge",
            "0.0 api: watch 1 candidate for 6 s",
            "0.0 api: wait for open requests on shop-api-1 to finish (at most 30 s)",
            "0.0 api: stop shop-api-1",
            "0.0 api: remove shop-api-1",
            "0.0 api: pause 5 s before the next batch",
            "0.1 api: start 1 candidate (configuration changed)",
            "0.1 api: gate 1 candidate",
            "0.1 api: admit 1 candidate at the edge",
            "0.1 api: drain shop-api-2 at the edge",
            "0.1 api: watch 1 candidate for 6 s",
            "0.1 api: wait for open requests on shop-api-2 to finish (at most 30 s)",
            "0.1 api: stop shop-api-2",
            "0.1 api: remove shop-api-2",
        ],
        id="an update, one after the other",
    ),
    pytest.param(
        [with_policy(API, 2, Order.STOP_FIRST, monitor_seconds=6)],
        [replica(1), replica(2)],
        [
            "0.0 api: drain shop-api-1, shop-api-2 at the edge",
            "0.0 api: wait for open requests on shop-api-1, shop-api-2 to finish (at most 30 s)",
            "0.0 api: stop shop-api-1, shop-api-2 (interrupts api; stop-first: its file says so)",
            "0.0 api: remove shop-api-1, shop-api-2",
            "0.0 api: start 2 candidates (configuration changed)",
            "0.0 api: gate 2 candidates",
            "0.0 api: admit 2 candidates at the edge",
            "0.0 api: watch 2 candidates for 6 s",
        ],
        id="an update of what cannot run twice",
    ),
    pytest.param(
        [DATA],
        [replica(1, service="db", admitted=False)],
        [
            "0.0 db: stop shop-db-1 (interrupts db; stop-first: writes to the volume db-data)",
            "0.0 db: remove shop-db-1",
            "0.0 db: start 1 candidate (configuration changed)",
            "0.0 db: gate 1 candidate",
        ],
        id="an update of a database",
    ),
    pytest.param(
        [replace(DATA, replicas=2, routed=True)],
        [replica(1, service="db"), replica(2, service="db")],
        [
            "0.0 db: drain shop-db-1 at the edge",
            "0.0 db: wait for open requests on shop-db-1 to finish (at most 30 s)",
            "0.0 db: stop shop-db-1 (stop-first: writes to the volume db-data)",
            "0.0 db: remove shop-db-1",
            "0.0 db: start 1 candidate (configuration changed)",
            "0.0 db: gate 1 candidate",
            "0.0 db: admit 1 candidate at the edge",
            "0.1 db: drain shop-db-2 at the edge",
            "0.1 db: wait for open requests on shop-db-2 to finish (at most 30 s)",
            "0.1 db: stop shop-db-2 (stop-first: writes to the volume db-data)",
            "0.1 db: remove shop-db-2",
            "0.1 db: start 1 candidate (configuration changed)",
            "0.1 db: gate 1 candidate",
            "0.1 db: admit 1 candidate at the edge",
        ],
        id="while another replica serves nobody is interrupted",
    ),
    pytest.param(
        [DATA],
        [replica(1, service="db", admitted=False), replica(2, service="db", admitted=False)],
        [
            "0.0 db: stop shop-db-1, shop-db-2 (interrupts db; stop-first: writes to the volume db-data)",
            "0.0 db: remove shop-db-1, shop-db-2",
            "0.0 db: start 1 candidate (configuration changed)",
            "0.0 db: gate 1 candidate",
        ],
        id="two that should not be there both go before the next one comes",
    ),
    pytest.param(
        [DATA],
        [replica(1, service="db", state=State.DEAD, admitted=False)],
        ["0.0 db: remove shop-db-1, which does not run", "0.0 db: start 1 candidate (0 of 1 run)", "0.0 db: gate 1 candidate"],
        id="what does not run is not interrupted",
    ),
    pytest.param(
        [WORKER],
        [replica(1, service="worker", admitted=False)],
        [
            "0.0 worker: start 1 candidate (configuration changed)",
            "0.0 worker: gate 1 candidate",
            "0.0 worker: stop shop-worker-1",
            "0.0 worker: remove shop-worker-1",
        ],
        id="a worker has no edge",
    ),
    pytest.param(
        [API],
        [replica(1, "new"), replica(2, "new", admitted=False)],
        ["0.0 api: gate shop-api-2", "0.0 api: admit shop-api-2 at the edge"],
        id="after a crash before a candidate was admitted",
    ),
    pytest.param(
        [with_policy(API, 0)],
        [replica(1, "new", admitted=False), replica(2)],
        [
            "0.0 api: start 1 candidate (configuration changed)",
            "0.0 api: gate shop-api-1 and 1 candidate",
            "0.0 api: admit shop-api-1 and 1 candidate at the edge",
            "0.0 api: drain shop-api-2 at the edge",
            "0.0 api: wait for open requests on shop-api-2 to finish (at most 30 s)",
            "0.0 api: stop shop-api-2",
            "0.0 api: remove shop-api-2",
        ],
        id="after a crash between two candidates",
    ),
    pytest.param(
        [API],
        [replica(1, "new"), replica(2, "new"), replica(3, admitted=False)],
        [
            "0.0 api: drain shop-api-3 at the edge",
            "0.0 api: wait for open requests on shop-api-3 to finish (at most 30 s)",
            "0.0 api: stop shop-api-3",
            "0.0 api: remove shop-api-3",
        ],
        id="after a crash while an incumbent was drained",
    ),
    pytest.param(
        [API],
        [replica(1, "new"), replica(2, "new"), replica(3, state=State.DEAD, admitted=False)],
        ["0.0 api: remove shop-api-3, which does not run"],
        id="after a crash before a stopped replica was removed",
    ),
    pytest.param(
        [API],
        [replica(1, "new"), replica(2, "new", state=State.RESTARTING)],
        [
            "0.0 api: remove shop-api-2, which does not run",
            "0.0 api: start 1 candidate (1 of 2 run)",
            "0.0 api: gate 1 candidate",
            "0.0 api: admit 1 candidate at the edge",
        ],
        id="a replica that crashes again and again is replaced",
    ),
    pytest.param(
        [API],
        [replica(1, "new"), replica(2, "new"), replica(3, "new")],
        [
            "0.0 api: drain shop-api-3 at the edge",
            "0.0 api: wait for open requests on shop-api-3 to finish (at most 30 s)",
            "0.0 api: stop shop-api-3",
            "0.0 api: remove shop-api-3",
        ],
        id="one too many",
    ),
    pytest.param(
        [replace(API, replicas=1)],
        [replica(1, "new", admitted=False), replica(2, "new")],
        [
            "0.0 api: drain shop-api-1 at the edge",
            "0.0 api: wait for open requests on shop-api-1 to finish (at most 30 s)",
            "0.0 api: stop shop-api-1",
            "0.0 api: remove shop-api-1",
        ],
        id="of two, the one that serves is kept",
    ),
    pytest.param(
        [replace(API, replicas=0)],
        [replica(1, "new")],
        [
            "0.0 api: drain shop-api-1 at the edge",
            "0.0 api: wait for open requests on shop-api-1 to finish (at most 30 s)",
            "0.0 api: stop shop-api-1",
            "0.0 api: remove shop-api-1",
        ],
        id="no replica is wanted",
    ),
    pytest.param(
        [WORKER],
        [replica(1, "new", "worker", admitted=False), replica(1), replica(1, service="cron", admitted=False)],
        [
            "1.0 api: drain shop-api-1 at the edge",
            "1.0 api: wait for open requests on shop-api-1 to finish (at most 30 s)",
            "1.0 api: stop shop-api-1",
            "1.0 api: remove shop-api-1",
            "1.0 cron: stop shop-cron-1",
            "1.0 cron: remove shop-cron-1",
        ],
        id="services that are gone from the files",
    ),
    pytest.param(
        [],
        [replica(1, service="cron", admitted=False)],
        ["1.0 cron: stop shop-cron-1", "1.0 cron: remove shop-cron-1"],
        id="everything is gone from the files",
    ),
    pytest.param(
        [with_policy(API, 1)],
        [replica(1), replica(2, admitted=False), replica(3)],
        [
            "0.0 api: start 1 candidate (configuration changed)",
            "0.0 api: gate 1 candidate",
            "0.0 api: admit 1 candidate at the edge",
            "0.0 api: drain shop-api-2 at the edge",
            "0.0 api: wait for open requests on shop-api-2 to finish (at most 30 s)",
            "0.0 api: stop shop-api-2",
            "0.0 api: remove shop-api-2",
            "0.1 api: start 1 candidate (configuration changed)",
            "0.1 api: gate 1 candidate",
            "0.1 api: admit 1 candidate at the edge",
            "0.1 api: drain shop-api-1, shop-api-3 at the edge",
            "0.1 api: wait for open requests on shop-api-1, shop-api-3 to finish (at most 30 s)",
            "0.1 api: stop shop-api-1, shop-api-3",
            "0.1 api: remove shop-api-1, shop-api-3",
        ],
        id="what serves nobody goes first",
    ),
]


@pytest.mark.parametrize(("desired", "observed", "texts"), PLANS)
def test_a_plan_says_what_leads_from_what_runs_to_what_should(
    desired: list[DesiredService], observed: list[Replica], texts: list[str]
) -> None:
    assert [f"{step.wave}.{step.batch} {step}" for step in plan(desired, observed)] == texts


def test_the_drain_time_is_the_one_that_was_given() -> None:
    steps = plan([API], [replica(1), replica(2)], drain_seconds=7.5)
    assert {step.seconds for step in steps if step.action is Action.AWAIT} == {7.5}


REASONS = [
    pytest.param({}, {}, "configuration changed", id="no parts are known"),
    pytest.param({"image": "a"}, {"image": "a"}, "configuration changed", id="no part differs"),
    pytest.param({"image": "a"}, {"image": "b"}, "changed: image shop/api:1 -> shop/api:2", id="image"),
    pytest.param(
        {"image": "a", "environment.B": "1", "secret key": "1", "gone": "1"},
        {"image": "a", "environment.B": "2", "secret key": "2", "come": "1"},
        "changed: come, environment.B, gone, secret key",
        id="several parts, by name",
    ),
]


@pytest.mark.parametrize(("before", "now", "reason"), REASONS)
def test_a_candidate_is_started_for_a_reason(before: dict[str, str], now: dict[str, str], reason: str) -> None:
    observed = [replica(1, image="shop/api:1", parts=before), replica(2, image="shop/api:1", parts=before)]
    steps = plan([replace(API, parts=now)], observed)
    assert {step.reason for step in steps if step.action is Action.START} == {reason}


def test_another_content_of_the_same_tag_is_not_called_a_change_of_its_name() -> None:
    observed = [replica(1, image="shop/api:2", parts={"image": "a"}), replica(2, image="shop/api:2", parts={"image": "a"})]
    steps = plan([replace(API, parts={"image": "b"})], observed)
    assert {step.reason for step in steps if step.action is Action.START} == {"changed: the content of image shop/api:2"}


def test_a_restart_replaces_what_was_created_before_it_and_says_so() -> None:
    observed = [replica(1, "new", created=99), replica(2, "new", created=100)]
    steps = plan([API], observed, replace_created_before=100)
    assert [str(step) for step in steps] == [
        "api: start 1 candidate (restart)",
        "api: gate 1 candidate",
        "api: admit 1 candidate at the edge",
        "api: drain shop-api-1 at the edge",
        "api: wait for open requests on shop-api-1 to finish (at most 30 s)",
        "api: stop shop-api-1",
        "api: remove shop-api-1",
    ]


def test_a_restart_leaves_services_alone_that_are_gone_already() -> None:
    assert plan([], [], replace_created_before=100) == []


WAVES = [
    pytest.param({}, [], id="none"),
    pytest.param({"a": [], "b": []}, [{"a", "b"}], id="independent ones together"),
    pytest.param({"web": ["api"], "api": ["db"], "db": []}, [{"db"}, {"api"}, {"web"}], id="a chain"),
    pytest.param({"web": ["api", "auth"], "api": [], "auth": ["api"]}, [{"api"}, {"auth"}, {"web"}], id="a diamond"),
    pytest.param({"web": ["migrate"]}, [{"web"}], id="what does not run all the time is not waited for"),
]


@pytest.mark.parametrize(("needs", "expected"), WAVES)
def test_services_roll_after_what_they_depend_on(needs: dict[str, list[str]], expected: list[set[str]]) -> None:
    desired = [DesiredService(name, 1, "new", depends_on=tuple(others)) for name, others in needs.items()]
    assert waves(desired) == expected


def test_a_circle_of_dependencies_is_refused() -> None:
    desired = [
        DesiredService("a", 1, "new", depends_on=("b",)),
        DesiredService("b", 1, "new", depends_on=("a",)),
        DesiredService("c", 1, "new"),
    ]
    with pytest.raises(DeployError) as caught:
        plan(desired, [])
    assert str(caught.value) == "depends_on forms a cycle between the services a, b; take one away"


def test_a_step_can_be_written_as_data() -> None:
    step = Step(Action.GATE, "api", 1, 2, count=3, replicas=("shop-api-1",))
    assert step.as_dict() == {
        "action": "gate",
        "service": "api",
        "wave": 1,
        "batch": 2,
        "count": 3,
        "replicas": ["shop-api-1"],
        "seconds": 0.0,
        "reason": "",
        "routes": [],
        "interrupts": "",
        "text": "api: gate shop-api-1 and 2 candidates",
    }


def routed(name: str, replicas: int = 1, *, depends_on: tuple[str, ...] = ()) -> DesiredService:
    return DesiredService(name, replicas, "new", routed=True, depends_on=depends_on)


def serving(service: str, fingerprint: str = "old", number: int = 1) -> Replica:
    name = f"shop-{service}-{number}"
    return Replica(f"id-{name}", name, service, number, fingerprint, admitted=True)


def texts(desired: list[DesiredService], observed: list[Replica], now: dict[str, str], wanted: dict[str, str]) -> list[str]:
    return [f"{step.wave} {step}" for step in plan(desired, observed, routing=Routing(now, wanted))]


def test_a_renamed_service_takes_the_route_over_once_its_first_candidates_are_admitted() -> None:
    assert texts([routed("site", 2)], [serving("web")], {"*/": "web"}, {"*/": "site"}) == [
        "0 site: start 2 candidates (0 of 2 run)",
        "0 site: gate 2 candidates",
        "0 site: admit 2 candidates at the edge",
        "0 site: take over the route */",
        "1 web: drain shop-web-1 at the edge",
        "1 web: wait for open requests on shop-web-1 to finish (at most 30 s)",
        "1 web: stop shop-web-1",
        "1 web: remove shop-web-1",
    ]


def test_a_route_that_nobody_wants_ends_before_the_replicas_that_served_it() -> None:
    """Here the service stays, without a route: its old replicas serve until then."""
    worker = DesiredService("web", 1, "new")
    assert texts([worker], [serving("web")], {"a/": "web", "b/": "web"}, {}) == [
        "0 web: start 1 candidate (configuration changed)",
        "0 web: gate 1 candidate",
        "1 edge: end the routes a/, b/",
        "2 web: drain shop-web-1 at the edge",
        "2 web: wait for open requests on shop-web-1 to finish (at most 30 s)",
        "2 web: stop shop-web-1",
        "2 web: remove shop-web-1",
    ]


def test_a_path_that_moves_between_services_moves_before_its_old_service_rolls() -> None:
    """The new release of the service that gives it away may not know it any more."""
    plan_of = texts(
        [routed("api"), routed("web")], [serving("api"), serving("web")], {"x/": "api", "*/": "web"}, {"x/": "web", "*/": "web"}
    )
    assert plan_of.index("0 web: take over the route x/") < plan_of.index("1 api: start 1 candidate (configuration changed)")


@pytest.mark.parametrize("order", list(Order))
def test_a_path_moves_to_a_service_when_its_incumbents_get_no_new_request(order: Order) -> None:
    """They are of the release before, and may not know the path that comes to their service."""
    web = replace(routed("web", 3), policy=UpdatePolicy(parallelism=1, order=order))
    observed = [serving("api", "new"), *(serving("web", number=number) for number in (1, 2, 3))]
    plan_of = texts([routed("api"), web], observed, {"x/": "api", "*/": "web"}, {"x/": "web", "*/": "web"})
    taken = plan_of.index("0 web: take over the route x/")
    assert [line for line in plan_of if "take over" in line] == ["0 web: take over the route x/"]
    assert plan_of.index("0 web: drain shop-web-3 at the edge") < taken
    assert plan_of[taken - 1].startswith("0 web: drain shop-web-3" if order is Order.START_FIRST else "0 web: admit")


def test_a_route_that_ends_goes_first_where_its_requests_will_go_then() -> None:
    """Else new replicas of the service that has it would be asked for it, one after the other, and know nothing of it."""
    both = [routed("api"), routed("web")]
    plan_of = texts(
        both, [serving("api"), serving("web")], {"*/": "api", "*/a/": "web", "*/w/": "web"}, {"*/": "api", "*/w/": "web"}
    )
    places = [
        plan_of.index("0 api: take over the route */a/"),
        plan_of.index("1 web: start 1 candidate (configuration changed)"),
        plan_of.index("2 edge: end the route */a/"),
    ]
    assert places == sorted(places)
    assert [line for line in plan_of if "take over" in line] == ["0 api: take over the route */a/"]


def test_what_depends_on_says_counts_for_more_than_routes_that_move() -> None:
    both = [routed("api"), routed("web", depends_on=("api",))]
    plan_of = texts(both, [serving("api"), serving("web")], {"x/": "api"}, {"x/": "web"})
    assert plan_of.index("0 api: admit 1 candidate at the edge") < plan_of.index("1 web: take over the route x/")


def test_services_that_swap_their_routes_roll_at_the_same_time() -> None:
    now, wanted = {"x/": "api", "y/": "web"}, {"x/": "web", "y/": "api"}
    plan_of = texts([routed("api"), routed("web")], [serving("api"), serving("web")], now, wanted)
    assert {line for line in plan_of if "take over" in line} == {"0 api: take over the route y/", "0 web: take over the route x/"}


def test_a_route_that_moves_to_a_service_that_runs_as_it_should_needs_nothing_else() -> None:
    both = [routed("api"), routed("web")]
    observed = [serving("api", "new"), serving("web", "new")]
    assert texts(both, observed, {"x/": "api"}, {"x/": "web"}) == ["0 web: take over the route x/"]


def test_routes_that_lead_where_they_should_are_left_alone() -> None:
    assert texts([routed("web")], [serving("web", "new")], {"*/": "web"}, {"*/": "web"}) == []


def test_another_port_is_named_as_the_reason() -> None:
    new = replace(routed("web"), port=9000, parts={"port": "9000", "image": "sha256:1"})
    old = replace(serving("web"), port=8000, parts={"port": "8000", "image": "sha256:1"})
    assert str(plan([new], [old])[0]) == "web: start 1 candidate (changed: port 8000 -> 9000)"


REACHED = [
    pytest.param("shop/a/", "web", id="the longest of the host"),
    pytest.param("shop/b/", "site", id="any path of the host"),
    pytest.param("other/a/x/", "api", id="the longest of any host"),
    pytest.param("other/", "", id="none"),
]


@pytest.mark.parametrize(("key", "service"), REACHED)
def test_a_request_reaches_the_longest_route_of_its_host_or_else_of_any(key: str, service: str) -> None:
    assert reached({"shop/a/": "web", "shop/": "site", "*/a/": "all", "*/a/x/": "api"}, key) == service


def test_a_new_route_is_pinned_to_where_its_requests_go_until_its_own_service_takes_it_over() -> None:
    """Else they would follow the shorter route to a service that neither release means for them."""
    both = [routed("site"), routed("api", depends_on=("site",))]
    assert texts(both, [serving("web")], {"*/": "web"}, {"*/": "site", "*/api/": "api"})[:5] == [
        "0 edge: keep requests for */api/ where they go now",
        "1 site: start 1 candidate (0 of 1 run)",
        "1 site: gate 1 candidate",
        "1 site: admit 1 candidate at the edge",
        "1 site: take over the route */",
    ]


def test_what_a_new_route_of_a_host_hides_is_pinned_too_and_ends_at_the_end() -> None:
    routing = Routing({"*/": "web", "*/a/x/": "api"}, {"*/": "web", "shop/a/": "site"})
    assert routing.pins == {"shop/a/": "web", "shop/a/x/": "api"}
    assert routing.pinned.to_end == ("*/a/x/", "shop/a/x/")


def test_a_route_that_leads_to_another_stack_now_is_not_pinned() -> None:
    assert Routing({"*/": "web"}, {"*/": "web", "*/blog/x/": "api"}, frozenset({"*/blog/"})).pins == {}


def test_routes_are_changed_longest_first_and_ended_shortest_first() -> None:
    changes = {"*/": "web", "*/a/": "", "*/a/x/": "", "shop/": "", "shop/a/": "web"}
    assert in_order(changes) == ["shop/a/", "*/", "*/a/", "*/a/x/", "shop/"]


def test_a_stop_first_service_that_loses_its_route_waits_until_that_has_ended() -> None:
    """Its old replicas go before the new ones come, so until then they serve."""
    worker = DesiredService("web", 1, "new", policy=UpdatePolicy(order=Order.STOP_FIRST))
    assert texts([worker], [serving("web")], {"a/": "web"}, {})[:2] == [
        "1 edge: end the route a/",
        "2 web: drain shop-web-1 at the edge",
    ]


STOP_FIRST = UpdatePolicy(parallelism=1, order=Order.STOP_FIRST)


def test_what_a_killed_run_has_stopped_comes_back_before_another_one_is_stopped() -> None:
    """One of two was stopped; to stop the other one, too, would leave nobody."""
    half = replace(routed("web", 2), policy=STOP_FIRST)
    assert [line for line in texts([half], [serving("web")], {}, {}) if "start" in line or "stop " in line] == [
        "0 web: start 1 candidate (configuration changed)",
        "0 web: stop shop-web-1 (stop-first: its file says so)",
        "0 web: start 1 candidate (configuration changed)",
    ]


def test_old_and_new_that_may_not_live_side_by_side_do_not_even_then() -> None:
    data = replace(routed("web", 2), policy=replace(STOP_FIRST, exclusive="writes to the volume web-data"))
    steps = [line for line in texts([data], [serving("web")], {}, {}) if "start" in line or "stop " in line]
    assert steps[0].startswith("0 web: stop shop-web-1")


def test_a_route_that_ends_is_not_handed_over_with_requests_that_will_reach_another_service() -> None:
    """Below shop/ lies */a/, which it hides until it has ended."""
    now, wanted = {"shop/": "api", "*/": "api"}, {"*/": "web", "*/a/": "api"}
    assert Routing(now, wanted).pinned.handed_over({"api", "web"}).to_take("web") == ("*/",)


ON_BOTH = frozenset({"edge", "shop_default"})
TROUBLES = [
    pytest.param(ON_BOTH, "", id="as it was made"),
    pytest.param(frozenset({"shop_default"}), "is not on the network edge", id="off the edge's"),
    pytest.param(frozenset(), "is not on the networks edge, shop_default", id="off both"),
    pytest.param(frozenset({*ON_BOTH, "other"}), "is on the network other, which its service is not", id="on one more"),
    pytest.param(None, "", id="nobody knows"),
]


@pytest.mark.parametrize(("networks", "words"), TROUBLES)
def test_a_replica_that_is_on_other_networks_than_it_was_made_for_is_replaced(
    networks: frozenset[str] | None, words: str
) -> None:
    """Not connected again by hand: the one way of replacing proves the new one before users get it."""
    service = replace(API, networks=ON_BOTH)
    seen = replace(replica(1, "new"), networks=networks, port=8000)
    good = replace(replica(2, "new"), networks=ON_BOTH, port=8000)
    assert trouble(seen, service) == words
    steps = [str(step) for step in plan([service], [seen, good])]
    assert steps[:1] == ([f"api: start 1 candidate (shop-api-1 {words})"] if words else [])
    assert bool(steps) == bool(words)
    assert not [step for step in steps if "shop-api-2" in step]


def test_a_replica_that_users_get_nothing_from_is_replaced_whatever_else_is_well() -> None:
    seen = [replace(replica(1, "new"), unanswered="does not answer users"), replica(2, "new")]
    assert str(plan([API], seen)[0]) == "api: start 1 candidate (shop-api-1 does not answer users)"


def test_who_is_cut_off_serves_nobody_and_goes_first() -> None:
    service = with_policy(replace(API, networks=ON_BOTH), 1)
    cut_off = replace(replica(2), networks=frozenset({"shop_default"}), port=8000)
    serving = replace(replica(1), networks=ON_BOTH, port=8000)
    assert cut_off.cut_off
    assert not serving.cut_off
    first = next(step for step in plan([service], [serving, cut_off]) if step.action is Action.STOP)
    assert first.replicas == ("shop-api-2",)


def test_a_replica_without_a_route_is_not_cut_off_from_the_edge() -> None:
    assert not replace(replica(1), networks=frozenset({"shop_default"})).cut_off
