"""Names the units that cost more than they may, in CPU seconds: these do not depend on what else the machine does.

What several tests share, a fixture of a module or of the session, is charged for by itself, and not to the first of them.
A conftest.py takes the four hooks: ``from tests.cpu_seconds import pytest_runtest_call, ...``.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable

import pytest

A_UNIT = 1.0
_SPENT = "CPU seconds"
_began = pytest.StashKey[float]()
# What each of them cost that was made for this test first: its name -> CPU seconds.
_shared = pytest.StashKey[dict[str, float]]()
# The test that is set up or runs, in its session.
_now = pytest.StashKey[pytest.Item]()


def spent() -> float:
    """By this process and those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    item.stash[_began], item.stash[_shared] = spent(), {}
    item.session.stash[_now] = item
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    shared = request.session.stash[_now].stash[_shared]
    before = spent() - sum(shared.values())
    try:
        return (yield)
    finally:
        if fixturedef.scope != "function":
            shared[f"{fixturedef.baseid}::{fixturedef.argname}"] = spent() - sum(shared.values()) - before


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    try:
        return (yield)
    finally:
        shared = item.stash[_shared]
        item.user_properties.append((_SPENT, round(spent() - item.stash[_began] - sum(shared.values()), 2)))
        item.user_properties.extend((f"{_SPENT} of {name}", round(cost, 2)) for name, cost in shared.items())


def dear(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Those that cost more than a unit may, and what units share that does, the dearest first."""
    found = [
        (float(str(value)), name.removeprefix(_SPENT).removeprefix(" of ") or one.nodeid)
        for one in reports
        for name, value in one.user_properties
        if name.startswith(_SPENT)
    ]
    return [f"{seconds:5.1f}  {name}" for seconds, name in sorted(found, reverse=True) if seconds > A_UNIT]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    ended = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    lines = dear(report for report in ended if isinstance(report, pytest.TestReport) and report.when == "call")
    if lines:
        terminalreporter.section(f"units of more than {A_UNIT:g} s of CPU; see docs/development.md")
        for line in lines:
            terminalreporter.write_line(line)
