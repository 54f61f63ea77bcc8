"""The edge's container: its share of the CPUs, and a replacement that was interrupted."""

from __future__ import annotations

import json

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.settings import CPU_SHARES

from tests.unit.damage.damaged_world import World

EDGE = "edge-haproxy-1"
STAND_IN = "edge-stand-in-stand-in-1"
WHY = f"the edge of this host is being upgraded, or an upgrade was interrupted: the container {STAND_IN} stands in for it"


def test_an_edge_of_an_older_version_gets_its_share_of_the_cpus_while_it_runs(world: World) -> None:
    compose = world.paths.root / "compose.json"
    found = json.loads(compose.read_text())
    assert found["services"]["haproxy"].pop("cpu_shares") == CPU_SHARES
    compose.write_text(json.dumps(found))
    before = world.docker.box(EDGE)
    before.cpu_shares = 0
    reloads = world.haproxy.reloads
    assert world.provision() == ["cpu_shares"]
    assert (world.docker.box(EDGE).id, before.cpu_shares, world.haproxy.reloads) == (before.id, CPU_SHARES, reloads)
    assert json.loads(compose.read_text())["services"]["haproxy"]["cpu_shares"] == CPU_SHARES
    assert world.provision() == []


def test_a_share_that_a_hand_has_changed_is_set_again(world: World) -> None:
    world.docker.box(EDGE).cpu_shares = 2
    assert world.provision() == ["cpu_shares"]
    assert world.docker.box(EDGE).cpu_shares == CPU_SHARES


def stands_in(world: World) -> None:
    labels = {
        "com.docker.compose.project": "edge-stand-in",
        "com.docker.compose.service": "stand-in",
        "com.docker.compose.container-number": "1",
        "com.docker.compose.oneoff": "False",
    }
    world.docker.create(STAND_IN, "sha256:haproxy:3.0", labels, ["edge"])
    world.docker.start(STAND_IN)
    world.docker.changes.clear()


def test_while_a_container_stands_in_nobody_changes_the_edge(world: World) -> None:
    stands_in(world)
    refused = f"{WHY}. playbooks/edge_upgrade.yml for this inventory finishes it; then run this again. Nothing was changed"
    with pytest.raises(EdgeError) as error:
        world.provision()
    assert str(error.value) == refused
    for end in (world.restart(), world.rollback()):
        assert (end.word, end.said) == ("refused", refused)
    assert world.docker.changes == []


def test_a_status_says_that_an_upgrade_was_interrupted_and_what_finishes_it(world: World) -> None:
    stands_in(world)
    found = world.status()
    assert WHY in found["drift"]
    assert found["mend"][0] == "ansible-playbook playbooks/edge_upgrade.yml -i inventories/staging"
