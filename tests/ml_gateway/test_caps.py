"""Never more than the cap reaches the provider, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal
from itertools import cycle
from random import Random
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.ml_gateway.world import PRICE, Process, World, agree, http, settle_to_the_log, story, wait_for

CALLS, CAP = 200, 117


async def at_once(urls: list[str], number: int, seconds: float = 0.05, operation: str = "runsync") -> Counter[int]:
    """The answers' statuses; 0 where there was none."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(timeout=300, limits=limits, verify=False, trust_env=False) as client:

        async def call(url: str) -> int:
            try:
                return int((await client.post(f"{url}/v2/comic/{operation}", json=story(seconds))).status_code)
            except httpx.HTTPError:
                return 0

        return Counter(await asyncio.gather(*(call(url) for url, _ in zip(cycle(urls), range(number), strict=False))))


def test_two_gateways_and_200_calls_at_once_against_a_cap_of_117_requests(wide: World) -> None:
    wide.limits(requests_per_day=CAP)
    urls = [wide.gateway().url, wide.gateway().url]
    assert asyncio.run(at_once(urls, CALLS)) == {200: CAP, 402: CALLS - CAP}
    assert len(wide.stub.reached()) == CAP
    assert settle_to_the_log(wide) == {"settled": CAP}
    assert wide.spent()["day"]["money"] == PRICE * Decimal("0.05") * CAP


@pytest.mark.deep
def test_a_cap_of_money_holds_for_what_calls_could_cost_and_is_given_back_when_they_cost_less(wide: World) -> None:
    wide.endpoint("comic", timeout_seconds=10)
    most = PRICE * 10
    wide.limits(money_per_day=str(most * 5))
    urls = [wide.gateway().url, wide.gateway().url]
    statuses = asyncio.run(at_once(urls, 40, seconds=3))
    # Each takes three seconds and all come at once, so no one's change was there for another.
    assert statuses == {200: 5, 402: 35}
    assert len(wide.stub.reached()) == 5
    settle_to_the_log(wide)
    assert wide.spent()["day"]["money"] == PRICE * 3 * 5
    assert asyncio.run(at_once(urls, 3)) == {200: 3}


def waits(wide: World, connection: psycopg.Connection[Any]) -> None:
    """Until what was asked by this connection waits for another transaction."""
    query = "select pid from pg_stat_activity where pid = %s and wait_event_type = 'Lock'"
    wait_for(lambda: wide.database.rows(query, connection.info.backend_pid), "it waits")


def test_of_two_reservations_at_once_the_second_waits_to_see_the_first(wide: World) -> None:
    """One call is left under the cap. Whoever comes while another one has read the books and not yet written must wait."""
    wide.gateway().kill()
    query = "select verdict from ml_gateway.reserve_2(%s, '', 'comic', 'runpod', '', '', 1, 60, 9, '{\"requests_per_day\": 2}')"

    def reserve(connection: psycopg.Connection[tuple[str]]) -> str:
        return str((connection.execute(query, (uuid4(),)).fetchone() or ("",))[0])

    with ExitStack() as ending:
        stops, first, second = (ending.enter_context(psycopg.connect(wide.database.url, autocommit=one > 0)) for one in range(3))
        assert reserve(first) == "granted"
        # What is read may be read, and nothing may be written.
        stops.execute("lock table ml_gateway.calls in share mode")
        pool = ending.enter_context(ThreadPoolExecutor())
        answers = []
        for connection in (first, second):
            answers.append(pool.submit(reserve, connection))
            waits(wide, connection)
        stops.commit()
        assert [answer.result() for answer in answers] == ["granted", "requests_per_day"]
    assert wide.spent()["day"]["requests"] == 2


def test_of_two_that_settle_one_call_at_once_the_second_waits_and_gives_nothing_back_again(wide: World) -> None:
    """The gateway that was answered, and another one that has asked the provider meanwhile."""
    wide.gateway().kill()
    call = uuid4()
    wide.database.rows("select ml_gateway.reserve_2(%s, '', 'comic', 'runpod', '', '', 10, 60, 9, '{}')", call)
    query = "select ml_gateway.settle_1(%s, 'job', 'settled', 4)"

    def settle(connection: psycopg.Connection[tuple[bool]]) -> bool:
        return bool((connection.execute(query, (call,)).fetchone() or (False,))[0])

    with psycopg.connect(wide.database.url) as first, psycopg.connect(wide.database.url, autocommit=True) as second:
        assert settle(first)
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(settle, second)
            waits(wide, second)
            first.commit()
            assert answer.result()
    assert wide.spent()["day"]["money"] == 4
    agree(wide)


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=[pytest.mark.deep] if seed >= 1 else []) for seed in range(20)])
def test_gateways_killed_and_connections_cut_at_any_time(wide: World, seed: int) -> None:
    """Half of the runs kill a gateway, the other half cut the connections to the database; when, the seed says."""
    chance = Random(seed)
    wide.limits(requests_per_day=CAP)
    # Short, so that what nobody can know any more is given up while the test waits.
    wide.endpoint("comic", timeout_seconds=5)
    gateways = [wide.gateway(), wide.gateway()]

    async def disturb(gateways: list[Process]) -> None:
        for _ in range(chance.randint(1, 3)):
            await asyncio.sleep(chance.uniform(0.05, 1.5))
            if seed % 2:
                await asyncio.to_thread(wide.database.cut)
        if not seed % 2:
            gateways[0].kill()

    async def both() -> Counter[int]:
        load = asyncio.create_task(at_once([gateway.url for gateway in gateways], CALLS, chance.choice([0.05, 0.5, 2])))
        await disturb(gateways)
        return await load

    statuses = asyncio.run(both())
    assert set(statuses) <= {200, 402, 503, 0}
    assert len(wide.stub.reached()) <= CAP
    # The rest of the day goes on, with the gateway that is left.
    asyncio.run(at_once([gateways[1].url], CALLS))
    states = settle_to_the_log(wide)
    assert len(wide.stub.reached()) <= CAP
    assert states["settled"] + states["unknown"] == CAP
    if seed % 2:
        # Nobody was killed, so every call's fate is known, and the whole cap was of use.
        assert states["unknown"] == 0
        assert len(wide.stub.reached()) == CAP


@pytest.mark.deep
def test_what_a_killed_gateway_had_started_is_settled_by_another(wide: World) -> None:
    gateways = [wide.gateway(), wide.gateway()]

    async def killed_meanwhile() -> Counter[int]:
        load = asyncio.create_task(at_once([gateways[0].url], 10, seconds=4))
        await asyncio.to_thread(
            wait_for, lambda: sum(bool(call["job"]) for call in wide.calls()) == 10, "every job's id is known"
        )
        gateways[0].kill()
        return await load

    assert asyncio.run(killed_meanwhile()) == {0: 10}
    assert settle_to_the_log(wide) == {"settled": 10}
    assert wide.spent()["day"]["money"] == PRICE * 4 * 10


def test_a_call_whose_fate_nobody_can_know_counts_as_spent(wide: World) -> None:
    wide.endpoint("comic", timeout_seconds=5)
    gateway = wide.gateway()
    wide.stub.fails("ep-comic", "drop")
    answer = http.post(f"{gateway.url}/v2/comic/run", json=story())
    assert (answer.status_code, answer.json()["reason"]) == (502, "provider_failed")
    assert wide.calls()[0]["state"] == "open"
    wide.database.rows("update ml_gateway.calls set ends_by = now(), look_at = now() returning id")
    assert [call["state"] for call in wide.settled()] == ["unknown"]
    assert wide.spent()["day"]["money"] == PRICE * 5
    agree(wide)
