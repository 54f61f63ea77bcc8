"""What a service that serves says of what it depends on, in the status of its host."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.filter.status_report import status_report
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.status_table import table

from tests.unit.damage.damaged_world import World
from tests.unit.damage.memory_docker import Box


@pytest.fixture
def said() -> dict[str, dict[str, str]]:
    """Container -> what it says beside its version."""
    return {}


@pytest.fixture(autouse=True)
def _replicas_say_more(monkeypatch: pytest.MonkeyPatch, said: dict[str, dict[str, str]]) -> None:
    health = World._health

    def more(self: World, box: Box) -> dict[str, Any]:
        return {**health(self, box), "dependencies": said.get(box.name, {"database": "ok", "ml": "ok"})}

    monkeypatch.setattr(World, "_health", more)


def test_what_replicas_say_is_down_is_in_the_status_and_is_no_drift(world: World, said: dict[str, dict[str, str]]) -> None:
    assert world.status()["dependencies"] == []
    first, second = sorted(box.name for box in world.replicas())
    said[first] = said[second] = {"database": "ok", "ml": "down: HTTP 401"}
    found = world.status()
    assert found["dependencies"] == ["api: 2 of 2 replicas say that ml is not well: down: HTTP 401"]
    assert (found["drift"], found["mend"]) == ([], [])
    assert found["services"][0] == {"name": "api", "wanted": 2, "running": 2, "healthy": 2}
    lines = table(status_report({"app-1": found}, {}, "staging"), time.time())
    assert "  app-1: api: 2 of 2 replicas say that ml is not well: down: HTTP 401" in lines
    said[second] = {}
    assert world.status()["dependencies"] == ["api: 1 of 2 replicas say that ml is not well: down: HTTP 401"]
