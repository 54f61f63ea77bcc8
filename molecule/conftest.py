"""Remembers what each step of a scenario found, by the name of its directory of tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from moments import Moment, observe, remember
from testinfra.host import Host

sys.path.insert(0, str(Path(__file__).parents[1] / "collections"))


@pytest.fixture(scope="module", autouse=True)
def moment(host: Host, request: pytest.FixtureRequest) -> Moment:
    """The host as these tests found it."""
    found = observe(host)
    remember(request.path.parent.name, found)
    return found
