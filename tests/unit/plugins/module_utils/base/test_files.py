from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import put_right, write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import FileError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(("given", "written"), [("Käse\n", "Käse\n".encode()), (b"\0\xff", b"\0\xff")], ids=["text", "bytes"])
def test_a_file_holds_what_was_written_with_the_mode_that_was_asked_for(
    tmp_path: Path, given: str | bytes, written: bytes
) -> None:
    path = tmp_path / "file"
    write_atomically(path, given, mode=0o640)
    assert (path.read_bytes(), mode(path)) == (written, 0o640)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_there_is_replaced_and_gets_the_new_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old", mode=0o644)
    with path.open() as reader:
        write_atomically(path, "new", mode=0o600)
        assert reader.read() == "old"
    assert (path.read_text(), mode(path)) == ("new", 0o600)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o000], ids=oct)
def test_missing_folders_are_made_readable_whatever_the_umask_is(tmp_path: Path, mask: int) -> None:
    """A container that runs as another user must be able to read what is mounted into it."""
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "a" / "b" / "file", "x", mode=0o644)
    finally:
        os.umask(before)
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b"), mode(tmp_path / "a" / "b" / "file")) == (0o755, 0o755, 0o644)


def test_what_is_half_written_is_readable_by_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: seen.append(stat.S_IMODE(os.fstat(handle).st_mode)))
    write_atomically(tmp_path / "secret", "x", mode=0o644)
    assert seen == [0o600]


def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old", mode=0o600)

    def interrupted(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, "new", mode=0o600)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_what_it_points_to_is_left(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("theirs")
    (tmp_path / "link").symlink_to("target")
    write_atomically(tmp_path / "link", "ours", mode=0o600)
    assert (tmp_path / "target").read_text() == "theirs"
    assert not (tmp_path / "link").is_symlink()


def test_what_is_put_right_is_the_same_file_and_never_what_a_link_leads_to(tmp_path: Path) -> None:
    path, other = tmp_path / "session", tmp_path / "other"
    path.write_text("changed, and longer")
    number = path.stat().st_ino
    put_right(path, "canary", mode=0o400)
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode), path.stat().st_ino) == ("canary", 0o400, number)
    written = path.stat().st_mtime_ns
    put_right(path, "canary", mode=0o440)
    assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_mtime_ns) == (0o440, written)
    other.symlink_to(path)
    with pytest.raises(FileError):
        put_right(other, "another", mode=0o600)
    assert path.read_text() == "canary"


def test_a_program_that_is_being_run_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "sleep"
    shutil.copy(str(shutil.which("sleep")), path)
    with subprocess.Popen([path, "60"]) as process:
        put_right(path, "#!/bin/sh\n", mode=0o755)
        process.kill()
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("#!/bin/sh\n", 0o755)
