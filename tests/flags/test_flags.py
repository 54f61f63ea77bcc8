"""Flags switched while the API serves: no restart, no failed request, and each user keeps the side."""

from __future__ import annotations

import asyncio
import importlib
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.flags.world import Delivered, Served, serving, wait_for

USERS = [f"user-{number}" for number in range(10_000)]


@pytest.fixture
def flags(app: str, delivered: Delivered, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the API asks, in this process, on a file of version 1."""
    delivered.share(0)
    found = importlib.import_module(f"{app}.flags")
    monkeypatch.setattr(found, "FILE", str(delivered.path))
    monkeypatch.setattr(found, "POLL_MILLISECONDS", 20)
    asyncio.run(found.load())
    yield found
    found.api.shutdown()


def read(flags: Any, version: int) -> None:
    """Awaits that the flags of this version are read."""
    client = flags.api.get_client()

    def is_read() -> bool:
        metadata = client.get_boolean_details("loud-captions", False).flag_metadata
        return bool(metadata.get("version") == str(version))

    wait_for(is_read, f"version {version} was not read")


@pytest.mark.deep
def test_shares_are_within_two_points_over_ten_thousand_users_and_each_keeps_the_side(flags: Any, delivered: Delivered) -> None:
    before: set[str] = set()
    for percent in (0, 1, 10, 50, 75, 100):
        delivered.share(percent)
        read(flags, delivered.version)
        loud = {user for user in USERS if flags.evaluated(user).loud_captions}
        assert abs(100 * len(loud) / len(USERS) - percent) < 2
        assert before <= loud
        before = loud
    assert before == set(USERS)
    for percent in (50, 0):
        delivered.share(percent)
        read(flags, delivered.version)
        loud = {user for user in USERS if flags.evaluated(user).loud_captions}
        assert loud <= before
        before = loud
    assert before == set()


def test_a_variant_for_all_a_disabled_flag_and_one_that_is_not_there(flags: Any, delivered: Delivered) -> None:
    for to, expected in (("on", True), ("disabled", False), ("enabled", True), ("off", False)):
        delivered.switch("loud-captions", to)
        read(flags, delivered.version)
        assert {flags.evaluated(user).loud_captions for user in USERS[:50]} == {expected}, to
    assert flags.evaluated("anybody").page_theme == "day"


async def _loaded(api: Served, delivered: Delivered) -> tuple[list[str], dict[str, list[bool]]]:
    """What went wrong, and what each user got, in order, while the flag goes from 0 to 50 to 100 percent."""
    wrong: list[str] = []
    seen: dict[str, list[bool]] = defaultdict(list)
    ended = asyncio.Event()

    async def ask(client: httpx.AsyncClient, users: list[str]) -> None:
        while not ended.is_set():
            for user in users:
                try:
                    answer = await client.get(f"{api.url}/api/context", headers={"X-User": user})
                    seen[user].append(answer.raise_for_status().json()["flags"]["loud_captions"])
                except httpx.HTTPError as error:
                    wrong.append(repr(error))

    async def shared(percent: int) -> None:
        delivered.share(percent)
        rounds = {user: len(answers) for user, answers in seen.items()}
        # Until each has been answered by the flags that were brought: 50 percent is between none and all.
        while not all(len(seen[user]) > rounds.get(user, 0) + 1 for user in users) or not _is_at(percent, seen):
            assert not wrong, wrong[0]
            await asyncio.sleep(0.02)

    users = USERS[:200]
    async with httpx.AsyncClient(timeout=60) as client, asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(ask(client, users[number::4]))
        try:
            for percent in (0, 50, 100):
                await shared(percent)
        finally:
            ended.set()
    return wrong, seen


def _is_at(percent: int, seen: dict[str, list[bool]]) -> bool:
    loud = sum(answers[-1] for answers in seen.values())
    return {0: loud == 0, 50: 0.3 < loud / len(seen) < 0.7, 100: loud == len(seen)}[percent]


def test_under_load_a_flag_goes_from_none_to_half_to_all_without_a_restart_or_a_failed_request(
    api: Served, delivered: Delivered
) -> None:
    wrong, seen = asyncio.run(_loaded(api, delivered))
    assert wrong == []
    assert api.process.poll() is None
    # Never back: a user who has it keeps it.
    assert all(answers == sorted(answers) for answers in seen.values())
    assert api.log.read_text().count("Started server process") == 1


def test_a_broken_file_leaves_the_flags_as_they_are_and_a_whole_one_is_read_again(api: Served, delivered: Delivered) -> None:
    delivered.share(100)
    wait_for(lambda: api.loud("anna"), "not switched on")
    delivered.path.write_text("{")
    wait_for(lambda: "Could not parse JSON" in api.log.read_text(), "nobody has read the broken file")
    assert api.loud("anna")
    delivered.bring('{"flags": {}, "metadata": {"version": "9"}}')
    wait_for(lambda: not api.loud("anna"), "a flag that is gone is at its default")


@pytest.mark.parametrize("name", ["nothing.json", ""], ids=["missing", "unnamed"])
@pytest.mark.deep
def test_without_a_file_everything_is_served_by_default(tmp_path: Path, name: str) -> None:
    with serving("api", tmp_path, {"FLAGS_FILE": str(tmp_path / name)} if name else {}) as api:
        assert api.get("/api/context").json()["flags"] == {"loud_captions": False, "page_theme": "day"}


@pytest.mark.deep
def test_a_user_is_told_the_features_by_the_api_and_one_that_nobody_knows_is_always_the_same(
    api: Served, delivered: Delivered
) -> None:
    delivered.share(50)
    wait_for(lambda: any(api.loud(user) for user in USERS[:20]), "not switched on")
    assert len({api.loud("") for _ in range(20)}) == 1
    assert api.get("/api/context", "x" * 201).status_code == 422
    assert api.get("/api/context", "x" * 200).json() == {
        "environment": "staging",
        "release": "1.2.0",
        "flags": {"loud_captions": api.loud("x" * 200), "page_theme": "day"},
    }
