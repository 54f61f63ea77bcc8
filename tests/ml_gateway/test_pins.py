"""Releases that are pinned to a model: the gateway serves each its own, and the books have the price of each."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import runpod

from tests.ml_gateway.test_refusals import refused
from tests.ml_gateway.world import PRICE, Process, World, agree, http, story, wait_for

OLD, NEW = "aaaaaaaa", "bbbbbbbb"


def call(gateway: Process, name: str, **more: Any) -> Any:
    return http.post(f"{gateway.url}/v2/{name}/runsync", json=story(**more))


def moved_on(world: World) -> tuple[Process, Process]:
    """A gateway as it was, and one whose configuration has another model at the endpoint."""
    world.endpoint("comic", pin=OLD)
    before = world.gateway()
    world.endpoint("comic", pin=NEW, id="ep-comic-2", version="1.5.0", price_per_second="0.0008")
    return before, world.gateway()


def test_each_release_gets_the_model_that_it_is_pinned_to_from_every_gateway(wide: World) -> None:
    before, after = moved_on(wide)
    for gateway in (before, after):
        for pin, model, identity in ((OLD, "comic-xl@1.4.0", "ep-comic"), (NEW, "comic-xl@1.5.0", "ep-comic-2")):
            answer = call(gateway, f"comic@{pin}")
            assert (answer.status_code, answer.headers["x-ml-model"], answer.headers["x-ml-pin"]) == (200, model, pin)
            assert wide.stub.reached()[-1]["endpoint"] == identity
    # Who is pinned to nothing gets what the configuration says.
    assert call(before, "comic").headers["x-ml-pin"] == OLD
    assert call(after, "comic").headers["x-ml-pin"] == NEW


@pytest.mark.deep
def test_each_is_paid_by_its_own_price_and_asked_for_where_it_runs(wide: World) -> None:
    _, after = moved_on(wide)
    jobs = {pin: http.post(f"{after.url}/v2/comic@{pin}/run", json=story(0.2)).json()["id"] for pin in (OLD, NEW)}
    for pin, job in jobs.items():
        status = wait_for(lambda pin=pin, job=job: completed(after, pin, job), "the job has ended")
        assert status.headers["x-ml-pin"] == pin
    lines = {line["endpoint"]: line for line in wide.stub.reached()}
    costs = {row["pin"]: row["cost"] for row in wide.settled()}
    assert costs == {
        OLD: PRICE * lines["ep-comic"]["executes_milliseconds"] / 1000,
        NEW: Decimal("0.0008") * lines["ep-comic-2"]["executes_milliseconds"] / 1000,
    }
    agree(wide)


def completed(gateway: Process, pin: str, job: str) -> Any:
    answer = http.get(f"{gateway.url}/v2/comic@{pin}/status/{job}")
    return answer if answer.json().get("status") == "COMPLETED" else None


@pytest.mark.deep
def test_a_job_of_the_model_before_is_settled_though_nobody_asks_for_it(wide: World) -> None:
    before, _ = moved_on(wide)
    http.post(f"{before.url}/v2/comic/run", json=story(0.2))
    before.kill()
    [row] = wide.settled()
    [line] = wide.stub.reached()
    assert (row["pin"], row["state"], row["cost"]) == (OLD, "settled", PRICE * line["executes_milliseconds"] / 1000)


@pytest.mark.deep
def test_a_release_that_is_rolled_back_finds_its_model_after_a_restart(wide: World) -> None:
    before, after = moved_on(wide)
    before.kill()
    after.stop()
    again = wide.gateway()
    assert call(again, f"comic@{OLD}").headers["x-ml-model"] == "comic-xl@1.4.0"


@pytest.mark.deep
def test_a_model_that_nobody_has_configured_gets_nothing(wide: World) -> None:
    _, after = moved_on(wide)
    body = refused(call(after, "comic@cccccccc"), 404, "unknown_pin")
    assert (body["known"], body["endpoint"]) == (["comic"], "comic@cccccccc")
    refused(call(after, f"strange@{OLD}"), 404, "unknown_endpoint")
    assert wide.stub.reached() == []


@pytest.mark.deep
def test_an_endpoint_of_before_that_would_not_be_let_pass_today_is_not(wide: World) -> None:
    """It was a mock; in production none answers, whoever is pinned to it."""
    wide.endpoint("comic", pin=OLD, provider="mock", price_per_second=None)
    wide.gateway().stop()
    wide.config["tier"] = "production"
    wide.endpoint("comic", pin=NEW, provider="runpod", price_per_second="0.0004")
    refused(call(wide.gateway(), f"comic@{OLD}"), 404, "unknown_pin")
    assert wide.mock.reached() == []


@pytest.mark.deep
def test_the_fallback_of_a_pinned_model_is_the_one_that_it_had(wide: World) -> None:
    wide.endpoint("sketch", pin="dddddddd", model="comic-small", price_per_second="0.0001")
    wide.endpoint("comic", pin=OLD, fallback="sketch")
    wide.gateway().stop()
    wide.endpoint("sketch", pin="eeeeeeee", id="ep-sketch-2", version="2.0.0")
    wide.endpoint("comic", pin=NEW, id="ep-comic-2", version="1.5.0")
    gateway = wide.gateway()
    wide.stub.fails("ep-comic", "429")
    answer = call(gateway, f"comic@{OLD}")
    assert (answer.status_code, answer.headers["x-ml-pin"], answer.headers["x-ml-fallback-from"]) == (200, "dddddddd", "comic")
    wide.stub.fails("ep-comic-2", "429")
    assert call(gateway, f"comic@{NEW}").headers["x-ml-pin"] == "eeeeeeee"


@pytest.mark.deep
def test_without_a_database_a_model_of_before_cannot_be_looked_up(wide: World) -> None:
    _, after = moved_on(wide)
    wide.database.go_down()
    try:
        wait_for(lambda: http.get(f"{after.url}/health").status_code == 503, "the gateway has noticed")
        refused(call(after, f"comic@{OLD}"), 503, "database_down")
    finally:
        wide.database.come_up()


@pytest.mark.deep
def test_a_database_of_before_there_were_pins_is_taken_over_with_its_calls(wide: World) -> None:
    wide.gateway().stop()
    wide.database.rows("drop table ml_gateway.pins")
    wide.database.rows("alter table ml_gateway.calls drop column pin")
    wide.database.rows(
        "insert into ml_gateway.calls (id, day, caller, endpoint, provider, model, reserved, ends_by, state) "
        "values (gen_random_uuid(), '2026-11-26', 'api', 'comic', 'runpod', 'm', 1, now(), 'settled')"
    )
    wide.endpoint("comic", pin=OLD)
    assert call(wide.gateway(), f"comic@{OLD}").status_code == 200
    assert [row["pin"] for row in wide.calls()] == ["", OLD]


@pytest.mark.deep
def test_the_vendors_client_calls_a_pinned_endpoint_by_its_name(wide: World) -> None:
    _, after = moved_on(wide)
    before = (runpod.api_key, runpod.endpoint_url_base)
    runpod.api_key, runpod.endpoint_url_base = "anything", f"{after.url}/v2"
    try:
        told = runpod.Endpoint(f"comic@{OLD}").run_sync(story(), timeout=20)
    finally:
        runpod.api_key, runpod.endpoint_url_base = before
    assert told["panels"][0]["caption"] == "A fox runs."
    assert wide.stub.reached()[-1]["endpoint"] == "ep-comic"
