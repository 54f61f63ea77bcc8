from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError, EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.health.seen import Health
from ansible_collections.morpheus.deploy.plugins.module_utils.health.user_errors import Answered
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.cut import Count
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.execute import Executor
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.outcome import Outcome
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import Action, Step
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.verbs import Busy
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import DesiredService, Order, UpdatePolicy
from ansible_collections.morpheus.deploy.plugins.module_utils.service.killed import Killed, sentence
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica, State

from tests.unit.simulation import REQUEST_RATE, Host, SimulatedEdge, SimulatedGate

ALL_AT_ONCE = UpdatePolicy(parallelism=0, monitor_seconds=3.0)
API = DesiredService("api", 2, "new", routed=True, policy=ALL_AT_ONCE)
WEB = DesiredService("web", 1, "new", routed=True, policy=ALL_AT_ONCE)
WORKER = DesiredService("worker", 1, "new", policy=ALL_AT_ONCE)


def running(*services: DesiredService, sessions: Sequence[float | None] = ()) -> Host:
    """A host on which the old release of ``services`` serves."""
    host = Host(services)
    for service in services:
        for _ in range(service.replicas):
            host.add(service.name, "old", admitted=service.routed, sessions=sessions)
    return host


def serving(host: Host, service: str = "api") -> list[str]:
    return sorted(one.id for one in host.serving(service))


def test_an_outcome_tells_what_was_done() -> None:
    host = running(API, sessions=[2.0])
    outcome = host.run()
    assert outcome.failures == []
    assert outcome.done == [
        "api: start 2 candidates (configuration changed)",
        "api: gate 2 candidates",
        "api: admit 2 candidates at the edge",
        "api: drain shop-api-1, shop-api-2 at the edge",
        "api: watch 2 candidates for 3 s",
        "api: wait for open requests on shop-api-1, shop-api-2 to finish (at most 30 s)",
        "api: stop shop-api-1, shop-api-2",
        "api: remove shop-api-1, shop-api-2",
    ]
    assert outcome.started == ["shop-api-3", "shop-api-4"]
    assert outcome.removed == ["shop-api-1", "shop-api-2"]
    assert [(gate["service"], gate["name"], gate["healthy"]) for gate in outcome.gates] == [
        ("api", "shop-api-3", True),
        ("api", "shop-api-4", True),
        ("api", "shop-api-3", True),
        ("api", "shop-api-4", True),
    ]
    assert outcome.cut == 0
    assert (outcome.seconds["gate"], outcome.seconds["watch"]) == (2.0, 3.0)


def test_seconds_of_several_batches_of_a_service_are_added_up() -> None:
    host = running(replace(API, policy=UpdatePolicy(parallelism=1)))
    assert host.run().seconds["gate"] == 4.0


def test_intent_and_outcome_of_each_step_are_recorded_in_order() -> None:
    host = running(WORKER)
    events: list[str] = []
    host.run(record=lambda event, step: events.append(f"{event} {step.action.value}"))
    assert events == [
        *("intent start", "done start", "intent gate", "done gate", "intent watch", "done watch"),
        *("intent stop", "done stop", "intent remove", "done remove"),
    ]


def test_a_failed_step_is_recorded_too() -> None:
    host = running(API)
    host.bad = {"new"}
    events: list[str] = []
    host.run(record=lambda event, step: events.append(f"{event} {step.action.value}"))
    assert events == ["intent start", "done start", "intent gate", "failed gate"]


def test_a_failed_gate_says_what_was_seen_last_and_leaves_the_incumbents() -> None:
    host = running(API)
    host.bad = {"new"}
    before = serving(host)
    outcome = host.run()
    assert outcome.failures == [
        'service "api": shop-api-3 did not pass its gate: after 3 attempts in 0.0 s the last answer of http://shop-api-3/health '
        "was: status 503, expected 200.\nThe last log lines of shop-api-3:\nthe last words of shop-api-3"
    ]
    assert serving(host) == before == sorted(host.containers)


@pytest.mark.parametrize(
    "desired",
    [API, replace(WORKER, policy=replace(ALL_AT_ONCE, order=Order.STOP_FIRST))],
    ids=["start-first", "stop-first"],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_what_a_first_start_leaves_is_told_and_what_served_before_is_not_called_a_first_start(
    desired: DesiredService, is_first: bool
) -> None:
    host = Host([desired]) if is_first else running(desired)
    host.bad = {"new"}
    [failure] = host.run().failures
    assert ("It was the first one here." in failure) is is_first


def test_a_replica_that_joins_others_is_no_first_start() -> None:
    host = Host([API])
    host.add("api", "new", admitted=True)
    host.bad = {"new"}
    [failure] = host.run().failures
    assert "did not pass its gate" in failure
    assert "It was the first one here." not in failure


@pytest.mark.parametrize(("service", "told"), [(API, True), (WORKER, False)], ids=["with routes", "without"])
def test_of_requests_on_a_failed_candidate_nothing_is_said_where_no_route_leads_to_it(
    service: DesiredService, told: bool
) -> None:
    host = running(service)
    host.bad = {"new"}
    events: list[str] = []
    assert host.run(tell=lambda event, service="", **details: events.append(event)).failures
    assert ("requests" in events) is told


DEAF = (
    "worker: shop-worker-1 did not end on SIGTERM within 10 s and was killed; what it was doing is lost (set a longer "
    "stop_grace_period, or handle SIGTERM)"
)


def told_of_killed(host: Host) -> tuple[Outcome, list[str]]:
    """What came of a run, and what was said of replicas that were killed while it went on."""
    said: list[str] = []

    def tell(event: str, service: str = "", **details: Any) -> None:
        if event == "killed":
            said.append(details["text"])

    return host.run(tell=tell), said


def test_what_was_killed_when_its_time_was_over_is_told_once_for_each_service() -> None:
    host = running(API, replace(WORKER, replicas=2, policy=UpdatePolicy(parallelism=1)))
    host.deaf = {"worker"}
    outcome, said = told_of_killed(host)
    assert outcome.failures == []
    assert said == [DEAF]
    assert outcome.as_killed() == [
        {"service": "worker", "replicas": ["shop-worker-1", "shop-worker-2"], "seconds": 10, "signal": "SIGTERM"}
    ]


def test_who_ends_in_its_time_is_not_told() -> None:
    outcome, said = told_of_killed(running(API, WORKER))
    assert (said, outcome.as_killed()) == ([], [])


@pytest.mark.parametrize(("bad", "killed"), [("worker", []), ("mail", ["shop-worker-2"])], ids=["it", "its neighbour"])
def test_a_candidate_that_has_failed_has_nothing_to_lose(bad: str, killed: list[str]) -> None:
    """It gets a few seconds, which are not its grace period; one that only gives way to a neighbour has begun something."""
    host = running(*(replace(WORKER, name=name, fingerprint="bad" if name == bad else "new") for name in ("mail", "worker")))
    host.bad, host.deaf = {"bad"}, {"worker"}
    host.gate.holds = {"wait mail": "start shop-worker-2"}
    outcome, _ = told_of_killed(host)
    assert outcome.failures
    assert [name for one in outcome.as_killed() for name in one["replicas"]] == killed


def test_what_was_killed_on_the_way_back_is_told_too() -> None:
    there, back = Outcome(), Outcome()
    there.was_killed("worker", [Killed("shop-worker-1", 10)])
    back.was_killed("worker", [Killed("shop-worker-2", 20)])
    back.was_killed("mail", [Killed("shop-mail-1", 10)])
    there.add_way_back(back)
    assert there.as_killed() == [
        {"service": "mail", "replicas": ["shop-mail-1"], "seconds": 10, "signal": "SIGTERM"},
        {"service": "worker", "replicas": ["shop-worker-1", "shop-worker-2"], "seconds": 20, "signal": "SIGTERM"},
    ]


@pytest.mark.parametrize(
    ("replicas", "said"),
    [
        (["w-1", "w-2"], "worker: w-1, w-2 did not end on SIGQUIT within 30 s and were killed; what they were doing is lost"),
        (["w-1", "w-2", "w-3", "w-4", "w-5"], "worker: w-1, w-2, w-3 and 2 more did not end on SIGQUIT within 30 s and were"),
    ],
)
def test_many_that_were_killed_are_one_sentence(replicas: list[str], said: str) -> None:
    assert sentence("worker", replicas, 30, "SIGQUIT").startswith(said)


def test_a_failed_watch_says_so_and_lets_the_incumbents_serve_again() -> None:
    host = running(API)
    host.flaky = {"new"}
    before = serving(host)
    outcome = host.run()
    assert outcome.failures == [
        'service "api": shop-api-3 failed within 3 s after it was admitted: after 3 attempts in 0.0 s the last answer of '
        "http://shop-api-3/health was: status 500, expected 200.\n"
        "The last log lines of shop-api-3:\nthe last words of shop-api-3"
    ]
    assert serving(host) == before == sorted(host.containers)
    assert outcome.removed == []


def test_a_release_that_is_well_by_its_check_and_answers_users_badly_is_taken_back_at_once() -> None:
    host = running(API)
    host.errors = {"new": 1.0}
    before = serving(host)
    outcome = host.run()
    [failure] = outcome.failures
    assert failure.startswith('service "api" failed within 3 s after it was admitted: users got a 5xx for ')
    assert failure.endswith(
        "and max_failure_ratio tolerates 0.1.\nThe last log lines of shop-api-3:\nthe last words of shop-api-3"
    )
    assert serving(host) == before == sorted(host.containers)
    # Not only at the end of the watch.
    assert 0 < outcome.errors < 2 * 3 * REQUEST_RATE / 2


def test_candidates_that_answer_users_badly_are_not_given_long() -> None:
    host = running(API)
    host.errors = {"new": 1.0}
    host.new_sessions = [1000.0]
    start = host.clock.now()
    outcome = host.run()
    assert outcome.failures
    assert outcome.cut == 2
    assert host.clock.now() - start < 15


def test_bad_answers_that_are_tolerated_are_counted() -> None:
    host = running(API)
    host.errors = {"new": 0.05}
    outcome = host.run()
    assert outcome.failures == []
    assert outcome.errors == round(0.05 * 2 * 3 * REQUEST_RATE)


def test_what_incumbents_answered_as_badly_does_not_keep_a_release_from_going_back() -> None:
    host = running(API)
    host.errors = {"new": 0.5, "old": 0.5}
    assert host.run().failures == []


def test_each_batch_is_judged_by_itself() -> None:
    host = running(replace(API, policy=replace(ALL_AT_ONCE, parallelism=1)))
    host.errors = {"new": 0.05}
    outcome = host.run()
    assert outcome.failures == []
    assert outcome.errors == 2 * round(0.05 * 3 * REQUEST_RATE)


def test_nobody_is_judged_where_nothing_is_watched() -> None:
    host = running(replace(API, policy=UpdatePolicy(parallelism=0)))
    host.errors = {"new": 1.0}
    host.failing = {"answered": EdgeError("the edge does not answer")}
    outcome = host.run()
    assert (outcome.failures, outcome.errors) == ([], 0)


class Verdicts(SimulatedGate):
    """Gives one Health after the other, as a gate does that ends as soon as one candidate is lost."""

    def __init__(self, host: Host, results: Sequence[Health]) -> None:
        super().__init__(host)
        self._results = results

    def wait(self, service: str, replicas: Sequence[Replica]) -> list[Health]:
        return list(self._results)


INNOCENT = [
    pytest.param(Health("shop-api-3", "u3", attempts=2, successes_in_row=2, violation="v", cut_short=True), id="was well so far"),
    pytest.param(Health("shop-api-3", "u3", healthy=True, attempts=3, violation=""), id="had passed"),
    pytest.param(Health("shop-api-3", "u3", cut_short=True), id="was never asked"),
]


@pytest.mark.parametrize("innocent", INNOCENT)
def test_the_message_names_the_candidate_that_failed_and_not_one_that_was_not_waited_for(innocent: Health) -> None:
    host = running(API)
    host.gate = Verdicts(host, [innocent, Health("shop-api-4", "u4", attempts=1, violation="it exited with code 1")])
    assert host.run().failures == [
        'service "api": shop-api-4 did not pass its gate: after 1 attempts in 0.0 s the last answer of u4 was: '
        "it exited with code 1.\nThe last log lines of shop-api-4:\nthe last words of shop-api-4"
    ]


def test_requests_get_the_drain_time_and_no_more() -> None:
    host = running(API, sessions=[1000.0])
    start = host.clock.now()
    outcome = host.run()
    assert host.violations == []
    assert outcome.failures == []
    assert 30 < host.clock.now() - start < 40
    assert outcome.cut == 2


def test_the_watch_takes_nothing_from_the_time_of_requests() -> None:
    host = running(replace(API, policy=replace(ALL_AT_ONCE, monitor_seconds=20.0)), sessions=[29.0])
    start = host.clock.now()
    outcome = host.run()
    assert (host.violations, outcome.cut) == ([], 0)
    assert 29 < host.clock.now() - start < 36


def test_the_watch_is_not_added_to_the_drain_time() -> None:
    host = running(replace(API, policy=replace(ALL_AT_ONCE, monitor_seconds=20.0)), sessions=[1000.0])
    start = host.clock.now()
    host.run()
    assert 30 < host.clock.now() - start < 36


def test_a_tunnel_is_not_waited_for_and_counted_as_cut() -> None:
    host = running(replace(API, policy=UpdatePolicy(parallelism=0)), sessions=[None])
    start = host.clock.now()
    outcome = host.run()
    assert outcome.cut == 2
    assert host.clock.now() - start < 10


def test_a_service_that_is_gone_from_the_release_is_stopped_with_the_grace_period_of_its_own_containers() -> None:
    host = running(replace(API, stop_grace_seconds=45.0), WORKER)
    host.want([replace(API, stop_grace_seconds=45.0)])
    assert host.run().failures == []
    assert host.graces == {"shop-api-1": 45.0, "shop-api-2": 45.0, "shop-worker-1": None}


def test_sessions_that_ended_before_the_stop_count_as_drained_and_others_as_cut() -> None:
    host = running(replace(API, policy=UpdatePolicy(parallelism=0)), sessions=[5.0, None])
    outcome = host.run()
    assert (outcome.drained, outcome.cut) == (2, 2)


def test_a_replica_is_quiet_only_when_it_was_seen_so_twice() -> None:
    host = running(WEB)
    looks: list[Busy] = []

    class Edge:
        """A request that is on its way between two looks."""

        def __init__(self) -> None:
            self.answers = [Busy(), Busy(1), Busy(), Busy(), Busy(), Busy()]

        def admit(self, service: str, replicas: Sequence[Replica]) -> None: ...

        def drain(self, service: str, replicas: Sequence[Replica]) -> None: ...

        def forget(self, service: str, replicas: Sequence[Replica]) -> None: ...

        def busy(self, service: str, replica: Replica) -> Busy:
            looks.append(self.answers.pop(0) if self.answers else Busy())
            return looks[-1]

        def answered(self, service: str, names: Sequence[str]) -> dict[str, Answered]:
            raise AssertionError("nothing is watched here")

        def routes(self) -> Mapping[str, str]:
            raise AssertionError("no route changes here")

        def route(self, routes: Mapping[str, str]) -> None:
            raise AssertionError("no route changes here")

        def counts(self, service: str, replica: Replica) -> Mapping[int, Count]:
            raise AssertionError("nothing is stopped here")

    [old] = host.observe()
    steps = [Step(Action.DRAIN, "web", replicas=(old.name,)), Step(Action.AWAIT, "web", replicas=(old.name,), seconds=30.0)]
    outcome = Executor([WEB], host.engine, Edge(), host.gate, host.clock).run(steps)
    assert looks == [Busy(), Busy(1), Busy(), Busy()]
    assert outcome.drained == 1


class IdleEdge(SimulatedEdge):
    """An old worker of the edge holds a connection of a user, on which nothing happens, for ``seconds``."""

    def __init__(self, host: Host, seconds: float) -> None:
        super().__init__(host)
        self._clock = host.clock
        self._until = host.clock.now() + seconds

    def busy(self, service: str, replica: Replica) -> Busy:
        found = super().busy(service, replica)
        return replace(found, idle=1) if self._clock.now() < self._until else found


@pytest.mark.parametrize(
    ("seconds", "waits"), [(50.0, 50.0), (1000.0, 80.0)], ids=["until it is gone", "as long as the edge keeps it"]
)
def test_an_idle_connection_that_may_yet_bring_a_request_is_waited_for_beyond_the_drain_time(
    seconds: float, waits: float
) -> None:
    host = running(API, sessions=[])
    host.new_sessions = []
    host.edge = IdleEdge(host, seconds)
    start = host.clock.now()
    outcome = host.run()
    assert outcome.failures == []
    assert waits <= host.clock.now() - start < waits + 10
    assert (outcome.drained, outcome.cut) == (0, 0)


def test_candidates_that_came_up_before_the_start_failed_are_removed() -> None:
    host = running(API)
    host.failing = {"start half-way": EngineError("docker compose failed for shop: no space left on device")}
    before = serving(host)
    outcome = host.run()
    assert outcome.failures == ["docker compose failed for shop: no space left on device"]
    assert serving(host) == before == sorted(host.containers)


def test_it_fails_when_other_candidates_came_up_than_were_started() -> None:
    host = running(WORKER)
    outcome = host.run([Step(Action.START, "worker", count=0)])
    assert outcome.failures == []

    class Meddled:
        """Somebody else removes what was started."""

        def observe(self) -> list[Replica]:
            return host.observe()[:1]

        def __getattr__(self, name: str) -> object:
            return getattr(host.engine, name)

    executor = Executor([WORKER], Meddled(), host.edge, host.gate, host.clock)  # type: ignore[arg-type]
    assert executor.run([Step(Action.START, "worker", count=1)]).failures == [
        'service "worker": 1 candidates were to start, 0 did. Is something else changing the containers of this project?'
    ]


def test_an_edge_that_refuses_half_of_the_candidates_gets_rid_of_the_other_half() -> None:
    host = running(API)
    host.failing = {"admit half-way": EdgeError("the edge has no free slot left for shop-api-4")}
    before = serving(host)
    outcome = host.run()
    assert outcome.failures == ["the edge has no free slot left for shop-api-4"]
    assert host.violations == []
    assert serving(host) == before == sorted(host.containers)


@pytest.mark.parametrize("verb", ["stop", "remove"])
def test_an_engine_that_cannot_remove_is_reported_with_the_first_cause(verb: str) -> None:
    host = running(API)
    host.bad = {"new"}
    host.failing = {verb: EngineError(f"the engine refuses to {verb}")}
    outcome = host.run()
    assert outcome.failures[0].startswith('service "api": shop-api-3 did not pass its gate')
    assert outcome.failures[1:] == [f'service "api" could not be taken back: the engine refuses to {verb}']
    assert len(host.serving("api")) == 2


def test_incumbents_that_are_stopped_already_are_not_sent_requests_again() -> None:
    host = running(API)
    host.failing = {"remove": EngineError("the engine refuses to remove")}
    outcome = host.run()
    assert outcome.failures
    assert host.violations == []


def test_what_was_not_admitted_before_is_not_admitted_when_a_rollout_is_taken_back() -> None:
    host = running(API)
    host.add("api", "never gated")
    host.flaky = {"new"}
    before = serving(host)
    host.run()
    assert host.violations == []
    assert serving(host) == before


def test_a_candidate_that_was_left_by_a_crash_is_removed_when_it_fails() -> None:
    host = running(API)
    host.add("api", "new")
    host.bad = {"new"}
    before = serving(host)
    host.run()
    assert serving(host) == before == sorted(host.containers)


def test_a_failed_service_ends_the_rollout_before_the_next_wave() -> None:
    host = running(API, replace(WEB, depends_on=("api",)))
    host.bad = {"new"}
    outcome = host.run()
    assert len(outcome.failures) == 1
    assert list(host.gate.seen) == ["api"]


def test_the_gate_of_a_worker_is_waited_for_before_a_neighbour_is_admitted() -> None:
    host = running(replace(API, fingerprint="good"), WORKER)
    host.bad = {"new"}
    host.gate.holds = {"wait worker": "start shop-api-4"}
    before = sorted(host.containers)
    outcome = host.run()
    assert len(outcome.failures) == 1
    assert sorted(host.containers) == before
    assert "admit shop-api-3" not in host.log


def test_a_service_beside_a_failed_one_goes_back_before_its_incumbents_are_stopped() -> None:
    host = running(replace(API, fingerprint="good"), WEB)
    host.flaky = {"new"}
    host.gate.holds = {"watch web": "drain shop-api-2"}
    before = sorted(host.containers)
    outcome = host.run()
    assert len(outcome.failures) == 1
    assert outcome.failures[0].startswith('service "web"')
    assert sorted(host.containers) == before
    assert len(host.serving("api")) == 2
    assert len(host.serving("web")) == 1


def test_the_bad_answers_of_a_service_that_goes_back_with_a_failed_neighbour_are_counted_once() -> None:
    host = running(replace(API, fingerprint="good"), WEB)
    host.flaky = {"new"}
    host.errors = {"good": 0.05}
    host.gate.holds = {"watch web": "drain shop-api-2"}
    outcome = host.run()
    assert len(outcome.failures) == 1
    assert 0 < outcome.errors <= sum(host.answered(one).bad for one in host.removed if one.fingerprint == "good")


def test_a_service_does_not_wait_for_the_long_requests_of_a_neighbour() -> None:
    host = running(API, WEB)
    look = host.edge.busy

    def busy(service: str, replica: Replica) -> Busy:
        if replica.name in ("shop-api-1", "shop-api-2"):
            assert host.when("stop shop-web-1").wait(5)
        return look(service, replica)

    host.edge.busy = busy  # type: ignore[method-assign]
    assert host.run().failures == []
    assert host.violations == []


def test_a_healthy_candidate_that_goes_back_because_of_its_neighbour_ends_its_requests_first() -> None:
    host = running(replace(API, fingerprint="good"), WEB)
    host.flaky = {"new"}
    host.gate.holds = {"watch web": "drain shop-api-2"}
    host.new_sessions = [20.0]
    outcome = host.run()
    assert outcome.failures
    assert host.violations == []
    assert "admit shop-api-3" in host.log


def test_what_is_cut_when_a_candidate_is_taken_back_is_counted() -> None:
    host = running(API)
    host.flaky = {"new"}
    host.new_sessions = [1000.0]
    outcome = host.run()
    assert outcome.failures
    assert outcome.cut == 2


def test_a_stop_first_service_is_not_left_without_replicas_because_a_neighbour_failed() -> None:
    once = replace(WEB, fingerprint="good", policy=UpdatePolicy(order=Order.STOP_FIRST))
    host = running(API, once)
    host.bad = {"new"}
    host.gate.holds = {"wait api": "remove shop-web-1"}
    outcome = host.run()
    assert outcome.failures
    assert len(host.serving("api")) == 2
    assert len(host.serving("web")) == 1


def test_a_batch_whose_incumbents_are_being_stopped_is_carried_to_its_end() -> None:
    """Later batches do not begin, and what was switched stays switched: that is the next plan's matter."""
    one_by_one = UpdatePolicy(1)
    host = running(replace(API, replicas=3, fingerprint="good", policy=one_by_one), replace(WEB, replicas=2, policy=one_by_one))
    host.gate = FailsLater(host, "web", "stop shop-api-1")
    outcome = host.run()
    assert len(outcome.failures) == 1
    assert host.violations == []
    assert (len(host.serving("api")), len(host.serving("web"))) == (3, 2)
    assert all(one.state is State.RUNNING for one in host.containers.values())
    assert "shop-api-1" in outcome.removed


class FailsLater(SimulatedGate):
    """The first gate of ``service`` passes, the second one fails once ``change`` has begun."""

    def __init__(self, host: Host, service: str, change: str) -> None:
        super().__init__(host)
        self._fails, self._change = service, change

    def wait(self, service: str, replicas: Sequence[Replica]) -> list[Health]:
        if service == self._fails and service in self.seen:
            self.holds = {f"wait {service}": self._change}
            self._begin("wait", service)
            return [Health(one.name, "u", attempts=1, violation="no") for one in replicas]
        return super().wait(service, replicas)


UNFORESEEN = [
    pytest.param("observe", id="observe"),
    pytest.param("start", id="start"),
    pytest.param("gate", id="gate"),
    pytest.param("admit", id="admit"),
    pytest.param("drain", id="drain"),
    pytest.param("stop api", id="stop of one service"),
    pytest.param("remove", id="remove"),
    pytest.param("forget", id="forget"),
]


@pytest.mark.parametrize("verb", UNFORESEEN)
def test_an_error_that_nobody_foresaw_is_raised_and_leaves_nobody_waiting(verb: str) -> None:
    host = running(API, WEB)
    host.failing = {verb: ValueError("a bug in a library")}
    with pytest.raises(ValueError, match="a bug in a library"):
        host.run()
    host.failing = {}
    host.run()
    assert host.violations == []
    assert host.misses() == []


def test_an_outcome_of_nothing_is_empty() -> None:
    assert Executor([], Host().engine, Host().edge, Host().gate, Host().clock).run([]) == Outcome()


def test_who_was_cut_off_from_the_edge_is_not_admitted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no address there, so the edge would look for one, and the way back would end in that."""
    host = running(API)
    host.flaky = {"new"}
    cut_off = next(iter(host.containers.values()))
    observe = host.observe

    def observed() -> list[Replica]:
        found = observe()
        return [replace(one, networks=frozenset({"shop_default"})) if one.id == cut_off.id else one for one in found]

    monkeypatch.setattr(host, "observe", observed)
    outcome = host.run()
    assert len(outcome.failures) == 1
    assert f"admit {cut_off.name}" not in host.log
    assert [one.name for one in host.serving("api")] == ["shop-api-2"]


def test_why_a_rollout_failed_stands_before_what_came_of_it() -> None:
    """A neighbour that only gives way is often sooner to have trouble of its own."""
    outcome = Outcome()
    outcome.failed("", "the neighbour could not be taken back")
    outcome.failed("the gate", "")
    outcome.failed("the second gate", "its service could not be taken back")
    outcome.add_way_back(Outcome(failures=["the way back"]))
    assert outcome.failures == [
        "the gate",
        "the second gate",
        "the neighbour could not be taken back",
        "its service could not be taken back",
        "the way back",
    ]
