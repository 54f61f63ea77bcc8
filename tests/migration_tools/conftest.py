"""Databases of a Postgres cluster that lives as long as the tests."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]

from tests.deep import pytest_collection_modifyitems
from tests.hangs import never_hangs, pytest_configure
from tests.migrations.conftest import database, postgres

__all__ = ["database", "never_hangs", "postgres", "pytest_collection_modifyitems", "pytest_configure"]
