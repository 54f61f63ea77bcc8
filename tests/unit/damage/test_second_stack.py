"""A second stack on a host: what it may not have is refused when it is prepared, before anything is pulled or changed."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import ConfigError, EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.one_offs import OneOffs
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.migrations import Migrations
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.prepare import Prepared, prepare
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.wanted import Wanted
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

from tests.unit.damage.damaged_world import World, files, stack


def prepared(world: World, routes: list[dict[str, Any]], *, check_mode: bool = False) -> Prepared:
    """The stack mall, whose image is in the registry and not on the host."""
    wanted = {**stack(), "name": "mall"}
    wanted["services"] = [{**wanted["services"][0], "routes": routes}]
    host = StackHost("mall", world.docker.client, world.paths.root, Releases("mall", world.releases.root.parent))
    given = Wanted("2.0", "staging", Stack.of(wanted), files("2.0"), {})
    return prepare(host, given, Migrations(OneOffs(world.docker.client, "mall")), check_mode=check_mode)


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("host", ["shop.example", "SHOP.example."])
def test_the_route_of_another_stack_is_refused_before_anything_is_pulled(world: World, host: str, check_mode: bool) -> None:
    # A pull would say so.
    world.docker.registry.clear()
    with pytest.raises(EdgeError) as refused:
        prepared(world, [{"host": host, "paths": ["/"]}], check_mode=check_mode)
    assert str(refused.value) == (
        'the route shop.example/ leads to the stack "shop" on this host already; give one of the two another host or path. '
        "Nothing was changed"
    )
    assert world.docker.changes == []
    assert not (world.releases.root.parent / "mall" / "releases").exists()


def test_a_route_that_no_preflight_has_seen_is_refused_on_the_host_too(world: World) -> None:
    with pytest.raises(ConfigError) as refused:
        prepared(world, [{"host": "mall.example", "paths": ["/a b"]}])
    assert 'stack.services[0].routes[0].paths[0]: "/a b" holds " ";' in str(refused.value)
