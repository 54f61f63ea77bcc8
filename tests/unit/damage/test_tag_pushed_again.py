"""A tag that was pushed again while a release was prepared and never live: the image that it named before does not stay."""

from __future__ import annotations

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.engine import Engine

from tests.unit.damage.damaged_world import World
from tests.unit.damage.test_second_stack import prepared

ROUTES = [{"host": "mall.example", "paths": ["/"]}]
TAG, FIRST, AGAIN = "shop/api:2.0", "sha256:pushed", "sha256:pushed-again"


def pushed(world: World, identity: str) -> None:
    """The tag of the release leads to this image in the registry; where a host has it, the next pull moves it there."""
    world.docker.registry |= {TAG: identity, f"shop/api@{identity}": identity}
    for names in world.docker.images.values():
        names.discard(TAG)


def test_the_image_that_a_killed_run_has_pulled_goes_when_the_next_one_pulls_another(world: World) -> None:
    pushed(world, FIRST)
    assert prepared(world, ROUTES).images["api"]["id"] == FIRST
    assert world.docker.images[FIRST] == {TAG, f"shop/api@{FIRST}"}
    pushed(world, AGAIN)
    assert prepared(world, ROUTES).images["api"]["id"] == AGAIN
    assert world.docker.images[AGAIN] == {TAG, f"shop/api@{AGAIN}"}
    # The engine deletes what has no name any more.
    assert world.docker.images[FIRST] == set()


def test_nothing_goes_where_the_tag_is_as_it_was(world: World) -> None:
    pushed(world, FIRST)
    prepared(world, ROUTES)
    before = {identity: {*names} for identity, names in world.docker.images.items()}
    assert not prepared(world, ROUTES).is_new
    assert world.docker.images == before


def test_an_image_that_containers_run_stays_although_its_tag_was_pushed_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed(world, FIRST)
    prepared(world, ROUTES)
    pushed(world, AGAIN)
    monkeypatch.setattr(Engine, "images_in_use", lambda self: {FIRST})
    prepared(world, ROUTES)
    assert world.docker.images[FIRST] == {f"shop/api@{FIRST}"}
