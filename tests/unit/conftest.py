"""Makes the collection importable as users import it, and keeps any test from hanging."""

from __future__ import annotations

import faulthandler
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, configuration, settings

ROOT = Path(__file__).parents[2]
# First, so that no other installed copy of the collection is tested by mistake; the root is there for tests.unit.simulation.
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]

from tests.unit.effort import examples

# Long: on a busy machine one of many runs takes minutes.
HANGS_AFTER_SECONDS = 900

configuration.set_hypothesis_home_dir(ROOT / ".cache" / "hypothesis")
# A simulated rollout takes milliseconds, but not the same ones on every machine: no deadline per example.
settings.register_profile(
    "unit", max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("unit")

_terminal = sys.__stderr__


def pytest_configure() -> None:
    global _terminal
    # Here pytest does not capture, so this is where a person sees what hangs.
    _terminal = os.fdopen(os.dup(2), "w")


@pytest.fixture(autouse=True)
def _never_hangs() -> Iterator[None]:
    """Threads that wait for each other end the whole run with every stack printed, instead of running on for ever."""
    assert _terminal is not None
    faulthandler.dump_traceback_later(HANGS_AFTER_SECONDS, exit=True, file=_terminal)
    yield
    faulthandler.cancel_dump_traceback_later()
