from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from tests.deep import pytest_collection_modifyitems
from tests.ml_gateway.postgres import Cluster, cluster
from tests.ml_gateway.world import Providers, World, providers, world

__all__ = ["pytest_collection_modifyitems"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """No test here takes the machine away from under it, so it need not wait for the disk."""
    with cluster("fsync=off") as found:
        yield found


@pytest.fixture(scope="session")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Providers]:
    with providers(tmp_path_factory.mktemp("providers")) as found:
        yield found


@pytest.fixture
def wide(postgres: Cluster, stubs: Providers, tmp_path: Path) -> Iterator[World]:
    """A database, a provider and a mock. Gateways are started by the test, which first says what they are told."""
    with postgres.database() as database, world(tmp_path, database, stubs) as found:
        yield found
