from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The collection first, so that no other installed copy of it is tested by mistake.
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]

from tests.deep import pytest_collection_modifyitems
from tests.logs.world import Engine, Rsyslog, rsyslog

__all__ = ["pytest_collection_modifyitems"]


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture(params=["tls", "plain"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rsyslog]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "rsyslog").mkdir()
    with rsyslog(tmp_path / "rsyslog", port, tls=request.param == "tls") as found:
        yield found
