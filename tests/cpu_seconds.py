"""Names the units that cost more than they may, in CPU seconds: these do not depend on what else the machine does.

A conftest.py takes the three hooks: ``from tests.cpu_seconds import pytest_runtest_call, ...``.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable

import pytest

A_UNIT = 1.0
_SPENT = "CPU seconds"
_began = pytest.StashKey[float]()


def spent() -> float:
    """By this process and those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    item.stash[_began] = spent()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    try:
        return (yield)
    finally:
        item.user_properties.append((_SPENT, round(spent() - item.stash[_began], 2)))


def dear(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Those that cost more than a unit may, the dearest first."""
    found = [(float(str(value)), one.nodeid) for one in reports for name, value in one.user_properties if name == _SPENT]
    return [f"{seconds:5.1f}  {name}" for seconds, name in sorted(found, reverse=True) if seconds > A_UNIT]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    ended = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    lines = dear(report for report in ended if isinstance(report, pytest.TestReport) and report.when == "call")
    if lines:
        terminalreporter.section(f"units of more than {A_UNIT:g} s of CPU; see docs/development.md")
        for line in lines:
            terminalreporter.write_line(line)
