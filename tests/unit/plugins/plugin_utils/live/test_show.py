from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.live.show import MOMENT_SECONDS, Show
from ansible_collections.morpheus.deploy.plugins.plugin_utils.live.times import RUN, Times

from tests.unit.clock import Clock

FAILED = "the gate was not passed\nlog line\nNothing was switched"


class Screen:
    """A region that remembers; and the lines that stay."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.drawn = 0
        self.verdicts: list[Sequence[str]] = []
        self.stopped = False

    def say(self, line: str, kind: str) -> None:
        self.lines.append(line)

    def draw(self, view: Any, now: float) -> None:
        self.drawn += 1
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True

    def verdict(self, lines: Sequence[str]) -> None:
        self.verdicts.append(lines)


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.fixture
def show(screen: Screen, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Show]:
    monkeypatch.chdir(tmp_path)
    return lambda **more: Show(screen.say, "deploy staging", Times("deploy"), clock=clock.now, stamp=lambda: "12:00:00", **more)


def test_a_task_is_worth_a_line_when_it_changed_something(show: Callable[..., Show], screen: Screen) -> None:
    one = show()
    one.phase("Prepare", ["app-1", "app-2"])
    for task, changed in (("Look", False), ("Bring files", True)):
        one.task(task)
        for host in ("app-1", "app-2"):
            one.begin(host)
            one.end(host, changed=changed)
    one.stop()
    assert screen.lines == [
        "12:00:00 Prepare",
        "12:00:00   Bring files: changed on app-1, app-2",
        "12:00:00   took 0.0 s",
    ]


def test_a_task_that_takes_longer_than_a_moment_is_said_while_it_is_at_work(
    show: Callable[..., Show], screen: Screen, clock: Clock
) -> None:
    one = show()
    one.phase("Prepare", ["app-1"])
    one.task("Bring images")
    one.begin("app-1")
    one.tick()
    assert screen.lines == []
    clock.sleep(MOMENT_SECONDS + 0.1)
    one.tick()
    one.tick()
    assert screen.lines == ["12:00:00 Prepare", "12:00:00   Bring images (app-1)"]


def test_a_play_that_goes_on_with_its_next_hosts_is_one_phase(show: Callable[..., Show], screen: Screen) -> None:
    one = show()
    for host in ("app-1", "app-2"):
        one.phase("Roll out", ["app-1", "app-2"])
        one.task("Switch to the release")
        one.begin(host, rolls_out=True)
        one.rolled_out(host, {"changed": True, "release": "1.1.0"}, failed=False)
        one.end(host)
    assert (one.view.number, one.view.board.count("done")) == (1, 2)
    assert screen.lines == [
        "12:00:00 Roll out",
        "12:00:00   app-1: Switch to the release",
        "12:00:00     app-1 runs 1.1.0, 0.0 s",
        "12:00:00   app-2: Switch to the release",
        "12:00:00     app-2 runs 1.1.0, 0.0 s",
    ]


def test_what_a_host_tells_is_a_line_in_a_log_and_a_row_on_a_terminal(show: Callable[..., Show], screen: Screen) -> None:
    started = {"host": "app-1", "event": "started", "service": "api", "replicas": ["api-3"]}
    show().saw(started)
    assert screen.lines == ["12:00:00     app-1 api: started api-3"]
    screen.lines.clear()
    one = show(region=screen)
    one.saw(started)
    one.tick()
    assert (screen.lines, screen.drawn) == ([], 1)


def test_the_three_lines_of_a_failure_come_first_and_hosts_that_say_the_same_are_named(
    show: Callable[..., Show], screen: Screen
) -> None:
    one = show()
    one.phase("Roll out", ["app-1"])
    one.task("Switch to the release")
    for host in ("app-1", "app-2", "app-3"):
        one.failure("FAILED", host, FAILED)
    one.task("Ask the balancer")
    assert screen.lines == [
        "12:00:00 FAILED app-1: Switch to the release",
        "           the gate was not passed",
        "           Nothing was switched",
        "             log line",
        "12:00:00   the same on app-2, app-3",
    ]


def test_github_gets_groups_and_annotations(show: Callable[..., Show], screen: Screen) -> None:
    one = show(is_github=True)
    one.phase("Prepare", ["app-1"])
    one.note(["::add-mask::of an application"])
    one.phase("Roll out", ["app-1"])
    one.task("Switch to the release")
    one.begin("app-1", rolls_out=True)
    one.failure("FAILED", "app-1", FAILED)
    one.failure("FAILED", "app-2", "it can be let pass", passes="the run goes on")
    one.stop()
    assert one.verdict(["VERDICT failed", "  ::error::of an application"])
    assert screen.lines == [
        "::group::Prepare",
        "12:00:00     ::add-mask::of an application",
        "12:00:00   took 0.0 s",
        "::endgroup::",
        "::group::Roll out",
        "12:00:00   app-1: Switch to the release",
        "::endgroup::",
        "12:00:00 FAILED app-1: Switch to the release",
        "           the gate was not passed",
        "           Nothing was switched",
        "::error title=FAILED app-1%3A Switch to the release::the gate was not passed%0ANothing was switched",
        "             log line",
        "12:00:00 FAILED app-2: Switch to the release",
        "           it can be let pass",
        "           the run goes on",
        "12:00:00   took 0.0 s",
        "VERDICT failed",
        "  : :error::of an application",
    ]


def test_hosts_that_cannot_be_followed_are_said_once(show: Callable[..., Show], screen: Screen) -> None:
    one = show()
    for host in ("app-1", "app-2"):
        one.saw({"host": host, "event": "unseen", "why": "no python3\nat all"})
    assert screen.lines == ["12:00:00     what the rollout on app-1 does cannot be seen, and it goes on: no python3"]


def test_a_question_to_a_person_is_not_drawn_over(show: Callable[..., Show], screen: Screen) -> None:
    one = show(region=screen)
    one.task("Wait for a person")
    one.begin("localhost", asks_person=True)
    one.tick()
    assert (screen.drawn, screen.stopped) == (0, True)
    one.end("localhost")
    one.task("Go on")
    one.tick()
    assert screen.drawn == 1


def test_a_plain_log_leaves_the_verdict_to_its_callback(show: Callable[..., Show], screen: Screen) -> None:
    assert not show().verdict(["VERDICT deployed"])
    assert show(region=screen).verdict(["VERDICT deployed"])
    assert (screen.lines, screen.verdicts) == ([], [["VERDICT deployed"]])


def test_how_long_a_run_took_is_expected_of_the_next_one(show: Callable[..., Show], clock: Clock) -> None:
    one = show()
    one.phase("Roll out", ["app-1"])
    clock.sleep(20.0)
    one.stop()
    one.remember()
    again = show()
    again.phase("Roll out", ["app-1"], 3)
    assert again.view.heads(clock.now()) == [
        ("deploy staging", "0:00 of about 0:20"),
        ("1 of 3  Roll out", "0:00 of about 0:20"),
    ]
    assert Times("deploy").expected(RUN) == 20.0
