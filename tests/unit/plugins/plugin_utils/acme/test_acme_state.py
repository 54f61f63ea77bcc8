"""When a certificate is due, who is brought along, and what is said of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.acme import notes, request
from ansible_collections.morpheus.deploy.plugins.plugin_utils.acme.state import state

from tests.unit import certificates

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
NAMES = ["www.example.com", "shop.example.com"]
PATH = "/var/lib/morpheus.deploy/edge/conf/certs/acme.pem"


def held(days: float, names: list[str] | None = None) -> dict[str, Any]:
    return {"certificate": certificates.make(NAMES if names is None else names, days, NOW)[0], "path": PATH}


def judged(**answers: Any) -> dict[str, Any]:
    return state(answers, NAMES, 30, NOW).as_dict()


def test_a_young_one_on_every_host_is_left_alone() -> None:
    young = held(60)
    assert judged(a=young, b=young) == {
        "due": False,
        "why": "",
        "source": "a",
        "path": PATH,
        "ends": "2027-01-26",
        "days": 60,
        "behind": [],
        "away": {},
    }


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param(held(29.9), "it ends on 2026-12-27", id="ends soon"),
        pytest.param(held(-1), "no host has one", id="has ended"),
        pytest.param({"certificate": request.placeholder(NOW)}, "no host has one", id="the placeholder"),
        pytest.param({"certificate": "-----BEGIN CERTIFICATE-----\nx\n"}, "no host has one", id="none that can be read"),
        pytest.param(held(60, NAMES[:1]), "none is for shop.example.com", id="a name is new"),
    ],
)
def test_it_is_due_when_it_ends_soon_or_lacks_a_name(answer: dict[str, Any], why: str) -> None:
    found = judged(a=answer)
    assert (found["due"], found["why"]) == (True, why)


def test_a_day_before_is_early_enough() -> None:
    assert not judged(a=held(30.1))["due"]


def test_a_name_more_than_wanted_does_no_harm() -> None:
    assert not judged(a=held(60, [*NAMES, "old.example.com"]))["due"]


def test_one_that_lives_for_days_is_renewed_in_the_last_third_of_its_life() -> None:
    six_days = certificates.make(NAMES, 6, NOW, begins=0)[0]
    answers = {"a": {"certificate": six_days, "path": PATH}}
    assert state(answers, NAMES, 30, NOW + timedelta(days=3.9)).why == ""
    assert state(answers, NAMES, 30, NOW + timedelta(days=4.1)).why == "it ends on 2026-12-03"


def test_hosts_that_have_an_older_one_are_brought_along_from_the_one_that_lasts_longest() -> None:
    bare = {"certificate": request.placeholder(NOW)}
    found = judged(a=held(20), b=held(60), c=bare, d={"unreachable": True}, e={"failed": True, "msg": "no\nedge"})
    assert (found["due"], found["source"], found["behind"]) == (False, "b", ["a", "c"])
    assert found["away"] == {"d": "it could not be reached", "e": "no edge"}


def test_where_no_edge_makes_room_for_one_none_is_issued() -> None:
    found = judged(a={"certificate": ""}, b={"unreachable": True})
    assert (found["due"], found["source"], found["behind"]) == (False, "", [])
    why = "its edge was set up without edge_acme; run playbooks/provision.yml --tags edge"
    assert found["away"] == {"a": why, "b": "it could not be reached"}
    [first, _] = notes.outcome(found, NAMES, {}, {})["problems"]
    assert first.startswith(f"a was not given the certificate for www.example.com, shop.example.com: {why}. ")


DUE = judged(a=held(20), b=held(20))
ISSUED = {"changed": True, "ends": "2027-02-25"}


def test_what_was_issued_is_said() -> None:
    placed = {"a": {"changed": True}, "b": {"changed": True}}
    assert notes.outcome(DUE, NAMES, ISSUED, placed) == {
        "notes": [
            "the certificate for www.example.com, shop.example.com was issued (it ends on 2026-12-17); it ends on 2027-02-25",
            "a, b: the certificate for www.example.com, shop.example.com is served",
        ],
        "problems": [],
    }


def test_what_the_authority_said_is_a_problem_and_until_when_hosts_can_go_on() -> None:
    [problem] = notes.outcome(DUE, NAMES, {"problem": f"no such\n name{'!' * 1000}"}, {})["problems"]
    assert "could not be issued, and is due because it ends on 2026-12-17: no such name!!" in problem
    assert problem.endswith(
        "Hosts go on with the one that ends on 2026-12-17 (in 20 days); each deploy and playbooks/certificates.yml try again"
    )
    assert len(problem) < 700


def test_without_any_it_is_said_that_none_is_served() -> None:
    [problem] = notes.outcome(judged(a={"certificate": request.placeholder(NOW)}), NAMES, {}, {})["problems"]
    assert "because no host has one: it ended without an answer. No host serves with one for all names until" in problem


def test_a_host_that_did_not_get_it_is_named() -> None:
    placed: dict[str, dict[str, Any]] = {
        "a": {"changed": True},
        "b": {"failed": True, "msg": "HAProxy does not take it."},
        "c": {"unreachable": True},
    }
    assert notes.outcome(DUE, NAMES, ISSUED, placed)["problems"] == [
        "b was not given the certificate for www.example.com, shop.example.com: HAProxy does not take it. "
        "playbooks/certificates.yml brings it along",
        "c was not given the certificate for www.example.com, shop.example.com: it could not be reached. "
        "playbooks/certificates.yml brings it along",
    ]


def test_many_names_are_counted() -> None:
    names = [f"n{number}.example.com" for number in range(5)]
    assert "n0.example.com, n1.example.com, n2.example.com and 2 more names" in notes.outcome(DUE, names, ISSUED, {})["notes"][0]


def test_check_mode_says_what_it_would_do() -> None:
    assert "would be issued: it ends on 2026-12-17" in notes.outcome(DUE, NAMES, {}, {}, check_mode=True)["notes"][0]
    older = judged(a=held(60), b=held(40))
    assert notes.outcome(older, NAMES, {}, {}, check_mode=True)["notes"] == [
        "b would get the certificate for www.example.com, shop.example.com"
    ]
