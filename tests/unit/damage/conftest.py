from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.unit.damage.damaged_world import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    # Not tmp_path: the path of a socket may have 107 characters at most.
    with TemporaryDirectory() as directory:
        found = World(Path(directory), monkeypatch)
        yield found
        found.close()
