from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.progress import LONGEST, NAME, TELL_SECONDS, Progress

from tests.unit.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock(100.0)


@pytest.fixture
def progress(tmp_path: Path, clock: Clock) -> Progress:
    return Progress(tmp_path, lambda text: text.replace("canary", "***"), clock=clock.now, token=7)


def lines(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / NAME).read_text().splitlines()]


def test_the_first_line_says_which_rollout_it_is(progress: Progress, tmp_path: Path) -> None:
    progress.begin(release="1.1.0", steps=3)
    expected = {"event": "begin", "service": "", "began": 100.0, "pid": os.getpid(), "token": 7, "release": "1.1.0", "steps": 3}
    assert lines(tmp_path) == [expected]


def test_each_rollout_begins_anew_in_a_private_file(progress: Progress, tmp_path: Path) -> None:
    for release in ("1.0.0", "1.1.0"):
        progress.begin(release=release)
        progress.tell("intent", "api", text="api: gate 1 candidate")
    assert [line.get("release", "") for line in lines(tmp_path)] == ["1.1.0", ""]
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600


def test_nothing_is_written_before_a_rollout_begins(progress: Progress, tmp_path: Path) -> None:
    progress.tell("intent", "api")
    assert not (tmp_path / NAME).exists()


def test_every_text_is_masked_and_cut(progress: Progress, tmp_path: Path) -> None:
    progress.begin()
    progress.tell("gate", "api", replica="api-1", attempts=1, last="it says canary" + "x" * LONGEST)
    progress.tell("started", "api", replicas=("canary-1",))
    assert "canary" not in (tmp_path / NAME).read_text()
    assert len(lines(tmp_path)[1]["last"]) == LONGEST
    assert lines(tmp_path)[2]["replicas"] == ["***-1"]


def test_what_is_asked_often_is_told_often_only_when_it_says_something_else(
    progress: Progress, clock: Clock, tmp_path: Path
) -> None:
    progress.begin()
    for attempt, (last, wait) in enumerate(
        [("503", 0.0), ("503", 0.1), ("refused", 0.1), ("refused", 0.1), ("refused", TELL_SECONDS)], start=1
    ):
        clock.sleep(wait)
        progress.tell("gate", "api", replica="api-1", attempts=attempt, last=last)
        progress.tell("gate", "api", replica="api-2", attempts=attempt, last="good")
    assert [line["attempts"] for line in lines(tmp_path) if line.get("replica") == "api-1"] == [1, 3, 5]
    assert [line["attempts"] for line in lines(tmp_path) if line.get("replica") == "api-2"] == [1, 5]


def test_a_disk_that_takes_nothing_is_no_error(tmp_path: Path) -> None:
    progress = Progress(tmp_path / "nowhere", str)
    progress.begin(release="1.1.0")
    progress.tell("intent", "api")
    assert not (tmp_path / "nowhere").exists()
