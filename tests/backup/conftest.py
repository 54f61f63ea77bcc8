# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases of a Postgres cluster that lives as long as the tests, and age."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]

from tests.backup import age
from tests.backup.world import World
from tests.deep import pytest_collection_modifyitems
from tests.hangs import never_hangs, pytest_configure
from tests.migrations.postgres import Cluster, Database, cluster

__all__ = ["never_hangs", "pytest_collection_modifyitems", "pytest_configure"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    with age.on_the_path(), cluster() as found:
        yield found


@pytest.fixture
def database(postgres: Cluster) -> Iterator[Database]:
    with postgres.database() as found:
        yield found


@pytest.fixture(scope="session")
def key(postgres: Cluster) -> age.Key:
    return age.key()


@pytest.fixture
def world(tmp_path: Path, database: Database, key: age.Key) -> World:
    return World(tmp_path, database, key)
