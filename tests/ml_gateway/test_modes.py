"""Modes, fallbacks, and what a mock may stand in for."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx
import pytest

from tests import deep
from tests.ml_gateway.test_refusals import post, refused
from tests.ml_gateway.world import PRICE, World, agree, http, settle_to_the_log, story
from tests.postgres import free_port


def test_the_mode_is_switched_under_load_and_running_calls_end(wide: World) -> None:
    urls = [wide.gateway().url, wide.gateway().url]
    answers: list[tuple[float, int, str]] = []

    async def load(url: str, stop: asyncio.Event) -> None:
        async with httpx.AsyncClient(timeout=300, verify=False, trust_env=False) as client:
            while not stop.is_set():
                begun = time.monotonic()
                answer = await client.post(f"{url}/v2/comic/runsync", json=story(0.2))
                answers.append((begun, answer.status_code, answer.headers.get("x-ml-provider", "")))
                if answer.status_code != 200:
                    # As a call takes its time, so does one who is refused before the next one.
                    await asyncio.sleep(0.2)

    async def switched() -> dict[str, float]:
        stop, done = asyncio.Event(), {}
        workers = [asyncio.create_task(load(url, stop)) for url in urls * 4]
        for mode in ("live", "mock", "off"):
            ended = await asyncio.to_thread(wide.switch, mode)
            assert ended.returncode == 0, ended.stderr
            done[mode] = time.monotonic()
            await asyncio.sleep(2)
        stop.set()
        await asyncio.gather(*workers)
        return done

    done = asyncio.run(switched())
    # From the moment at which the switch is done: live until mock, mock until off, and nothing in between is lost.
    assert {answer[1:] for answer in answers if answer[0] < done["mock"]} <= {(200, "runpod"), (200, "mock")}
    assert {answer[1:] for answer in answers if answer[0] > done["mock"]} == {(200, "mock"), (503, "")}
    assert {answer[1:] for answer in answers if answer[0] > done["off"]} == {(503, "")}
    settle_to_the_log(wide)


@pytest.mark.deep
def test_the_mode_outlives_restarts_and_the_history_says_who(wide: World) -> None:
    wide.gateway().kill()
    assert wide.switch("off", by="alice", why="the bill").returncode == 0
    assert wide.switch("off", by="bob", why="again").returncode == 0
    gateway = wide.gateway()
    refused(post(gateway), 503, "mode_off")
    assert http.get(f"{gateway.url}/health").json()["mode"] == "off"
    said = json.loads(wide.switch("").stdout)
    assert (said["mode"], [(line["mode"], line["by"], line["why"]) for line in said["history"]]) == (
        "off",
        [("off", "alice", "the bill")],
    )
    assert not wide.calls()


@pytest.mark.deep
def test_what_is_used_of_the_caps_is_told_with_the_mode(wide: World) -> None:
    wide.limits(requests_per_day=3, money_per_day="100", warn_at="0.5")
    gateway = wide.gateway()
    assert json.loads(wide.switch("").stdout)["caps"] == []

    def near() -> dict[str, tuple[Any, str, bool]]:
        return {cap["cap"]: (cap["used"], cap["limit"], cap["near"]) for cap in json.loads(wide.switch("").stdout)["caps"]}

    post(gateway)
    assert near()["requests_per_day"] == (1, "3", False)
    post(gateway)
    found = near()
    assert found["requests_per_day"] == (2, "3", True)
    assert found["money_per_day"][1:] == ("100", False)
    [day] = [cap["period"] for cap in json.loads(wide.switch("").stdout)["caps"] if cap["cap"] == "requests_per_day"]
    assert day == next(period for period in wide.spent().values() if period["period"].count("-") == 2)["period"]


@pytest.mark.deep
def test_a_job_that_was_started_live_is_asked_for_where_it_runs(wide: World) -> None:
    gateway = wide.gateway()
    live = post(gateway, "run").json()["id"]
    assert wide.switch("mock").returncode == 0
    mocked = post(gateway, "run").json()["id"]
    assert wide.switch("off").returncode == 0
    answers = [http.get(f"{gateway.url}/v2/comic/status/{job}") for job in (live, mocked)]
    assert [(answer.status_code, answer.headers["x-ml-provider"]) for answer in answers] == [(200, "runpod"), (200, "mock")]


@pytest.mark.deep
def test_a_switch_says_who_and_why(wide: World) -> None:
    wide.gateway()
    ended = wide.switch("off", by="", why="")
    assert (ended.returncode, ended.stderr) == (1, "Give --by and --why: the history says who switched, and for what.\n")


@pytest.mark.deep
def test_production_has_no_mock_whoever_asks_for_it(wide: World) -> None:
    wide.config["tier"] = "production"
    gateway = wide.gateway()
    ended = wide.switch("mock")
    assert (ended.returncode, ended.stderr) == (1, "Mode mock is refused in production. Use live or off.\n")
    # Somebody writes it into the table.
    wide.database.rows("update ml_gateway.state set mode = 'mock' returning mode")
    refused(post(gateway), 503, "mode_mock")
    assert not wide.mock.reached()


def test_over_a_limit_a_mock_answers_where_that_is_wanted(wide: World) -> None:
    wide.limits(requests_per_day=1, over="mock")
    gateway = wide.gateway()
    answers = [post(gateway) for _ in range(3)]
    assert [(answer.status_code, answer.headers["x-ml-provider"]) for answer in answers] == [
        (200, "runpod"),
        (200, "mock"),
        (200, "mock"),
    ]
    assert (len(wide.stub.reached()), len(wide.mock.reached())) == (1, 2)
    assert {line["key"] for line in wide.mock.reached()} == {""}
    agree(wide)


@pytest.mark.parametrize("fault", deep.cases(("429", "500", "full"), ("429",)))
def test_a_fallback_answers_by_its_name(wide: World, fault: str) -> None:
    wide.endpoint("cheap", price_per_second="0.0001")
    wide.endpoint("comic", fallback="cheap", concurrency=1000 if fault != "full" else 1)
    gateway = wide.gateway()
    if fault == "full":
        post(gateway, "run", json=story(600))
    else:
        wide.stub.fails("ep-comic", fault)
    answer = post(gateway)
    assert (answer.status_code, answer.headers["x-ml-endpoint"], answer.headers["x-ml-fallback-from"]) == (200, "cheap", "comic")
    assert wide.stub.reached()[-1]["endpoint"] == "ep-cheap"
    agree(wide)


@pytest.mark.deep
def test_a_fallback_may_fit_under_a_cap_of_money_that_the_first_does_not(wide: World) -> None:
    wide.endpoint("cheap", price_per_second="0.0001")
    wide.endpoint("comic", fallback="cheap")
    wide.limits(money_per_day=str(PRICE * 5))
    assert post(wide.gateway()).headers["x-ml-endpoint"] == "cheap"


def test_fallbacks_that_lead_to_each_other_end(wide: World) -> None:
    wide.endpoint("cheap", fallback="comic")
    wide.endpoint("comic", fallback="cheap")
    wide.config["urls"] = {"runpod": f"http://127.0.0.1:{free_port()}/v2"}
    body = refused(post(wide.gateway()), 502, "provider_unreachable")
    assert body["endpoint"] == "cheap"


@pytest.mark.deep
def test_the_job_of_a_fallback_is_asked_for_under_the_name_that_was_called(wide: World) -> None:
    wide.endpoint("cheap")
    wide.endpoint("comic", fallback="cheap")
    gateway = wide.gateway()
    wide.stub.fails("ep-comic", "429")
    job = post(gateway, "run").json()["id"]
    answer = http.get(f"{gateway.url}/v2/comic/status/{job}")
    assert (answer.status_code, answer.headers["x-ml-endpoint"]) == (200, "cheap")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        pytest.param(
            {"tier": "production", "endpoints": {"comic": {"provider": "mock", "price_per_second": None}}},
            "production uses no mock",
            id="a mock",
        ),
        pytest.param(
            {"limits": {"over": "mock"}, "tier": "production"},
            "in production there never is one",
            id="a mock over the limit",
            marks=pytest.mark.deep,
        ),
        pytest.param(
            {"endpoints": {"comic": {"price_per_second": None}}},
            "every other endpoint has one above zero",
            id="no price",
            marks=pytest.mark.deep,
        ),
        pytest.param({"limits": {"money_per_day": None}}, "no limit of money per day or month is set", id="no limit"),
        pytest.param(
            {"endpoints": {"comic": {"fallback": "dear"}}}, "its fallback is unknown", id="no fallback", marks=pytest.mark.deep
        ),
    ],
)
def test_a_file_that_could_cost_money_starts_no_gateway(wide: World, wrong: dict[str, object], words: str) -> None:
    for part, values in wrong.items():
        for name, value in values.items() if isinstance(values, dict) else ():
            target = wide.config[part].setdefault(name, {}) if isinstance(value, dict) else wide.config[part]
            target.update(value if isinstance(value, dict) else {name: value})
        if not isinstance(values, dict):
            wide.config[part] = values
    wide.config["limits"] = {name: value for name, value in wide.config["limits"].items() if value is not None}
    ended = wide.switch("off")
    assert ended.returncode == 1
    assert words in ended.stderr
