"""A host whose replicas an older version started, on the edge's home, goes over to the stack's network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.unit.damage.damaged_world import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with TemporaryDirectory() as directory:
        found = World(Path(directory), monkeypatch)
        for box in found.replicas():
            box.networks.discard("edge.shop")
            box.networks.add("edge")
        found.docker.rm_network("edge.shop")
        settings = found.paths.settings
        settings.write_text(json.dumps({**json.loads(settings.read_text()), "format": 1}))
        yield found
        found.close()


def test_they_are_served_where_they_are_and_replaced_by_the_next_deploy(world: World) -> None:
    old = {box.name for box in world.replicas()}
    assert world.serves()
    world.docker.changes.clear()
    end = world.deploy()
    assert (end.word, world.serves()) == ("changed", True)
    assert {frozenset(box.networks) for box in world.replicas()} == {frozenset({"edge.shop", "shop_default"})}
    assert not old & {box.name for box in world.replicas()}
    assert json.loads(world.paths.settings.read_text())["format"] == 2
    changes = world.docker.changes
    joined = changes.index("connect edge-haproxy-1 to edge.shop")
    started = next(number for number, change in enumerate(changes) if change.startswith("start "))
    stopped = next(number for number, change in enumerate(changes) if change.startswith("stop "))
    assert joined < started < stopped
    assert world.status()["drift"] == []


def test_the_edges_role_alone_brings_the_stacks_network_back(world: World) -> None:
    world.deploy()
    before = {box.id for box in world.replicas()}
    world.docker.rm_network("edge.shop")
    assert not world.serves()
    assert world.provision() == ["network edge.shop"]
    assert world.serves()
    assert {box.id for box in world.replicas()} == before
    assert world.provision() == []
