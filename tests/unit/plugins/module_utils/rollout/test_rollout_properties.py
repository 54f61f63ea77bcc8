"""Planner and executor together, against thousands of hosts that nobody would think of."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.plan import plan
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import DesiredService, Order, UpdatePolicy
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import State
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st

from tests.unit.effort import examples
from tests.unit.simulation import DRAIN_SECONDS, Host, KilledError

NEW = "new"
NAMES = ("api", "web", "worker")

policies = st.builds(
    UpdatePolicy,
    parallelism=st.integers(0, 4),
    delay_seconds=st.sampled_from([0.0, 5.0]),
    order=st.sampled_from(Order),
    monitor_seconds=st.sampled_from([0.0, 3.0]),
)
# Most requests are short; some outlive the drain time, and tunnels never end.
sessions = st.lists(st.sampled_from([0.1, 2.0, 29.0, 100.0, None]), max_size=3)


@st.composite
def desired_services(draw: st.DrawFn, order: Order | None = None, bringing: int = 0) -> list[DesiredService]:
    """The first ``bringing`` of them have replicas."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=bringing, max_size=3))
    services = []
    for number, name in enumerate(names):
        policy = draw(policies)
        services.append(
            DesiredService(
                name,
                replicas=draw(st.integers(int(number < bringing), 4)),
                fingerprint=NEW,
                routed=draw(st.booleans()),
                policy=policy if order is None else replace(policy, order=order),
                depends_on=tuple(draw(st.sets(st.sampled_from(names[:number])))) if number else (),
            )
        )
    return [_related(draw, service, may_end=number >= bringing) for number, service in enumerate(services)]


def _related(draw: st.DrawFn, service: DesiredService, *, may_end: bool) -> DesiredService:
    """Some are jobs, and some are replaced after others."""
    follows = tuple(one for one in service.depends_on if draw(st.booleans()))
    job = may_end and draw(st.integers(0, 4)) == 0
    found = replace(service, follows=follows, job=job)
    return replace(found, replicas=0, routed=False) if job else found


@st.composite
def hosts(draw: st.DrawFn, order: Order | None = None, bringing: int = 0) -> Host:
    """A host with any replicas of any state, among them some of services that nobody wants any more.

    At least ``bringing`` services have candidates to bring, because nothing of the new release runs.
    """
    desired = draw(desired_services(order, bringing))
    brought = {service.name for service in desired[:bringing]}
    host = Host(desired)
    unrouted = {service.name for service in desired if not service.routed}
    for name in NAMES:
        # Every other service is in order and runs an old release: the case that matters most.
        orderly = draw(st.booleans())
        for _ in range(draw(st.integers(0, 4))):
            host.add(
                name,
                "old" if orderly else draw(st.sampled_from([*([NEW] if name not in brought else []), "old", "older"])),
                State.RUNNING if orderly else draw(st.sampled_from([State.RUNNING] * 4 + [State.RESTARTING, State.DEAD])),
                admitted=name not in unrouted and (orderly or draw(st.booleans())),
                sessions=draw(sessions),
            )
    host.new_sessions = draw(sessions)
    return host


def told(host: Host) -> None:
    for service in host.desired.values():
        note(str(service))
    for replica in host.observe():
        note(f"{replica.name} {replica.fingerprint} {replica.state.value}{' admitted' if replica.admitted else ''}")
    for step in host.plan():
        note(f"{step.wave}.{step.batch} {step}")


@given(hosts())
def test_any_host_reaches_exactly_what_is_desired_and_every_promise_is_kept_on_the_way(host: Host) -> None:
    told(host)
    outcome = host.run()
    assert outcome.failures == []
    assert host.violations == []
    assert host.misses() == []


@given(hosts())
def test_a_second_plan_is_empty(host: Host) -> None:
    host.run()
    assert host.plan() == []


@given(hosts(), st.randoms(use_true_random=False))
def test_a_plan_is_pure_and_does_not_depend_on_the_order_of_what_is_observed(host: Host, shuffler: random.Random) -> None:
    desired, observed = list(host.desired.values()), host.observe()
    steps = plan(desired, observed, drain_seconds=DRAIN_SECONDS)
    shuffled = observed.copy()
    shuffler.shuffle(shuffled)
    assert plan(desired, shuffled, drain_seconds=DRAIN_SECONDS) == steps
    assert (list(host.desired.values()), host.observe(), host.log) == (desired, observed, [])


@given(hosts())
def test_a_plan_names_each_replica_that_must_go_once_and_no_other(host: Host) -> None:
    steps = host.plan()
    gone = [name for step in steps if step.action.value in ("sweep", "remove") for name in step.replicas]
    assert len(gone) == len(set(gone))
    host.run(steps)
    assert {one.name for one in host.containers.values()}.isdisjoint(gone) or any(step.count for step in steps)


@given(hosts())
def test_services_wait_for_the_ones_that_they_depend_on(host: Host) -> None:
    steps = host.plan()
    waves = {step.service: step.wave for step in steps}
    for service in host.desired.values():
        for other in service.depends_on:
            if service.name in waves and other in waves:
                assert waves[other] < waves[service.name]
    gone = [wave for name, wave in waves.items() if name not in host.desired]
    wanted = [wave for name, wave in waves.items() if name in host.desired]
    assert not (gone and wanted) or min(gone) > max(wanted)


def crash(host: Host, after: int) -> bool:
    """Run until ``after`` changes have been made, then die. Whether it came to that."""
    host.fuse = after
    try:
        host.run()
    except KilledError:
        return True
    finally:
        host.fuse = None
    return False


@given(hosts(), st.integers(0, 25))
def test_a_run_after_a_crash_at_any_change_does_the_rest(host: Host, after: int) -> None:
    told(host)
    assume(crash(host, after))
    note("--- crashed after: " + "; ".join(host.log))
    told(host)
    outcome = host.run()
    assert outcome.failures == []
    assert host.violations == []
    assert host.misses() == []
    assert host.plan() == []


@given(hosts(), st.lists(st.integers(0, 12), min_size=2, max_size=5))
def test_crash_after_crash_changes_nothing_about_where_it_ends(host: Host, crashes: list[int]) -> None:
    for after in crashes:
        crash(host, after)
    host.run()
    assert host.violations == []
    assert host.misses() == []


@given(hosts(), st.integers(0, 25))
def test_one_error_anywhere_breaks_no_promise_and_the_next_run_does_the_rest(host: Host, after: int) -> None:
    told(host)
    host.trip = after
    outcome = host.run()
    note("--- " + "; ".join(host.log))
    assume(host.trip is None)
    assert outcome.failures
    assert host.violations == []
    assert host.run().failures == []
    assert host.violations == []
    assert host.misses() == []


@given(hosts(), st.integers(0, 25), st.sampled_from(["old", "older", "newest"]), st.integers(0, 4))
def test_after_a_crash_the_host_can_be_led_to_another_release_as_well(
    host: Host, after: int, fingerprint: str, replicas: int
) -> None:
    told(host)
    assume(crash(host, after))
    host.want([replace(service, fingerprint=fingerprint, replicas=replicas) for service in host.desired.values()])
    note("--- crashed after: " + "; ".join(host.log))
    told(host)
    assert host.run().failures == []
    assert host.violations == []
    assert host.misses() == []


def ordinary(order: Order, parallelism: int) -> Host:
    """Three services, one after another and one beside, that run an old release and hold requests."""
    policy = UpdatePolicy(parallelism, order=order, monitor_seconds=3)
    services = [
        DesiredService("api", 3, NEW, routed=True, policy=policy),
        DesiredService("web", 2, NEW, routed=True, policy=policy, depends_on=("api",)),
        DesiredService("worker", 1, NEW, policy=policy),
    ]
    host = Host(services)
    for service in services:
        for _ in range(service.replicas):
            host.add(service.name, "old", admitted=service.routed, sessions=[0.1, 2.0])
    host.new_sessions = [20.0]
    return host


every_order = pytest.mark.parametrize("order", list(Order), ids=[order.value for order in Order])
in_halves = pytest.mark.parametrize("first", [0, 1], ids=["the first, the third, ...", "the second, the fourth, ..."])
some_sizes = pytest.mark.parametrize("parallelism", [0, 1, 2], ids=["all at once", "one by one", "two by two"])


@every_order
@some_sizes
@in_halves
def test_there_is_no_change_of_an_ordinary_rollout_at_which_it_must_not_be_killed(
    order: Order, parallelism: int, first: int
) -> None:
    whole = ordinary(order, parallelism)
    whole.run()
    assert whole.changes > 20
    for after in range(first, whole.changes, 2):
        host = ordinary(order, parallelism)
        assert crash(host, after)
        host.run()
        assert (after, host.violations, host.misses()) == (after, [], [])


@every_order
@some_sizes
@pytest.mark.parametrize("well_by_its_check", [True, False], ids=["well by its check", "sick"])
def test_there_is_no_change_of_a_rollout_that_is_taken_back_at_which_it_must_not_be_killed(
    order: Order, parallelism: int, well_by_its_check: bool
) -> None:
    def hurts_users() -> Host:
        host = ordinary(order, parallelism)
        if well_by_its_check:
            host.errors = {NEW: 1.0}
        else:
            host.flaky = {NEW}
        return host

    whole = hurts_users()
    assert whole.run().failures
    for after in range(whole.changes):
        host = hurts_users()
        # Services roll side by side, so one may have made more steps before it hears of the other's trouble. Which ones is not
        # the same each time, and a run that made fewer of them has ended by itself: after ten at the least.
        assert crash(host, after) or after >= 10
        host.want([replace(service, fingerprint="old") for service in host.desired.values()])
        outcome = host.run()
        assert (after, outcome.failures, host.violations, host.misses()) == (after, [], [], [])


@every_order
@some_sizes
@in_halves
def test_there_is_no_change_of_an_ordinary_rollout_that_must_not_fail(order: Order, parallelism: int, first: int) -> None:
    whole = ordinary(order, parallelism)
    whole.run()
    for after in range(first, whole.changes, 2):
        host = ordinary(order, parallelism)
        host.trip = after
        outcome = host.run()
        host.run()
        assert outcome.failures
        assert (outcome.failures, host.violations, host.misses()) == (outcome.failures, [], [])


@dataclass(frozen=True)
class Before:
    """What must still be there when a rollout has failed."""

    serving: set[str]
    running: set[str]
    all: set[str]

    @classmethod
    def of(cls, host: Host) -> Before:
        return cls(
            {one.id for name in NAMES for one in host.serving(name)},
            {one.id for one in host.alive() if one.state is State.RUNNING},
            set(host.containers),
        )


def brings(host: Host, service: DesiredService) -> bool:
    return any(step.action.value == "gate" for step in host.plan() if step.service == service.name)


@given(hosts(Order.START_FIRST, bringing=1))
def test_a_candidate_that_fails_its_gate_leaves_what_served_and_nothing_more(host: Host) -> None:
    """All services of the first wave bring bad candidates, or only retire what is too much."""
    told(host)
    first = {step.service for step in host.plan() if step.wave == 0}
    failing = [service for service in host.desired.values() if service.name in first and brings(host, service)]
    assume(failing)
    # What is surplus, and services with nothing to bring, may go their way whatever the gate says.
    assume(len(failing) == len(first))
    host.bad = {NEW}
    before = Before.of(host)
    unproven = {one.id for one in host.containers.values() if one.fingerprint == NEW and one.id not in before.serving}
    outcome = host.run()
    after = Before.of(host)
    assert outcome.failures
    assert host.violations == []
    assert after.serving == before.serving
    assert before.running - unproven <= after.running <= before.running
    assert after.all <= before.all


@given(hosts(Order.START_FIRST, bringing=2), st.data())
def test_when_one_service_fails_its_first_gate_the_others_of_its_wave_are_not_switched(host: Host, data: st.DataObject) -> None:
    host.want([replace(service, depends_on=()) for service in host.desired.values()])
    told(host)
    bringing = [service for service in host.desired.values() if brings(host, service)]
    assume(len(bringing) > 1)
    bad = data.draw(st.sampled_from(bringing))
    host.want([replace(one, fingerprint="bad" if one == bad else one.fingerprint) for one in host.desired.values()])
    host.bad = {"bad"}
    assume(brings(host, host.desired[bad.name]))
    before = {service.name: {one.id for one in host.serving(service.name)} for service in bringing}
    outcome = host.run()
    assert len(outcome.failures) == 1
    assert host.violations == []
    for service in bringing:
        if service.routed:
            assert {one.id for one in host.serving(service.name)} == before[service.name]


@settings(max_examples=examples(40))
@given(hosts(Order.START_FIRST, bringing=1), st.booleans())
def test_a_candidate_that_fails_while_it_is_watched_gives_its_place_back(host: Host, well_by_its_check: bool) -> None:
    """With parallelism 0 nothing has been stopped by then, so that nothing is lost. Only routed candidates have users."""
    host.want(
        replace(service, depends_on=(), policy=replace(service.policy, parallelism=0, monitor_seconds=3.0))
        for service in host.desired.values()
    )
    told(host)
    fresh = {step.service for step in host.plan() if step.action.value == "watch"}
    first = {step.service for step in host.plan() if step.wave == 0}
    assume(fresh)
    assume(fresh == first)
    if well_by_its_check and all(host.desired[name].routed for name in fresh):
        host.errors = {NEW: 1.0}
    else:
        host.flaky = {NEW}
    before = Before.of(host)
    outcome = host.run()
    after = Before.of(host)
    assert outcome.failures
    assert host.violations == []
    assert after.serving == before.serving
    assert after.all <= before.all


KEYS = ("*/", "*/a/", "*/a/x/", "shop/a/", "shop/")


@st.composite
def changes(draw: st.DrawFn) -> Host:
    """A host that runs one release in order, and another release that is wanted: services come, go, gain and lose routes."""
    before = {name: draw(st.integers(1, 3)) for name in draw(st.sets(st.sampled_from(NAMES), min_size=1))}
    after = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
    now = {key: draw(st.sampled_from(sorted(before))) for key in draw(st.sets(st.sampled_from(KEYS)))}
    wanted = {key: draw(st.sampled_from(after)) for key in draw(st.sets(st.sampled_from(KEYS)))}
    services = []
    for number, name in enumerate(after):
        # Who gets its first route, or loses its last, gets other replicas: the port is a part of what they are.
        stays = (name in now.values()) == (name in wanted.values()) and draw(st.booleans())
        services.append(
            DesiredService(
                name,
                replicas=draw(st.integers(1, 3)),
                fingerprint="old" if stays else NEW,
                routed=name in wanted.values(),
                policy=replace(draw(policies), order=Order.START_FIRST),
                depends_on=tuple(draw(st.sets(st.sampled_from(after[:number])))) if number else (),
            )
        )
    host = Host(services)
    host.routes, host.wanted_routes = dict(now), wanted
    for name, replicas in before.items():
        for _ in range(replicas):
            host.add(name, "old", admitted=name in now.values(), sessions=draw(sessions))
    host.new_sessions = draw(sessions)
    return host


def told_with_routes(host: Host) -> None:
    note(f"routes {host.routes} -> {host.wanted_routes}")
    told(host)


@settings(max_examples=examples(40))
@given(changes())
def test_every_route_leads_to_somebody_who_serves_and_was_meant_whatever_changes(host: Host) -> None:
    told_with_routes(host)
    outcome = host.run()
    assert (outcome.failures, host.violations, host.misses(), host.plan()) == ([], [], [], [])


@settings(max_examples=examples(40))
@given(changes(), st.integers(0, 40))
def test_a_change_of_routes_may_be_killed_anywhere_and_is_finished_by_the_next_run(host: Host, after: int) -> None:
    told_with_routes(host)
    assume(crash(host, after))
    note("--- crashed after: " + "; ".join(host.log))
    told_with_routes(host)
    outcome = host.run()
    assert (outcome.failures, host.violations, host.misses(), host.plan()) == ([], [], [], [])


@settings(max_examples=examples(40))
@given(changes(), st.integers(0, 40))
def test_one_error_anywhere_leaves_every_route_with_somebody_who_serves(host: Host, after: int) -> None:
    told_with_routes(host)
    host.trip = after
    outcome = host.run()
    note("--- " + "; ".join(host.log))
    assume(host.trip is None)
    assert outcome.failures
    assert host.violations == []
    assert host.run().failures == []
    assert (host.violations, host.misses()) == ([], [])


@settings(max_examples=examples(40))
@given(changes(), st.data())
def test_a_release_that_fails_gives_the_routes_back(host: Host, data: st.DataObject) -> None:
    """And the way back to the release before is a rollout like any other, from wherever the failed one ended."""
    told_with_routes(host)
    before, routes = host.observe(), dict(host.routes)
    fails = data.draw(st.sampled_from(["gate", "watch", "users"]))
    if fails == "gate":
        host.bad = {NEW}
    elif fails == "watch":
        host.flaky = {NEW}
    else:
        host.errors = {NEW: 1.0}
    outcome = host.run()
    note("--- " + "; ".join(host.log))
    assert host.violations == []
    ran: dict[str, int] = {}
    for replica in before:
        ran[replica.service] = ran.get(replica.service, 0) + 1
    host.bad, host.flaky, host.errors = set(), set(), {}
    host.want(
        DesiredService(name, count, "old", routed=name in routes.values(), policy=UpdatePolicy(parallelism=0))
        for name, count in ran.items()
    )
    host.wanted_routes = routes
    if not any(step.action.value in ("admit", "route", "unroute") for step in host.plan()) and outcome.failures:
        assert host.routes == routes
    assert host.run().failures == []
    assert (host.violations, host.misses()) == ([], [])
