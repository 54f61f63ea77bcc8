"""Makes the collection importable as users import it, leaves out what is deep, and keeps any test from hanging."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# First, so that no other installed copy of the collection is tested by mistake.
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]

from tests.deep import pytest_collection_modifyitems
from tests.hangs import never_hangs, pytest_configure

__all__ = ["never_hangs", "pytest_collection_modifyitems", "pytest_configure"]
