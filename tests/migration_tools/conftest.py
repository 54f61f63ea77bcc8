"""Databases of a Postgres cluster that lives as long as the tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]

from tests.hangs import never_hangs, pytest_configure
from tests.migrations.postgres import Cluster, Database, cluster

__all__ = ["never_hangs", "pytest_configure"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    with cluster() as found:
        yield found


@pytest.fixture
def database(postgres: Cluster) -> Iterator[Database]:
    with postgres.database() as found:
        yield found
