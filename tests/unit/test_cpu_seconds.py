"""Which units are named at the end of a run, because they cost too much."""

from __future__ import annotations

import time
from collections.abc import Generator
from types import SimpleNamespace
from typing import Any

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
        report("a.py::first", ("CPU seconds", 0.1), ("CPU seconds of a.py::host", 1.5), ("CPU seconds of a.py::cheap", 0.5)),
    ]
    assert dear(reports) == [" 12.0  a.py::dearest", "  1.5  a.py::host", "  1.2  a.py::dear"]


def test_what_this_process_computes_counts_and_what_it_waits_for_does_not() -> None:
    before = cpu_seconds.spent()
    time.sleep(0.05)
    asleep = cpu_seconds.spent()
    while cpu_seconds.spent() < asleep + 0.02:
        pass
    assert asleep - before < 0.04
    assert cpu_seconds.spent() >= asleep + 0.02


def _compute(seconds: float) -> None:
    until = cpu_seconds.spent() + seconds
    while cpu_seconds.spent() < until:
        pass


def test_what_several_share_is_charged_for_by_itself_and_what_one_has_alone_to_it() -> None:
    session = SimpleNamespace(stash=pytest.Stash())
    item: Any = SimpleNamespace(stash=pytest.Stash(), user_properties=[], session=session)
    request: Any = SimpleNamespace(session=session)
    within: Any = SimpleNamespace(scope="session", baseid="a.py", argname="server")
    around: Any = SimpleNamespace(scope="module", baseid="a.py", argname="host")
    alone: Any = SimpleNamespace(scope="function", baseid="a.py", argname="world")
    set_up, run = cpu_seconds.pytest_runtest_setup(item), cpu_seconds.pytest_runtest_call(item)
    next(set_up)
    # A fixture that asks for another one while it is made.
    for fixture, asked in ((around, within), (alone, None)):
        making = cpu_seconds.pytest_fixture_setup(fixture, request)
        next(making)
        _compute(0.04)
        if asked:
            other = cpu_seconds.pytest_fixture_setup(asked, request)
            next(other)
            _compute(0.1)
            _end(other)
        _end(making)
    _end(set_up)
    next(run)
    _compute(0.02)
    _end(run)
    costs = dict(item.user_properties)
    assert 0.1 <= costs["CPU seconds of a.py::server"] < 0.14
    assert 0.04 <= costs["CPU seconds of a.py::host"] < 0.09
    assert 0.06 <= costs["CPU seconds"] < 0.1


def _end(hook: Generator[None, object, object]) -> None:
    with pytest.raises(StopIteration):
        hook.send(None)
