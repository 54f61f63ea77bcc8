from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import configuration

ROOT = Path(__file__).parents[2]
# The collection first, so that no other installed copy of it is tested by mistake.
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]
configuration.set_hypothesis_home_dir(ROOT / ".cache" / "hypothesis")

from tests.acceptance.world import PRODUCTION, STAGING, Environment


@pytest.fixture
def staging() -> Environment:
    STAGING.deployed("1.0.0")
    return STAGING


@pytest.fixture
def production() -> Environment:
    PRODUCTION.deployed("1.0.0")
    return PRODUCTION
