"""Supabase's stand-in, as it runs in the sandbox, and the vendor's clients."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]

from tests.deep import pytest_collection_modifyitems
from tests.hangs import never_hangs, pytest_configure
from tests.supabase.standin import StandIn, standin

__all__ = ["never_hangs", "pytest_collection_modifyitems", "pytest_configure"]


@pytest.fixture
def supabase() -> Iterator[StandIn]:
    with standin() as found:
        yield found


@pytest.fixture(scope="module")
def shared() -> Iterator[StandIn]:
    """For tests that do not mind what others have left there."""
    with standin() as found:
        yield found
