"""Feature flags on a host: the newest stay, of two changes at once one is made, and whoever watches the file sees each."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.flags import words
from ansible_collections.morpheus.deploy.plugins.module_utils.release import live_flags
from ansible_collections.morpheus.deploy.plugins.module_utils.release.live_flags import LiveFlags, digest

from tests.unit.flags_file import share, text

NAME = words.NAME
AT = "2026-11-27T03:00:00Z"


def content(percent: int, version: int) -> bytes:
    return text({"loud": share(percent)}, version).encode()


@pytest.fixture
def flags(tmp_path: Path) -> LiveFlags:
    found = LiveFlags(tmp_path / "shop")
    found.bring(content(0, 1), digest(b""), by="a deploy", why="release 1.0.0", at=AT)
    return found


def test_a_change_is_written_with_who_and_why(flags: LiveFlags) -> None:
    said = ["loud: on 0 %, off 100 % -> on 50 %, off 50 %"]
    assert flags.bring(content(50, 2), digest(content(0, 1)), by="alice", why="half", at=AT) == said
    assert flags.content == content(50, 2)
    assert flags.history(1) == [{"at": AT, "by": "alice", "why": "half", "version": 2, "changes": said}]
    assert [one["version"] for one in flags.history(9)] == [2, 1]
    assert flags.bring(content(50, 2), "whatever", by="alice", why="half", at=AT) == []
    assert len(flags.history(9)) == 2


def test_a_change_of_flags_that_are_others_by_now_is_refused_and_says_whose(flags: LiveFlags) -> None:
    flags.bring(content(50, 2), digest(content(0, 1)), by="alice", why="half", at=AT)
    with pytest.raises(DeployError) as refused:
        flags.bring(content(0, 2), digest(content(0, 1)), by="ben", why="none", at=AT)
    assert str(refused.value) == (
        f"the flags have been changed meanwhile, to version 2 (alice, {AT}: half). Nothing was changed here. Take it over with "
        "playbooks/flags.yml -e flags_take=true, and switch again"
    )
    assert (flags.content, len(flags.history(9))) == (content(50, 2), 2)


def test_of_many_changes_at_once_exactly_one_is_made(flags: LiveFlags) -> None:
    made: list[int] = []
    gate = threading.Barrier(8)

    def change(percent: int) -> None:
        gate.wait()
        try:
            flags.bring(content(percent, 2), digest(content(0, 1)), by="x", why="y", at=AT)
        except DeployError:
            return
        made.append(percent)

    threads = [threading.Thread(target=change, args=(percent,)) for percent in range(10, 90, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert flags.content == content(made[0], 2)


@pytest.mark.parametrize(("brought", "stays"), [(0, True), (1, False), (2, False)])
def test_a_deploy_leaves_newer_flags_in_place_and_says_so(tmp_path: Path, brought: int, stays: bool) -> None:
    found = LiveFlags(tmp_path / "shop")
    found.bring(content(50, 1), digest(b""), by="alice", why="half", at=AT)
    files, said = found.newest({NAME: content(0, brought), "other": b"x"})
    assert files == {NAME: content(50, 1) if stays else content(0, brought), "other": b"x"}
    assert said == (
        f"the flags stay at version 1 (alice, {AT}: half), because the inventory's file has version 0, from before that change: "
        "loud: on 0 %, off 100 % -> on 50 %, off 50 %. Take it over with playbooks/flags.yml -e flags_take=true, and commit it"
        if stays
        else ""
    )


def test_without_a_file_of_flags_nothing_is_kept(flags: LiveFlags) -> None:
    assert flags.newest({"other": b"x"}) == ({"other": b"x"}, "")


def test_each_file_is_younger_than_the_one_before_whatever_the_clock_says(flags: LiveFlags, tmp_path: Path) -> None:
    path = tmp_path / "shop" / "live" / NAME
    ahead = time.time_ns() + 3_600_000_000_000
    os.utime(path, ns=(ahead, ahead))
    times = [path.stat().st_mtime]
    for version in range(2, 12):
        flags.bring(content(version, version), digest(flags.content), by="x", why="y", at=AT)
        times.append(path.stat().st_mtime)
    assert times == sorted(set(times))
    assert path.stat().st_mode & 0o777 == 0o644


def test_the_history_is_private_ends_some_time_and_passes_over_what_it_cannot_read(
    flags: LiveFlags, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_flags, "KEEP", 3)
    path = tmp_path / "shop" / "flags.jsonl"
    path.write_text(path.read_text() + "no JSON\n[]\n")
    for version in range(2, 6):
        flags.bring(content(version, version), digest(flags.content), by="x", why="y", at=AT)
    assert [one["version"] for one in flags.history(9)] == [5, 4, 3]
    assert path.stat().st_mode & 0o777 == 0o600
