from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.unit.damage.damaged_world import World
from tests.unit.damage.prepared import PreparedHost, prepared_host


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    # Not tmp_path: the path of a socket may have 107 characters at most.
    with TemporaryDirectory() as directory:
        found = World(Path(directory), monkeypatch)
        yield found
        found.close()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PreparedHost, Callable[[], None]]]:
    with prepared_host() as found:
        yield found, found.keep(tmp_path_factory.mktemp("kept") / "host")


@pytest.fixture
def host(kept: tuple[PreparedHost, Callable[[], None]]) -> PreparedHost:
    """As it was prepared, whatever the test before did to it."""
    found, bring_back = kept
    bring_back()
    return found
