"""Jobs of /run, long calls of /runsync, and streams; by the vendor's own client too."""

from __future__ import annotations

import asyncio
import json
import time

import httpx
import pytest
import runpod

from tests.ml_gateway.test_refusals import post
from tests.ml_gateway.world import KEY, PRICE, World, agree, http, settle_to_the_log, story, wait_for


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runpod, "api_key", KEY)


def at(url: str, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> runpod.Endpoint:
    monkeypatch.setattr(runpod, "endpoint_url_base", f"{url}/v2")
    return runpod.Endpoint(endpoint)


@pytest.mark.deep
def test_the_vendors_client_finds_in_the_stub_what_it_finds_at_the_vendor(
    wide: World, vendor: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = at(wide.stub.url, "ep-vendor", monkeypatch)
    assert [panel["caption"] for panel in endpoint.run_sync(story())["panels"]] == ["A fox runs.", "It sleeps."]
    job = endpoint.run(story(1))
    assert job.status() in ("IN_QUEUE", "IN_PROGRESS")
    assert len(job.output(timeout=60)["panels"]) == 2
    assert [part["part"] for part in endpoint.run(story(1, chunks=3)).stream()] == [0, 1, 2]
    job = endpoint.run(story(600))
    assert job.cancel()["status"] == "CANCELLED"
    assert job.status() == "CANCELLED"
    failing = endpoint.run(story(0, fail="out of memory"))
    wait_for(lambda: failing.status() == "FAILED", "it fails")
    waiting = endpoint.run(story(queue_seconds=600))
    assert endpoint.health()["jobs"] == {"completed": 3, "failed": 1, "inProgress": 0, "inQueue": 1, "retried": 0}
    assert endpoint.purge_queue() == {"removed": 1, "status": "completed"}
    with pytest.raises(Exception, match="404"):
        waiting.status()
    monkeypatch.setattr(runpod, "api_key", "nobody's")
    with pytest.raises(RuntimeError, match="401"):
        at(wide.stub.url, "ep-comic", monkeypatch).run(story())
    assert len({line["key"] for line in wide.stub.reached()}) == 2


def test_the_vendors_client_works_through_the_gateway(wide: World, vendor: None, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = at(wide.gateway().url, "comic", monkeypatch)
    assert len(endpoint.run_sync(story())["panels"]) == 2
    assert len(endpoint.run(story(1)).output(timeout=60)["panels"]) == 2
    assert [part["part"] for part in endpoint.run(story(1, chunks=3)).stream()] == [0, 1, 2]
    job = endpoint.run(story(600))
    assert job.cancel()["status"] == "CANCELLED"
    assert endpoint.health()["workers"]["idle"] == 1
    states = [call["state"] for call in wide.settled()]
    assert states == ["settled"] * 4
    agree(wide)


@pytest.mark.deep
def test_a_job_that_nobody_asks_for_is_priced_by_its_execution_time(wide: World) -> None:
    assert post(wide.gateway(), "run", json=story(3)).json()["status"] == "IN_QUEUE"
    assert wide.calls()[0]["job"] is not None
    assert settle_to_the_log(wide) == {"settled": 1}
    assert wide.spent()["day"]["money"] == wide.spent()["month"]["money"] == PRICE * 3


@pytest.mark.deep
def test_a_long_runsync_is_held_and_its_job_is_known_after_a_second(wide: World) -> None:
    gateway = wide.gateway()

    async def held() -> httpx.Response:
        async with httpx.AsyncClient(timeout=300, verify=False, trust_env=False) as client:
            call = asyncio.create_task(client.post(f"{gateway.url}/v2/comic/runsync", json=story(6)))
            await asyncio.to_thread(wait_for, lambda: wide.calls() and wide.calls()[0]["job"], "the job is known")
            assert not call.done()
            return await call

    assert asyncio.run(held()).json()["status"] == "COMPLETED"
    settle_to_the_log(wide)


@pytest.mark.deep
def test_a_runsync_is_answered_when_the_caller_has_waited_as_long_as_it_asked_for(wide: World) -> None:
    answer = post(wide.gateway(), params={"wait": "2000"}, json=story(8))
    assert (answer.status_code, answer.json()["status"]) == (200, "IN_PROGRESS")
    assert settle_to_the_log(wide) == {"settled": 1}


def test_a_failed_job_costs_what_it_ran(wide: World) -> None:
    assert post(wide.gateway(), json=story(0.5, fail="out of memory")).json()["error"] == "out of memory"
    settle_to_the_log(wide)
    assert wide.spent()["day"]["money"] == PRICE / 2


def test_a_price_for_each_request_is_added_whatever_it_ran(wide: World) -> None:
    wide.endpoint("comic", price_per_second=None, price_per_request="0.02")
    assert post(wide.gateway()).status_code == 200
    wide.settled()
    assert float(wide.spent()["day"]["money"]) == 0.02


def test_a_stream_comes_through_part_by_part(wide: World) -> None:
    gateway = wide.gateway()
    job = post(gateway, "run", json=story(4, chunks=4, hold_stream=True)).json()["id"]
    came: list[tuple[float, bytes]] = []
    with http.stream("GET", f"{gateway.url}/v2/comic/stream/{job}") as answer:
        assert answer.headers["content-type"] == "application/json"
        for part in answer.iter_raw():
            came.append((time.monotonic(), part))
    whole = json.loads(b"".join(part for _, part in came))
    assert [part["output"]["part"] for part in whole["stream"]] == [0, 1, 2, 3]
    # The first part is a second old when the second one is made, and the last comes three seconds after the first.
    first, last = (next(when for when, part in came if b'"part": %d' % number in part) for number in (0, 3))
    assert last - first > 1.5
    settle_to_the_log(wide)


@pytest.mark.deep
def test_the_callers_and_models_are_in_the_books(wide: World) -> None:
    post(wide.gateway(), headers={"X-ML-Caller": "api 1.2.0"})
    call = wide.calls()[0]
    assert (call["caller"], call["endpoint"], call["provider"], call["model"]) == (
        "api 1.2.0",
        "comic",
        "runpod",
        "comic-xl@1.4.0",
    )


def test_a_gateway_that_is_told_to_stop_ends_what_it_has_begun(wide: World) -> None:
    gateway = wide.gateway()

    async def stopped() -> httpx.Response:
        async with httpx.AsyncClient(timeout=300, verify=False, trust_env=False) as client:
            call = asyncio.create_task(client.post(f"{gateway.url}/v2/comic/runsync", json=story(3)))
            await asyncio.to_thread(wait_for, wide.stub.reached, "the call is at the provider")
            await asyncio.to_thread(gateway.stop)
            return await call

    assert asyncio.run(stopped()).json()["status"] == "COMPLETED"
    assert [call["state"] for call in wide.calls()] == ["settled"]


@pytest.mark.deep
def test_what_json_can_hold_and_utf_8_cannot_gets_through(wide: World) -> None:
    body = b'{"input": {"prompt": "half a character: \\ud800", "number": NaN}}'
    assert post(wide.gateway(), json=None, content=body).status_code == 200
    settle_to_the_log(wide)
