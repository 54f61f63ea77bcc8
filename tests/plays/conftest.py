"""Makes the collection importable as users import it, leaves out what is deep, and keeps any test from hanging."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# First, so that no other installed copy of the collection is tested by mistake.
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]

from tests import hangs
from tests.hangs import never_hangs

__all__ = ["never_hangs"]


def pytest_configure(config: pytest.Config) -> None:
    hangs.pytest_configure()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "deep" in config.option.markexpr:
        return
    deep = [item for item in items if item.get_closest_marker("deep")]
    items[:] = [item for item in items if item not in deep]
    config.hook.pytest_deselected(items=deep)
