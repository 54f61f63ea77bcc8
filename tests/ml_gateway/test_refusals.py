"""Every refusal: its status, its headers, and what its body says."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest

from tests.ml_gateway.world import KEY, OTHER_KEY, PRICE, Process, World, agree, http, story, wait_for
from tests.postgres import free_port


def post(gateway: Process, operation: str = "runsync", endpoint: str = "comic", **options: Any) -> httpx.Response:
    return http.post(f"{gateway.url}/v2/{endpoint}/{operation}", **{"json": story(), **options})


def refused(answer: httpx.Response, status: int, reason: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["reason"], body["environment"]) == (status, reason, "test"), body
    assert KEY not in answer.text
    return body


def midnight() -> datetime:
    return (datetime.now(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def next_month() -> datetime:
    return (datetime.now(UTC).replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


@pytest.mark.deep
def test_the_rate_is_exact_to_one_call_in_any_sixty_seconds(wide: World) -> None:
    wide.limits(requests_per_minute=20)
    urls = [wide.gateway().url, wide.gateway().url]

    async def calls() -> Counter[int]:
        async with httpx.AsyncClient(timeout=300, verify=False, trust_env=False) as client:
            answers = await asyncio.gather(
                *(client.post(f"{urls[number % 2]}/v2/comic/run", json=story()) for number in range(50))
            )
        return Counter(answer.status_code for answer in answers)

    assert asyncio.run(calls()) == {200: 20, 429: 30}
    assert len(wide.stub.reached()) == 20
    body = refused(post(wide.gateways[0]), 429, "requests_per_minute")
    oldest = wide.calls()[0]["at"]
    assert body["limit"] == 20
    assert abs(datetime.fromisoformat(body["until"]) - (oldest + timedelta(minutes=1))) < timedelta(milliseconds=2)
    # One of the twenty leaves the last minute, so one call has room, and one only.
    wide.database.rows("update ml_gateway.calls set at = at - interval '1 minute' where at = %s returning id", oldest)
    assert asyncio.run(calls()) == {200: 1, 429: 49}


@pytest.mark.deep
def test_over_a_limit_the_answer_says_when_to_come_again(wide: World) -> None:
    wide.limits(requests_per_minute=1)
    gateway = wide.gateway()
    assert post(gateway).status_code == 200
    answer = post(gateway)
    assert refused(answer, 429, "requests_per_minute") == {
        "error": "The limit of requests per minute is reached.",
        "reason": "requests_per_minute",
        "environment": "test",
        "endpoint": "comic",
        "limit": 1,
        "until": answer.json()["until"],
    }
    left = datetime.fromisoformat(answer.json()["until"]) - datetime.now(UTC)
    assert 0 <= int(answer.headers["retry-after"]) - left.total_seconds() < 60


@pytest.mark.parametrize(
    ("name", "cap", "until"),
    [
        ("requests_per_day", 1, midnight),
        pytest.param("requests_per_month", 1, next_month, marks=pytest.mark.deep),
        pytest.param("money_per_day", str(PRICE * 10), midnight, marks=pytest.mark.deep),
        ("money_per_month", str(PRICE * 10), next_month),
    ],
)
def test_each_cap_is_402_and_says_until_when(wide: World, name: str, cap: Any, until: Callable[[], datetime]) -> None:
    wide.config["limits"] = {"money_per_month": "1000", name: cap}
    gateway = wide.gateway()
    assert post(gateway, "run", json=story(2)).status_code == 200
    body = refused(post(gateway), 402, name)
    assert body["limit"] == float(cap)
    assert datetime.fromisoformat(body["until"]) == until()


def test_an_endpoint_takes_as_many_calls_at_once_as_it_is_told(wide: World) -> None:
    wide.endpoint("comic", concurrency=2)
    gateway = wide.gateway()
    jobs = [post(gateway, "run", json=story(600)).json()["id"] for _ in range(2)]
    answer = post(gateway, "run")
    refused(answer, 429, "concurrency")
    assert answer.headers["retry-after"] == "1"
    assert http.post(f"{gateway.url}/v2/comic/cancel/{jobs[0]}").json()["status"] == "CANCELLED"
    assert http.get(f"{gateway.url}/v2/comic/status/{jobs[0]}").json()["status"] == "CANCELLED"
    wait_for(lambda: post(gateway, "run").status_code == 200, "a place is free")


def test_a_provider_that_is_down_is_502_and_costs_nothing(wide: World) -> None:
    wide.config["urls"] = {"runpod": f"http://127.0.0.1:{free_port()}/v2"}
    gateway = wide.gateway()
    refused(post(gateway), 502, "provider_unreachable")
    refused(http.get(f"{gateway.url}/v2/comic/health"), 502, "provider_unreachable")
    wait_for(lambda: [call["state"] for call in wide.calls()] == ["released"], "the reservation is taken back")
    assert wide.spent()["day"] | {"period": ""} == {"period": "", "requests": 0, "money": 0}
    agree(wide)


def test_a_provider_that_fails_is_502_and_counts_as_spent(wide: World) -> None:
    gateway = wide.gateway()
    wide.stub.fails("ep-comic", "500")
    body = refused(post(gateway), 502, "provider_failed")
    assert body["provider"] == "HTTP 500"
    assert wide.spent()["day"]["money"] == PRICE * 10


def test_what_the_provider_refuses_costs_nothing_and_counts_as_a_request(wide: World) -> None:
    gateway = wide.gateway()
    wide.stub.fails("ep-comic", "429")
    refused(post(gateway), 429, "provider_busy")
    answer = post(gateway, json={"input": {}})
    assert (answer.status_code, answer.json()) == (400, {"error": 'input must have a "prompt" or a "story"'})
    wait_for(lambda: wide.spent()["day"]["money"] == 0, "it costs nothing")
    assert wide.spent()["day"]["requests"] == 2
    agree(wide)


def test_a_key_that_the_provider_refuses_is_the_gateways_business(wide: World) -> None:
    (wide.directory / "key").write_text("nobody's")
    refused(post(wide.gateway()), 502, "provider_refused_key")


def test_the_key_stands_neither_in_a_log_nor_in_the_books_whatever_goes_wrong(wide: World) -> None:
    """Every other test ends by looking at the logs of its gateways."""
    gateway = wide.gateway()
    headers = {"Authorization": f"Bearer {OTHER_KEY}", "X-ML-Caller": "shop"}
    for fault in ("500", "drop", "429"):
        wide.stub.fails("ep-comic", fault)
        answer = post(gateway, headers=headers)
        assert not [key for key in (KEY, OTHER_KEY) if key in answer.text + str(answer.headers)], fault
    assert post(gateway, headers=headers).status_code == 200
    gateway.stop()
    assert wide.tells_of_a_key() == []
    books = str(wide.database.rows("select calls::text from ml_gateway.calls"))
    assert ("shop" in books, KEY in books, OTHER_KEY in books) == (True, False, False)


def test_each_gateway_uses_the_key_that_it_is_given_whatever_the_caller_sends(wide: World) -> None:
    (wide.directory / "key").write_text(OTHER_KEY)
    assert post(wide.gateway(), headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
    assert [line["environment"] for line in wide.stub.reached()] == ["staging"]


def test_a_database_that_is_down_lets_nothing_pass_that_costs_money(wide: World) -> None:
    wide.endpoint("sketch", provider="mock", price_per_second=None)
    gateway = wide.gateway()
    wide.database.go_down()
    body = refused(post(gateway), 503, "database_down")
    assert body["error"] == "The books cannot be written, so no call that costs money goes out. Look at the database."
    wait_for(lambda: http.get(f"{gateway.url}/health").status_code == 503, "its health says so")
    assert not wide.stub.reached()
    assert post(gateway, endpoint="sketch").status_code == 200
    wide.database.come_up()
    wait_for(lambda: post(gateway).status_code == 200, "it is served again")
    assert len(wide.stub.reached()) == 1
    # What nobody knew to be reserved has been taken back.
    wait_for(lambda: wide.spent()["day"]["requests"] in (1, 2), "the books are right")


def test_what_is_not_pinned_or_not_priced_does_not_pass(wide: World) -> None:
    gateway = wide.gateway()
    body = refused(post(gateway, endpoint="ep-comic"), 404, "unknown_endpoint")
    assert body["known"] == ["comic"]
    for method, path in (
        ("POST", "comic/purge-queue"),
        ("POST", "comic/retry/job-1"),
        ("POST", "comic/openai/v1/chat/completions"),
        ("GET", "comic/cancel/job-1"),
        ("DELETE", "comic"),
        ("GET", "comic/run"),
        ("POST", "comic/health/"),
    ):
        body = refused(http.request(method, f"{gateway.url}/v2/{path}"), 403, "not_let_through")
        assert body["let_through"] == ["run", "runsync", "status", "stream", "cancel", "health"]
    refused(http.get(f"{gateway.url}/metrics"), 403, "not_let_through")
    assert not wide.stub.reached("purge-queue", "retry", "cancel")


def test_a_body_that_is_none_never_leaves(wide: World) -> None:
    gateway = wide.gateway()
    bodies: list[dict[str, Any]] = [{"content": b"no json", "json": None}, {"json": [1]}, {"json": {"inputs": {}}}]
    for options in [*bodies, {"params": {"wait": "soon"}}]:
        refused(post(gateway, **options), 400, "bad_request")
    refused(post(gateway, "run", json=story(text="x" * 10_000_000)), 413, "too_large")
    assert not wide.calls()


def test_production_knows_only_its_own_jobs(wide: World) -> None:
    wide.config["tier"] = "production"
    gateway = wide.gateway()
    theirs = http.post(f"{wide.stub.url}/v2/ep-comic/run", json=story(), headers={"Authorization": f"Bearer {OTHER_KEY}"})
    refused(http.get(f"{gateway.url}/v2/comic/status/{theirs.json()['id']}"), 404, "unknown_job")
    refused(http.get(f"{gateway.url}/v2/comic/status/..%2fhealth"), 403, "not_let_through")


def test_the_provider_is_told_to_stop_a_job_when_its_price_is_reached(wide: World) -> None:
    gateway = wide.gateway()
    for policy, milliseconds in ((None, 10_000), ({"executionTimeout": 6000}, 6000), ({"executionTimeout": 900_000}, 10_000)):
        post(gateway, "run", json={**story(), "policy": policy})
        assert wide.stub.reached()[-1]["timeout_milliseconds"] == milliseconds


def counted(wide: World, metric: str) -> dict[tuple[str, str], float]:
    rows = wide.database.rows("select * from ml_gateway.counted where metric = %s and le in ('', '+Inf')", metric)
    return {(row["endpoint"], row["label"]): row["value"] for row in rows}


def is_counted(wide: World, metric: str, known: dict[tuple[str, str], int]) -> bool:
    return counted(wide, metric) == known


def test_the_books_add_up_what_all_gateways_have_counted_also_those_that_were_killed(wide: World) -> None:
    wide.limits(requests_per_day=4)
    for answers in (2, 4):
        gateway = wide.gateway()
        assert [post(gateway).status_code for _ in range(2)] == [200, 200]
        known = {("comic", "runpod"): answers}
        wait_for(partial(is_counted, wide, "answered_total", known), "the answers are in the books")
        gateway.kill()
    gateway = wide.gateway()
    assert post(gateway, headers={"X-ML-Caller": "somebody"}).status_code == 402
    assert post(gateway, endpoint="made-up").status_code == 404
    refusals = {("comic", "requests_per_day"): 1, ("", "unknown_endpoint"): 1}
    wait_for(partial(is_counted, wide, "refused_total", refusals), "the refusals are in the books")
    assert counted(wide, "answered_total") == {("comic", "runpod"): 4}
    assert counted(wide, "seconds_bucket") == {("comic", "runsync"): 4}
    rows = wide.database.rows("select le, value from ml_gateway.counted where metric = 'seconds_bucket'")
    buckets = sorted((float(row["le"]), row["value"]) for row in rows)
    assert buckets[-1] == (float("inf"), 4)
    assert [value for _, value in buckets] == sorted(value for _, value in buckets)
