"""The workflows, run from their real files with stand-ins for what lies outside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workflows import scenarios
from tests.workflows.world import World


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda one: str(one.__name__))
def test_run(scenario: Callable[[World], None], tmp_path: Path) -> None:
    scenario(World(tmp_path))
