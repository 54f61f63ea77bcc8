"""Remembers what each step of a scenario found, by the name of its directory of tests."""

from __future__ import annotations

import pytest
from moments import Moment, observe, remember
from testinfra.host import Host


@pytest.fixture(scope="module", autouse=True)
def moment(host: Host, request: pytest.FixtureRequest) -> Moment:
    """The host as these tests found it."""
    found = observe(host)
    remember(request.path.parent.name, found)
    return found
