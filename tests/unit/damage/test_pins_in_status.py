"""Which models the release is pinned to that is live on a host, and after a rollback."""

from __future__ import annotations

import pytest

from tests.unit.damage import damaged_world
from tests.unit.damage.damaged_world import World
from tests.unit.plugins.plugin_utils.config.test_pins import pins


def test_a_rollback_pins_back_and_status_says_to_what(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before, plain = pins("1.4.0"), damaged_world.stack
    monkeypatch.setattr(damaged_world, "stack", lambda: {**plain(), "ml_pins": before})
    world.deploy()
    monkeypatch.setattr(damaged_world, "stack", lambda: {**plain(), "ml_pins": pins("1.5.0")})
    world.deploy()
    assert world.status()["pins"] == pins("1.5.0")
    world.rollback()
    found = world.status()
    assert found["pins"] == before
