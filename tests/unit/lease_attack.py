"""Attack the lease of a simulated fleet, and say how many steps that were: HYPOTHESIS_EFFORT=5 python -m tests.unit.lease_attack

A step is an answer that a host is asked for, or a write on one. It ends with a traceback where one breaks the lease.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]

# First: it says where hypothesis keeps what it finds.
from tests.unit import conftest  # noqa: F401  # isort: skip
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.effort import EFFORT
from tests.unit.plugins.module_utils.lease.test_lease_fleet import Fleet, TestFleet


def attack() -> str:
    """What was tried, in a sentence."""
    before = Fleet.steps
    run_state_machine_as_test(Fleet, settings=TestFleet.settings)
    tried = TestFleet.settings.max_examples
    return f"HYPOTHESIS_EFFORT={EFFORT:g}: {Fleet.steps - before} steps in {tried} examples, and the lease held"


if __name__ == "__main__":
    print(attack())
