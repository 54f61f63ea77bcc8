from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "collections")]

from tests.deep import pytest_collection_modifyitems
from tests.flags.world import Delivered, Served, directory, serving
from tests.hangs import never_hangs, pytest_configure

__all__ = ["never_hangs", "pytest_collection_modifyitems", "pytest_configure"]


@pytest.fixture
def delivered(tmp_path: Path) -> Delivered:
    """The flags of a host, as a deploy and the playbook bring them."""
    return Delivered(tmp_path / "shop")


@pytest.fixture
def api(tmp_path: Path, delivered: Delivered) -> Iterator[Served]:
    """With flags of version 1."""
    delivered.share(0)
    with serving("api", tmp_path, {"FLAGS_FILE": str(delivered.path)}) as found:
        yield found


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The sources of the API can be imported as they are in its image."""
    with directory("api", tmp_path_factory.mktemp("app")) as found:
        sys.path.insert(0, str(found))
        yield "app"
        sys.path.remove(str(found))
