"""Which hosts balancers may ask for a route, at every moment of a rollout, of its way back, and of a run that is killed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import permutations
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.placed_routes import Placing, back, decide, described, forward
from hypothesis import given
from hypothesis import strategies as st

HOSTS = ("app-1", "app-2", "app-3")
KEYS = ("*/", "*/a/", "*/a/b/", "shop/", "shop/a/")
WELL: dict[str, Any] = {"switched": True}
ILL: dict[str, Any] = {"failed": True, "left": "mixed"}
BALANCER: dict[str, Any] = {"upstreams": [*HOSTS], "knows_placed": True, "placed": {}}


def answers(now: Mapping[str, Iterable[str]], wanted: Mapping[str, Iterable[str]]) -> dict[str, dict[str, Any]]:
    every = {key for keys in wanted.values() for key in keys}
    return {
        host: {"now": [*now[host]], "wanted": {key: {"here": key in wanted[host], "guarded": key == "*/a/"} for key in every}}
        for host in now
    }


def placing(now: Mapping[str, Iterable[str]], wanted: Mapping[str, Iterable[str]], **more: Any) -> Placing:
    asked = {"left_out": {}, "balancers": {"lb-1": {**BALANCER, **more.pop("knows", {})}}, "several": False, **more}
    return decide(
        answers(now, wanted), asked["left_out"], asked["balancers"], "shop", asked.get("fleet", now), several=asked["several"]
    )


def hosts(routes: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    return {key: one["hosts"] for key, one in routes.items()}


sets = st.fixed_dictionaries({host: st.sets(st.sampled_from(KEYS)) for host in HOSTS})


@given(sets, sets, st.permutations(HOSTS), st.integers(0, 3), st.booleans())
def test_nobody_is_asked_for_what_he_may_not_have(
    now: dict[str, set[str]], wanted: dict[str, set[str]], order: list[str], ended: int, fails: bool
) -> None:
    """Whatever each host has at the moment: the one at work may have what was or what will be, route by route."""
    found = placing(now, wanted)
    if not found.tells or found.problems:
        return
    done, rest = order[:ended], order[ended:]
    at_work = rest[:1]
    results = {host: WELL if host in done else {} for host in HOSTS}
    told = hosts(forward(found, results))
    if not told:
        return
    for key, names in told.items():
        for host in names:
            kept = now[host] & wanted[host] if host in at_work else wanted[host] if host in done else now[host]
            # Or it is a route that nobody has afterwards, and the host has what its requests meet then.
            ends = key not in {one for keys in wanted.values() for one in keys}
            early = host not in done and key in found.early[host]
            assert key in kept or (ends and key in now[host]) or early
    # A route that was and stays has somebody at every moment.
    for key in {one for keys in now.values() for one in keys} & {one for keys in wanted.values() for one in keys}:
        assert told[key]
    if fails and at_work:
        results[at_work[0]] = ILL
        way = [host for host in done if host != order[0]]
        for went in ({}, dict.fromkeys(way, WELL)):
            for key, names in hosts(back(found, results, way, went)).items():
                for host in names:
                    returned = host in way and host in went
                    may = {host: now[host] | wanted[host] for host in at_work} | {host: wanted[host] for host in done}
                    may |= {host: now[host] for host in rest[1:]} | ({host: now[host]} if returned else {})
                    assert key in may[host] or (host not in [*done, *at_work] and key in found.early[host])


@pytest.mark.parametrize("order", [*permutations(HOSTS[:2])])
def test_a_service_is_narrowed_and_widened(order: tuple[str, str]) -> None:
    both, one = {"app-1": ["*/", "*/a/"], "app-2": ["*/", "*/a/"]}, {"app-1": ["*/"], "app-2": ["*/", "*/a/"]}
    narrowed, widened = placing(both, one), placing(one, both, knows={"placed": {"shop": {"*/a/": {"hosts": ["app-2"]}}}})
    for results in ({}, {order[0]: WELL}, dict.fromkeys(order, WELL)):
        assert hosts(forward(narrowed, results))["*/a/"] == ["app-2"]
    assert forward(narrowed, {})["*/a/"]["guarded"]
    assert hosts(forward(widened, {}))["*/a/"] == ["app-2"]
    assert hosts(forward(widened, {"app-2": WELL}))["*/a/"] == ["app-2"]
    # Nothing is left to remember.
    assert forward(widened, dict.fromkeys(order, WELL)) == {}
    assert hosts(back(widened, {"app-1": WELL, "app-2": ILL}, ["app-1"], {}))["*/a/"] == ["app-2"]


def test_a_new_route_is_asked_for_when_a_host_has_it_and_an_old_one_for_as_long() -> None:
    found = placing({"app-1": ["*/"], "app-2": ["*/", "*/a/"]}, {"app-1": ["*/"], "app-2": ["*/", "shop/"]})
    assert hosts(forward(found, {})) == {"*/": ["app-1", "app-2"], "*/a/": ["app-2"], "shop/": ["app-2"]}
    assert hosts(forward(found, {"app-1": WELL}, ["app-1"])) == hosts(forward(found, {}))
    assert hosts(forward(found, dict.fromkeys(("app-1", "app-2"), WELL))) == {"*/": ["app-1", "app-2"], "shop/": ["app-2"]}


def test_requests_of_a_route_that_ends_go_where_they_go_afterwards() -> None:
    found = placing({"app-1": ["*/"], "app-2": ["*/a/"]}, {"app-1": ["*/"], "app-2": []})
    assert hosts(forward(found, {})) == {"*/": ["app-1"]}


def test_a_new_route_below_one_that_all_have_is_asked_of_its_hosts_before_the_others_stop_to_answer_it() -> None:
    """The service of the shorter route answers it until a host has the release, and no longer then."""
    found = placing({"app-1": ["*/"], "app-2": ["*/"]}, {"app-1": ["*/"], "app-2": ["*/", "*/a/"]})
    told = {"*/": ["app-1", "app-2"], "*/a/": ["app-2"]}
    results: tuple[dict[str, dict[str, Any]], ...] = (
        {},
        {"app-1": WELL},
        {"app-2": WELL},
        dict.fromkeys(("app-1", "app-2"), WELL),
    )
    assert [hosts(forward(found, one)) for one in results] == [told] * 4
    failed = {"app-1": WELL, "app-2": {"failed": True, "left": "taken_back"}}
    assert hosts(back(found, failed, ["app-1"], {})) == told
    # Both have what they had, so both are asked.
    assert hosts(back(found, failed, ["app-1"], {"app-1": WELL})) == {"*/": ["app-1", "app-2"]}
    assert hosts(back(found, {"app-1": {"failed": True, "left": "as_before"}}, [], {})) == {"*/": ["app-1", "app-2"]}


def test_a_route_that_goes_to_another_host_and_leaves_one_that_runs_the_stack_no_more_would_be_nowhere() -> None:
    knows = {"placed": {"shop": {"*/a/": {"hosts": ["app-1"]}, "*/": {"hosts": [*HOSTS]}}}}
    now, wanted = {"app-2": ["*/"], "app-3": []}, {"app-2": ["*/"], "app-3": ["*/a/"]}
    (problem,) = placing(now, wanted, knows=knows).problems
    assert problem.startswith("the route */a/ is on app-1 and would be on app-3 alone")
    assert problem.endswith("of a host that is no more, provision balancers without it (edge_upstreams) first")
    # Then it is asked by nobody.
    assert placing(now, wanted, knows={**knows, "upstreams": ["app-2", "app-3"]}).problems == []


def test_a_stack_that_is_removed_from_some_of_its_hosts_is_asked_of_the_others_alone() -> None:
    found = placing({"app-1": ["*/"]}, {"app-1": []}, fleet=HOSTS)
    assert hosts(forward(found, {})) == {"*/": ["app-2", "app-3"]}
    assert hosts(forward(found, {"app-1": WELL})) == {"*/": ["app-2", "app-3"]}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"balancers": {"lb-1": {"msg": "no route to host"}}}, "lb-1 (balancer) could not be asked whom it asks"),
        ({"knows": {"knows_placed": False}}, "lb-1: this balancer was set up before it could ask some hosts only"),
        ({"knows": {"upstreams": ["blue"]}}, "edge_upstreams of lb-1 names none of app-1, app-2"),
        (
            {"knows": {"upstreams": ["app-1", "blue"]}},
            "of this stack's hosts lb-1 asks only app-1 (edge_upstreams), and the route */a/ would be on app-2",
        ),
    ],
)
def test_what_speaks_against_it(more: dict[str, Any], said: str) -> None:
    both = {"app-1": ["*/"], "app-2": ["*/", "*/a/"]}
    assert placing(both, both, **more).problems[0].startswith(said)


def test_a_route_that_moves_would_be_nowhere_for_a_moment() -> None:
    found = placing({"app-1": ["*/", "*/a/"], "app-2": ["*/"]}, {"app-1": ["*/"], "app-2": ["*/", "*/a/"]})
    assert found.problems == [
        "the route */a/ is on app-1 and would be on app-2 alone, so for a moment no host would have it; deploy once with its "
        "service on both (services[].hosts), then this"
    ]


def test_nobody_is_told_where_every_host_has_every_route() -> None:
    every = {"app-1": ["*/"], "app-2": ["*/"]}
    assert not placing(every, {host: ["*/", "*/a/"] for host in every}).tells
    assert not placing(every, every, balancers={"lb-1": {"msg": "away"}}).tells
    assert placing(every, every, knows={"placed": {"other": {"*/a/": {"hosts": ["app-1"]}}}}).tells
    # Of an environment with several stacks this one is not on all hosts.
    assert placing(every, every, several=True).tells
    assert not placing({host: ["*/"] for host in HOSTS}, {host: ["*/"] for host in HOSTS}, several=True).tells


def test_hosts_that_stay_as_they_are_have_what_they_had() -> None:
    wanted = {"app-1": ["*/", "*/a/"]}
    left_out = {"app-2": {"routes": ["*/"]}}
    knows = {"placed": {"shop": {"*/": {"hosts": [*HOSTS]}, "*/a/": {"hosts": ["app-3"]}}}}
    found = placing({"app-1": ["*/"]}, wanted, left_out=left_out, knows=knows, fleet=HOSTS)
    assert hosts(forward(found, {"app-1": WELL})) == {"*/": [*HOSTS], "*/a/": ["app-1", "app-3"]}
    # Of one that nobody has ever heard of it is not known that it lacks anything.
    found = placing({"app-1": ["*/"]}, {"app-1": ["*/"]}, left_out=left_out, fleet=HOSTS, several=False)
    assert not found.tells


def test_a_removal_takes_away_what_is_there() -> None:
    gone = {"now": ["*/", "*/a/"], "wanted": {}}
    knows = {**BALANCER, "placed": {"shop": {"*/": {"hosts": ["app-1", "app-2"]}, "*/a/": {"hosts": ["app-2"]}}}}
    found = decide({"app-2": gone}, {}, {"lb-1": knows}, "shop", HOSTS[:2], several=False)
    assert hosts(forward(found, {})) == hosts(forward(found, {"app-2": WELL})) == {"*/": ["app-1"]}


def test_what_a_plan_says_of_it() -> None:
    now = {"app-1": ["*/", "*/a/"], "app-2": ["*/", "*/a/", "shop/"]}
    wanted = {"app-1": ["*/"], "app-2": ["*/", "*/a/", "shop/a/"]}
    assert described(placing(now, wanted)) == [
        "*/a/ on app-2",
        "shop/ on no host; until then on app-2",
        "shop/a/ on app-2",
    ]
