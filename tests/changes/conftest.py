from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The collection first, so that no other installed copy of it is tested by mistake.
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]

from tests.changes import host
from tests.changes.outcome import Outcome

_outcomes: list[Outcome] = []


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "handful: the changes that CI makes")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _outcomes:
        terminalreporter.section("changes between two releases, under load")
        terminalreporter.write_line(Outcome.HEADER)
        for outcome in _outcomes:
            terminalreporter.write_line(outcome.row())


@pytest.fixture
def outcomes() -> list[Outcome]:
    """Those of all kinds so far."""
    return _outcomes


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Path]:
    """A host without a shop before and after, and a directory for its inventory."""
    host.wipe()
    yield tmp_path
    host.wipe()
