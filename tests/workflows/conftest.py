from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from tests.deep import pytest_collection_modifyitems

__all__ = ["pytest_collection_modifyitems"]
