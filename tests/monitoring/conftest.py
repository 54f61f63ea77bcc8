from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [one for one in (str(ROOT / "collections"), str(ROOT)) if one not in sys.path]

from tests.deep import pytest_collection_modifyitems

__all__ = ["pytest_collection_modifyitems"]
