"""Which units are named at the end of a run, because they cost too much."""

from __future__ import annotations

import time

import pytest

from tests import cpu_seconds
from tests.cpu_seconds import A_UNIT, dear


def report(name: str, *properties: tuple[str, object]) -> pytest.TestReport:
    return pytest.TestReport(name, ("", 0, ""), {}, "passed", None, "call", user_properties=properties)


def test_those_that_cost_too_much_are_named_the_dearest_first() -> None:
    reports = [
        report("a.py::cheap", ("CPU seconds", A_UNIT)),
        report("a.py::dear", ("CPU seconds", 1.24)),
        report("a.py::dearest", ("other", 99), ("CPU seconds", 12.0)),
        report("a.py::unknown"),
    ]
    assert dear(reports) == [" 12.0  a.py::dearest", "  1.2  a.py::dear"]


def test_what_this_process_computes_counts_and_what_it_waits_for_does_not() -> None:
    before = cpu_seconds.spent()
    time.sleep(0.05)
    asleep = cpu_seconds.spent()
    while cpu_seconds.spent() < asleep + 0.02:
        pass
    assert asleep - before < 0.04
    assert cpu_seconds.spent() >= asleep + 0.02
