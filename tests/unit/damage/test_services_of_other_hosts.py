"""Services that run on other hosts alone (stack.services[].hosts): this one neither needs their image nor runs them."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.migrations import Migrations
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.prepare import Prepared, prepare
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.wanted import Wanted
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

from tests.unit.damage.damaged_world import LIVE, OLD, World, files, stack


def prepared(world: World, elsewhere: Collection[str], release: str = LIVE, *, check_mode: bool = False) -> Prepared:
    host = world.host()
    wanted = Wanted(release, "staging", Stack.of(stack()).without(elsewhere), files(release), {})
    return prepare(host, wanted, Migrations(host.one_offs), check_mode=check_mode)


def running(world: World) -> dict[str, int]:
    return {service: len(world.replicas(service)) for service in ("api", "db")}


def deploy(world: World, elsewhere: Collection[str]) -> None:
    found = prepared(world, elsewhere)
    assert found.pending
    end = world._roll(found.id)
    assert end.word == "changed", end.said


def test_its_image_is_not_asked_for(world: World) -> None:
    for images in (world.docker.images, world.docker.registry):
        for name in [name for name in images if "postgres" in name]:
            del images[name]
    assert sorted(prepared(world, ["db"]).images) == ["api"]


def test_one_that_moves_to_another_host_goes_here_and_its_data_stays(world: World) -> None:
    identity = prepared(world, []).id
    assert running(world) == {"api": 2, "db": 1}
    deploy(world, ["db"])
    assert running(world) == {"api": 2, "db": 0}
    assert "shop_data" in world.docker.volumes
    assert world.serves()
    # The release is the same on every host.
    again = prepared(world, ["db"])
    assert (again.id, again.pending, again.is_new) == (identity, False, False)
    assert world.status()["drift"] == []
    deploy(world, [])
    assert running(world) == {"api": 2, "db": 1}


@pytest.mark.parametrize("elsewhere", [["db"], []])
def test_a_way_back_leads_to_what_ran_here(world: World, elsewhere: Collection[str]) -> None:
    deploy(world, ["db"])
    prepared(world, elsewhere, OLD)
    end = world.rollback()
    assert end.word == "changed", end.said
    assert running(world) == {"api": 2, "db": 0 if elsewhere else 1}


def test_check_mode_says_that_it_goes(world: World) -> None:
    found = prepared(world, ["db"], check_mode=True)
    assert [str(step) for step in found.steps if step.service == "db"] == ["db: stop shop-db-1", "db: remove shop-db-1"]
    assert running(world) == {"api": 2, "db": 1}
