"""Data of a service that a release no longer has: nothing removes it, and whoever deploys is told where it is."""

from __future__ import annotations

import json

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.migrations import Migrations
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.prepare import Prepared, prepare
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.wanted import Wanted
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

from tests.unit.damage.damaged_world import LIVE, World, files, stack


def without_database(world: World, *, check_mode: bool) -> Prepared:
    wanted = {**stack(), "services": stack()["services"][:1]}
    model = json.loads(files(LIVE)["compose.yml"])
    del model["services"]["db"], model["volumes"]
    host = world.host()
    given = Wanted(LIVE, "staging", Stack.of(wanted), {"compose.yml": json.dumps(model).encode()}, {})
    return prepare(host, given, Migrations(host.one_offs), check_mode=check_mode)


@pytest.mark.parametrize("check_mode", [True, False])
def test_the_volume_of_a_service_that_goes_is_named_and_stays(world: World, check_mode: bool) -> None:
    found = without_database(world, check_mode=check_mode)
    assert [one for one in found.warnings if "volume" in one] == [
        "the volume shop_data, which db of the live release mounts, is mounted by no service of this one. It stays on this host "
        "with its data; when no way back needs it any more: docker volume rm shop_data"
    ]
    assert "shop_data" in world.docker.volumes


def test_nothing_is_said_where_it_is_mounted_as_ever(world: World) -> None:
    host = world.host()
    found = prepare(
        host, Wanted("1.2", "staging", Stack.of(stack()), files(LIVE), {}), Migrations(host.one_offs), check_mode=True
    )
    assert [one for one in found.warnings if "volume" in one] == []


def test_what_is_gone_already_is_not_named(world: World) -> None:
    world.docker.volumes.clear()
    assert [one for one in without_database(world, check_mode=True).warnings if "docker volume rm" in one] == []
