"""Pools beside what the database allows, with the numbers, at the boundary."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.preflight import pools
from ansible_collections.morpheus.deploy.plugins.plugin_utils.preflight.finding import ERROR, WARNING

ROOM = {"max": 100, "reserved": 3, "others": 37, "limit": -1}
HOSTS = ("app-1", "app-2")


def pool(**more: Any) -> dict[str, Any]:
    return {"service": "api", "size": 5, "processes": 1, "replicas": 3, "order": "start-first", "hosts": [], **more}


def found(*given: dict[str, Any], hosts: Any = HOSTS, at_once: int = 1, room: Any = ROOM, declared: int = 0) -> list[Any]:
    return list(pools.findings(given, hosts, at_once, room, declared))


# One host: replicas x pool x 2, as old and new live side by side.
NEEDED = [
    pytest.param({"hosts": ("app-1",)}, {}, 30, id="start-first on one host: twice"),
    pytest.param({"hosts": ("app-1",)}, {"order": "stop-first"}, 15, id="stop-first: once"),
    pytest.param({}, {}, 45, id="two hosts, one of which is switched"),
    pytest.param({"at_once": 2}, {}, 60, id="two hosts, both at once: twice"),
    pytest.param({"at_once": 9}, {}, 60, id="more at once than there are"),
    pytest.param({}, {"hosts": ["app-2"]}, 30, id="a service that runs on one of them alone"),
    pytest.param({}, {"processes": 4, "hosts": ["app-2"]}, 120, id="four processes a replica"),
]


@pytest.mark.parametrize(("about", "given", "needed"), NEEDED)
def test_a_deploy_needs_what_old_and_new_replicas_have_together(about: Any, given: Any, needed: int) -> None:
    assert found(pool(**given), **about, declared=needed) == []
    [refused] = found(pool(**given), **about, declared=needed - 1)
    assert (refused.level, refused.check) == (ERROR, "connections")
    assert f"{needed} in all" in refused.text
    assert f"expected at most {needed - 1} (stack.database.connections)" in refused.text


def test_the_numbers_are_told_with_where_they_come_from() -> None:
    [refused] = found(pool(), pool(service="worker", order="stop-first", size=8))
    assert refused.text == (
        "connections: api takes 2 hosts x 3 replicas x pool of 5 = 30 and 15 more while 1 host is switched (start-first); worker "
        "takes 2 hosts x 3 replicas x pool of 8 = 48 (stop-first); 93 in all; expected at most 60 (max_connections 100 - 3 "
        "reserved - 37 of others). Lower stack.pools[].size or replicas, write order: stop-first for a service that may be gone "
        "for a moment, or give the database more; what it allows otherwise is said by stack.database.connections"
    )


@pytest.mark.parametrize(
    ("room", "allowed"),
    [
        pytest.param(ROOM, 60, id="what others leave"),
        pytest.param({**ROOM, "limit": 44}, 44, id="a login that is limited to less"),
        pytest.param({**ROOM, "limit": 70}, 60, id="a login that is limited to more than there is"),
        pytest.param({**ROOM, "others": 200}, 0, id="none at all"),
    ],
)
def test_the_database_allows_what_it_says(room: Any, allowed: int) -> None:
    [refused] = found(pool(size=50), room=room)
    assert f"expected at most {allowed} (" in refused.text
    assert (found(pool(replicas=1, size=1, hosts=["app-1"]), room=room) == []) is (allowed >= 2)


def test_what_the_inventory_says_goes_before_what_the_database_says() -> None:
    assert found(pool(), declared=45, room={**ROOM, "max": 10}) == []


def test_where_nobody_can_say_it_is_told_and_refuses_nobody() -> None:
    [told] = found(pool(), room={})
    assert (told.level, "45 in all" in told.text) == (WARNING, True)


def test_without_pools_nothing_is_counted() -> None:
    assert found(room={**ROOM, "max": 0}) == []
