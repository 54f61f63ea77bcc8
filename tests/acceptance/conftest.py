from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import configuration

ROOT = Path(__file__).parents[2]
# The collection first, so that no other installed copy of it is tested by mistake.
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]
configuration.set_hypothesis_home_dir(ROOT / ".cache" / "hypothesis")

from tests.acceptance.world import PRODUCTION, ROOT, STAGING, Environment


@pytest.fixture
def staging() -> Environment:
    STAGING.deployed("1.0.0")
    return STAGING


@pytest.fixture
def production() -> Environment:
    PRODUCTION.deployed("1.0.0")
    return PRODUCTION


@pytest.fixture
def inventories(tmp_path: Path) -> Path:
    """Copies of the inventories, at the same distance from everything that they name."""
    for name in ("stacks", ".sandbox"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "inventories", tmp_path / "inventories")
    return tmp_path / "inventories"
