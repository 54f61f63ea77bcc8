from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import configuration

ROOT = Path(__file__).parents[2]
# The collection first, so that no other installed copy of it is tested by mistake.
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]
configuration.set_hypothesis_home_dir(ROOT / ".cache" / "hypothesis")

from tests.deep import pytest_collection_modifyitems
from tests.edge_lab.examples import Example
from tests.edge_lab.haproxy import root_file_system
from tests.edge_lab.lab import Result
from tests.edge_lab.pool import Pool, workers

__all__ = ["pytest_collection_modifyitems"]


@pytest.fixture(scope="session", autouse=True)
def _haproxy() -> None:
    """Before any test has a network of its own."""
    root_file_system()


@pytest.fixture(scope="session", autouse=True)
def _tried_from_the_start(request: pytest.FixtureRequest, _haproxy: None) -> None:
    """Beside the tests that are one after the other: most of an example is waiting."""
    if any("pool" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("pool")


@pytest.fixture(scope="session")
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    """Begins with the examples of all tests that were chosen, so that none waits for the one before it."""
    with workers() as found:
        for item in request.session.items:
            callspec = getattr(item, "callspec", None)
            if callspec and "example" in callspec.params:
                found.begin(callspec.params["example"])
        yield found


@pytest.fixture
def tried(pool: Pool) -> Callable[[Example], Result]:
    return lambda example: pool.begin(example).result()
