"""What a service is given that says nothing of restart reaches the engine, and is no drift."""

from __future__ import annotations

import json

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.migrations import Migrations
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.prepare import prepare
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.wanted import Wanted
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

from tests.unit.damage.damaged_world import LIVE, World, files, stack


@pytest.mark.parametrize(("written", "given"), [(None, "unless-stopped"), ("no", None), ("always", None)])
def test_only_what_says_nothing_of_it_is_given_one(world: World, written: str | None, given: str | None) -> None:
    shipped = files(LIVE)
    model = json.loads(shipped["compose.yml"])
    model["services"]["api"] |= {"restart": written} if written else {}
    model["services"]["db"]["restart"] = "on-failure"
    shipped["compose.yml"] = json.dumps(model).encode()
    host = world.host()
    wanted = Wanted(LIVE, "staging", Stack.of({**stack(), "hardening": {}}), shipped, {})
    found = prepare(host, wanted, Migrations(host.one_offs), check_mode=False)
    end = world._roll(found.id)
    assert end.word == "changed", end.said
    override = json.loads((world.releases.project / "override.json").read_text())["services"]
    assert (override["api"].get("restart"), override["db"].get("restart")) == (given, None)
    assert world.status()["drift"] == []
