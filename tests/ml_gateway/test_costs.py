"""What the books say of money, beside what the provider's own log says of the same calls."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from tests.ml_gateway.test_refusals import post
from tests.ml_gateway.world import PRICE, World, http, story


def told(world: World, *options: str) -> dict[str, Any]:
    ended = world.control(*(options or ("--days", "30")))
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_calls_and_money_by_endpoint_and_caller_are_those_of_the_providers_log(wide: World) -> None:
    wide.endpoint("sketch", model="comic-small", price_per_second="0.0001")
    wide.limits(requests_per_day=100)
    gateway = wide.gateway()
    for caller, endpoint in (("api", "comic"), ("api", "comic"), ("worker", "comic"), ("api", "sketch")):
        answer = http.post(f"{gateway.url}/v2/{endpoint}/runsync", json=story(), headers={"X-ML-Caller": caller})
        assert answer.status_code == 200
    wide.settled()
    found = told(wide)
    prices = {"ep-comic": PRICE, "ep-sketch": Decimal("0.0001")}
    billed: Counter[str] = Counter()
    for line in wide.stub.reached():
        billed[line["endpoint"]] += prices[line["endpoint"]] * line["executes_milliseconds"] / 1000
    calls = {(call["endpoint"], call["caller"]): call for call in found["calls"]}
    assert {key: call["requests"] for key, call in calls.items()} == {
        ("comic", "api"): 2,
        ("comic", "worker"): 1,
        ("sketch", "api"): 1,
    }
    assert {call["model"] for call in found["calls"]} == {"comic-xl@1.4.0", "comic-small@1.4.0"}
    for endpoint in ("comic", "sketch"):
        money = sum(Decimal(call["money"]) for (name, _), call in calls.items() if name == endpoint)
        assert money == billed[f"ep-{endpoint}"]
    caps = {cap["cap"]: cap for cap in found["caps"]}
    assert Decimal(caps["money_per_day"]["used"]) == sum(billed.values())
    assert caps["requests_per_day"]["used"] == 4
    assert (found["environment"], found["tier"]) == ("test", "staging")


@pytest.mark.deep
def test_what_is_under_way_counts_as_unsettled_and_what_never_left_not_at_all(wide: World) -> None:
    # Longer than it takes to ask, however busy the machine.
    wide.endpoint("comic", timeout_seconds=600)
    gateway = wide.gateway()
    job = post(gateway, "run", json=story(600)).json()["id"]
    wide.database.rows(
        "insert into ml_gateway.calls (id, day, caller, endpoint, provider, model, reserved, ends_by, state) "
        "values (gen_random_uuid(), '2026-11-26', 'api', 'comic', 'runpod', 'm', 5, now(), 'released')"
    )
    [call] = told(wide)["calls"]
    assert Decimal(call["money"]) == Decimal(call["unsettled"]) == PRICE * 600
    # The provider's stub is that of all tests.
    assert http.post(f"{gateway.url}/v2/comic/cancel/{job}").json()["status"] == "CANCELLED"


@pytest.mark.deep
def test_it_goes_back_as_far_as_asked_and_at_least_to_the_beginning_of_the_month(wide: World) -> None:
    wide.gateway()
    for at in ("now()", "date_trunc('month', now() at time zone 'utc') at time zone 'utc'", "(now() - interval '200 days')"):
        wide.database.rows(
            "insert into ml_gateway.calls (id, at, day, caller, endpoint, provider, model, reserved, ends_by, state, cost) "
            f"values (gen_random_uuid(), {at}, to_char({at} at time zone 'utc', 'YYYY-MM-DD'), "
            "'api', 'comic', 'runpod', 'm', 5, now(), 'settled', 1)"
        )
    assert sum(call["requests"] for call in told(wide, "--days", "1")["calls"]) == 2
    assert sum(call["requests"] for call in told(wide, "--days", "250")["calls"]) == 3


@pytest.mark.deep
def test_a_database_that_is_down_is_said_without_its_password(wide: World) -> None:
    wide.gateway()
    ended = wide.control(DATABASE_URL="postgresql://gateway:canary@127.0.0.1:1/books")
    assert (ended.returncode, ended.stderr) == (1, "The books cannot be reached (OperationalError).\n")
