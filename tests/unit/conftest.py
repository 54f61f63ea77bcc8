"""Makes the collection importable as users import it, leaves out what is deep, says how hard property tests try and what units
cost; none may hang.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import HealthCheck, configuration, settings

ROOT = Path(__file__).parents[2]
# First, so that no other installed copy of the collection is tested by mistake; the root is there for tests.unit.simulation.
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]

from tests.cpu_seconds import pytest_fixture_setup, pytest_runtest_call, pytest_runtest_setup, pytest_terminal_summary
from tests.deep import pytest_collection_modifyitems
from tests.hangs import never_hangs, pytest_configure
from tests.unit.effort import examples

__all__ = [
    "never_hangs",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_fixture_setup",
    "pytest_runtest_call",
    "pytest_runtest_setup",
    "pytest_terminal_summary",
]

configuration.set_hypothesis_home_dir(ROOT / ".cache" / "hypothesis")
# A simulated rollout takes milliseconds, but not the same ones on every machine: no deadline per example.
settings.register_profile(
    "unit", max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("unit")
