"""The damage table, generated: every row x every command. What a command says to type is typed, and must help.

Whatever was broken, status names it; nothing is called unchanged while users get nothing; a refusal says what mends; and after
what was said was done, users are served and status is clean.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

from tests.unit.damage import damaged_world
from tests.unit.damage.damaged_world import LIVE, STACK, End, World, commands, files
from tests.unit.damage.rows import ROWS, Row

COMMANDS: dict[str, Callable[[World], End]] = {
    "deploy of the live release": World.deploy,
    "restart": World.restart,
    "rollback": World.rollback,
}


# Every second damage, and those of which status says nothing, with one of them each time, one after the other; the commands of
# status mend those between.
TRIED = [
    pytest.param(
        row,
        command,
        id=f"{row}-{command}",
        marks=[] if (number % 2 or not row.says) and place == number // 2 % len(COMMANDS) else [pytest.mark.deep],
    )
    for number, row in enumerate(ROWS)
    for place, command in enumerate(COMMANDS)
]


def each(row: Row) -> str:
    return str(row)


@pytest.mark.parametrize("row", ROWS, ids=each)
def test_status_and_check_mode_name_it_and_change_nothing(world: World, row: Row) -> None:
    row.damage(world)
    served = world.serves()
    world.docker.changes.clear()
    found = world.status()
    planned = world.deploy(check=True)
    assert world.docker.changes == []
    if row.says:
        assert any(row.says in sentence for sentence in found["drift"]), found["drift"]
    else:
        assert found["drift"] == []
    assert found["mend"] or not row.says or row.stays or row.refused
    if not served:
        assert planned.word != "unchanged"
        assert found["drift"]
    if planned.word == "refused":
        assert commands(planned.said)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=each(row), marks=[pytest.mark.deep] if number % 2 else [])
        for number, row in enumerate(ROWS)
        if row.says
    ],
)
def test_the_commands_of_status_mend_it(world: World, row: Row) -> None:
    row.damage(world)
    found = world.status()
    for one in [*commands("\n".join(found["drift"])), *found["mend"]]:
        world.obey(one)
    assert world.serves()
    left = world.status()["drift"]
    assert left == [] or (row.stays and not found["mend"])


@pytest.mark.parametrize(("row", "command"), TRIED)
def test_what_is_said_mends_it(world: World, row: Row, command: str) -> None:
    row.damage(world)
    served = world.serves()
    end = COMMANDS[command](world)
    if end.word == "unchanged":
        assert served
    if end.word in ("refused", "failed"):
        assert row.refused, end.said
        assert "Nothing was changed" in end.said or end.word == "refused"
        typed = commands(end.said)
        assert typed, end.said
        for one in typed[:1]:
            world.obey(one)
        end = COMMANDS[command](world)
    # Two damages at once say so one after the other.
    for _ in range(2):
        if end.word == "refused":
            for one in commands(end.said)[:1]:
                world.obey(one)
            end = COMMANDS[command](world)
    assert end.word in ("changed", "unchanged"), end.said
    assert world.serves()
    if not row.stays and command != "rollback":
        assert world.status()["drift"] == []


@pytest.mark.parametrize("changes", [pytest.param(one, marks=[pytest.mark.deep] if one % 3 else []) for one in range(12)])
def test_an_engine_that_stops_in_the_middle_is_never_called_as_it_was(world: World, changes: int) -> None:
    """What was started stays, so the run has not been refused; and once the engine is back, the same command ends it."""
    before = {box.id for box in world.docker.boxes.values()}
    world.docker.fuse = changes
    end = world.rollback()
    if {box.id for box in world.docker.boxes.values()} != before:
        assert (end.word, end.left) in (("failed", "mixed"), ("changed", ""))
    elif end.word == "failed":
        assert end.left in ("mixed", "as_before")
    world.docker.fuse, world.docker.dead = None, False
    again = world.rollback() if end.word != "changed" else end
    assert again.word == "changed", again.said
    assert world.serves()


def test_the_edges_role_alone_brings_users_back_when_its_network_was_lost(world: World) -> None:
    """It knows why replicas are on no network of the edge: so it connects them, and nobody has to deploy at night."""
    before = {box.id for box in world.replicas()}
    world.docker.rm_network("edge")
    assert not world.serves()
    assert world.provision() == ["network"]
    assert world.serves()
    assert ({box.id for box in world.replicas()}, world.status()["drift"]) == (before, [])
    assert world.provision() == []


def test_the_edges_role_leaves_alone_who_was_taken_off_a_network_that_is_there(world: World) -> None:
    """Somebody may have had a reason."""
    name = world.replicas()[0].name
    world.docker.disconnect("edge.shop", name)
    world.docker.kill("edge-haproxy-1")
    world.provision()
    assert "edge.shop" not in world.docker.box(name).networks


def test_users_are_asked_as_the_public_check_says_at_the_ports_that_the_edge_has(world: World) -> None:
    """Where the edge listens, and who ends TLS, is the edge's own matter."""
    host = world.host()
    check = {"url": "http://shop.example/health", "version": "version", "headers": {"X-Probe": "1"}}
    target = SimpleNamespace(stack=Stack(public_check=check), release=LIVE, routes={"shop.example/": "api"})
    [asked] = host.users(target)  # type: ignore[arg-type]
    assert asked.address == f"127.0.0.1:{world.port}"
    assert (asked.url, dict(asked.headers), asked.expectation.release) == (check["url"], {"X-Probe": "1"}, LIVE)
    [route] = host.users(SimpleNamespace(stack=Stack(), routes=target.routes))  # type: ignore[arg-type]
    assert (route.address, route.url) == (f"127.0.0.1:{world.port}", "http://shop.example/")


def test_a_replica_that_is_cut_off_is_named_once_and_not_called_healthy(world: World) -> None:
    name = world.replicas()[0].name
    world.docker.disconnect("edge.shop", name)
    found = world.status()
    assert found["drift"] == [f"{name} is not on the network edge.shop"]
    assert found["services"][0] == {"name": "api", "wanted": 2, "running": 2, "healthy": 1}
    assert found["mend"] == ["ansible-playbook deploy.yml -i inventories/staging -e stack_release=1.1"]


@pytest.mark.parametrize("lost", [True, False], ids=["with one that was removed", "and nothing else"])
def test_a_release_may_bring_a_volume_and_does_not_take_over_one_that_was_lost(
    world: World, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    """What the live release never had is made without a word; what it had is missed by its name."""
    for box in world.replicas("db"):
        world.docker.rm(box.name)
    if lost:
        del world.docker.volumes[f"{STACK}_data"]
    before = files(LIVE)

    def with_another(release: str) -> dict[str, bytes]:
        model = json.loads(before["compose.yml"])
        model["services"]["db"]["volumes"].append({"type": "volume", "source": "more", "target": "/more"})
        model["volumes"]["more"] = {"name": f"{STACK}_more"}
        return {"compose.yml": json.dumps(model).encode()}

    monkeypatch.setattr(damaged_world, "files", with_another)
    end = world.deploy("1.1")
    assert (end.word == "refused", "shop_data" in end.said) == (lost, lost), end.said
    assert "shop_more" not in end.said
    assert (f"{STACK}_more" in world.docker.volumes) is not lost
