"""Databases of a Postgres cluster that lives as long as the tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]

from tests.deep import pytest_collection_modifyitems
from tests.hangs import never_hangs, pytest_configure
from tests.migrations.postgres import Cluster, Database, cluster

__all__ = ["never_hangs", "pytest_collection_modifyitems", "pytest_configure"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    with cluster() as found:
        yield found


@pytest.fixture
def database(postgres: Cluster) -> Iterator[Database]:
    with postgres.database() as found:
        yield found


@pytest.fixture(scope="session")
def cli() -> str:
    """Supabase's own."""
    return tool("SUPABASE_CLI")


@pytest.fixture(scope="session")
def squawk() -> str:
    return tool("SQUAWK")


def tool(variable: str) -> str:
    found = os.environ.get(variable, "")
    if not os.access(found, os.X_OK):
        pytest.fail(
            f"${variable} is {found or 'empty'}, expected the program of tests/migrations/tools: make migrations", pytrace=False
        )
    return found
