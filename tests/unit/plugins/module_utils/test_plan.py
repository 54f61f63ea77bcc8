from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.plan import (
    Action,
    DesiredService,
    FailureAction,
    Order,
    Replica,
    State,
    Step,
    UpdatePolicy,
    plan,
    waves,
)

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
            "0.0 api: wait until shop-api-1 holds no request, at most 30 s",
            "0.0 api: stop shop-api-1",
            "0.0 api: remove shop-api-1",
            "0.0 api: pause 5 s before the next batch",
            "0.1 api: start 1 candidate (configuration changed)",
            "0.1 api: gate 1 candidate",
            "0.1 api: admit 1 candidate at the edge",
            "0.1 api: drain shop-api-2 at the edge",
            "0.1 api: watch 1 candidate for 6 s",
            "0.1 api: wait until shop-api-2 holds no request, at most 30 s",
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
            "0.0 api: wait until shop-api-1, shop-api-2 holds no request, at most 30 s",
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
            "0.0 db: wait until shop-db-1 holds no request, at most 30 s",
            "0.0 db: stop shop-db-1 (stop-first: writes to the volume db-data)",
            "0.0 db: remove shop-db-1",
            "0.0 db: start 1 candidate (configuration changed)",
            "0.0 db: gate 1 candidate",
            "0.0 db: admit 1 candidate at the edge",
            "0.1 db: drain shop-db-2 at the edge",
            "0.1 db: wait until shop-db-2 holds no request, at most 30 s",
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
            "0.0 api: wait until shop-api-2 holds no request, at most 30 s",
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
            "0.0 api: wait until shop-api-3 holds no request, at most 30 s",
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
            "0.0 api: wait until shop-api-3 holds no request, at most 30 s",
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
            "0.0 api: wait until shop-api-1 holds no request, at most 30 s",
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
            "0.0 api: wait until shop-api-1 holds no request, at most 30 s",
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
            "1.0 api: wait until shop-api-1 holds no request, at most 30 s",
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
            "0.0 api: wait until shop-api-2 holds no request, at most 30 s",
            "0.0 api: stop shop-api-2",
            "0.0 api: remove shop-api-2",
            "0.1 api: start 1 candidate (configuration changed)",
            "0.1 api: gate 1 candidate",
            "0.1 api: admit 1 candidate at the edge",
            "0.1 api: drain shop-api-1, shop-api-3 at the edge",
            "0.1 api: wait until shop-api-1, shop-api-3 holds no request, at most 30 s",
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


def test_a_restart_replaces_what_was_created_before_it_and_says_so() -> None:
    observed = [replica(1, "new", created=99), replica(2, "new", created=100)]
    steps = plan([API], observed, replace_created_before=100)
    assert [str(step) for step in steps] == [
        "api: start 1 candidate (restart)",
        "api: gate 1 candidate",
        "api: admit 1 candidate at the edge",
        "api: drain shop-api-1 at the edge",
        "api: wait until shop-api-1 holds no request, at most 30 s",
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
    assert str(caught.value) == "depends_on goes round in a circle between the services a, b"


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
        "interrupts": "",
        "text": "api: gate shop-api-1 and 2 candidates",
    }
