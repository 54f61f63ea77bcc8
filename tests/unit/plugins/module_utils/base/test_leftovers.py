"""What a killed process leaves is told from what is in use, and goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base import leftovers

ROOT = Path(__file__).parents[5]
PREFIX = "morpheus.deploy."
HOLDER = """
import sys, time
from pathlib import Path
from ansible_collections.morpheus.deploy.plugins.module_utils.base import leftovers
with leftovers.directory(Path(sys.argv[1]), sys.argv[2]) as directory:
    (directory / "api.env").write_text("TOKEN=canary")
    print(directory, flush=True)
    time.sleep(600)
"""


@contextmanager
def holder(place: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that is at work in a directory of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "collections")}
    command = [sys.executable, "-c", HOLDER, str(place), PREFIX]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_what_a_killed_process_left_is_removed_and_what_is_in_use_is_not(tmp_path: Path) -> None:
    with holder(tmp_path) as (killed, left), holder(tmp_path) as (_, used):
        assert leftovers.abandoned(tmp_path, PREFIX) == []
        assert leftovers.sweep(tmp_path, PREFIX) == []
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert leftovers.abandoned(tmp_path, PREFIX) == [left]
        assert leftovers.sweep(tmp_path, PREFIX) == [
            f"{left} was left by a run that was killed, with secrets in it; it is removed now"
        ]
        assert not left.exists()
        assert (used / "api.env").read_text() == "TOKEN=canary"
    assert leftovers.abandoned(tmp_path, PREFIX) == [used]


def test_a_directory_is_for_its_owner_alone_and_gone_afterwards(tmp_path: Path) -> None:
    with leftovers.directory(tmp_path, PREFIX) as made:
        assert made.stat().st_mode & 0o777 == 0o700
        assert leftovers.abandoned(tmp_path, PREFIX) == []
    assert list(tmp_path.iterdir()) == []


def test_what_goes_while_it_is_looked_at_was_left_by_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run ends its work at this moment, and takes its own away."""
    going = tmp_path / f"{PREFIX}held-abcd1234"
    going.mkdir()
    opened = leftovers._open

    def open_and_go(path: Path) -> int:
        held = opened(path)
        if path == going:
            going.rmdir()
        return held

    monkeypatch.setattr(leftovers, "_open", open_and_go)
    assert leftovers.sweep(tmp_path, PREFIX) == []


@pytest.mark.parametrize(("age", "left"), [(60, False), (3700, True)])
def test_what_an_older_version_made_held_no_lock_and_counts_when_it_is_an_hour_old(tmp_path: Path, age: int, left: bool) -> None:
    old = tmp_path / f"{PREFIX}abcd1234"
    old.mkdir()
    then = old.stat().st_mtime - age
    os.utime(old, (then, then))
    assert (leftovers.abandoned(tmp_path, PREFIX) == [old]) is left


def test_links_files_and_places_that_are_not_there_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}held-file").write_text("")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"{PREFIX}held-link").symlink_to(tmp_path / "elsewhere")
    assert leftovers.sweep(tmp_path, PREFIX) == []
    assert leftovers.sweep(tmp_path / "nowhere", PREFIX) == []
    assert len(list(tmp_path.iterdir())) == 3


def test_half_written_files_go_and_whole_ones_stay(tmp_path: Path) -> None:
    (tmp_path / ".api.env.x7").write_text("half")
    (tmp_path / "api.env").write_text("whole")
    assert leftovers.sweep_halves(tmp_path) == [
        f"{tmp_path / '.api.env.x7'} was left half-written by a run that was killed; it is removed now"
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["api.env"]
    assert leftovers.sweep_halves(tmp_path / "nowhere") == []
