from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.acceptance.world import PRODUCTION, STAGING, Environment


@pytest.fixture
def staging() -> Environment:
    STAGING.deployed("1.0.0")
    return STAGING


@pytest.fixture
def production() -> Environment:
    PRODUCTION.deployed("1.0.0")
    return PRODUCTION
