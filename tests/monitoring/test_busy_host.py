"""Alerts of a machine that is short of something, which here is this one: `make monitoring-deep`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.monitoring import busy
from tests.monitoring.conditions import CONDITIONS, Condition
from tests.monitoring.firing import fires_and_ends
from tests.monitoring.world import Prometheus, watched_host

pytestmark = pytest.mark.deep


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with watched_host(tmp_path_factory.mktemp("busy"), **busy.thresholds()) as found:
        yield found


@pytest.mark.parametrize("condition", [one for one in CONDITIONS if one.alone], ids=lambda one: one.alert)
def test_an_alert_fires_when_this_machine_is_short_of_it(prometheus: Prometheus, condition: Condition) -> None:
    fires_and_ends(prometheus, condition)
