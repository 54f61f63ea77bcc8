"""Files that change under running containers."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.release import live_files as live_files_module
from ansible_collections.morpheus.deploy.plugins.module_utils.release.live_files import LiveFiles

FLAGS = {"flags/a.json": b"1", "flags/deep/run.sh": b"2"}


@pytest.fixture
def live(tmp_path: Path) -> LiveFiles:
    found = LiveFiles(tmp_path / "live")
    found.write(["flags"], FLAGS, ["flags/deep/run.sh"])
    return found


def content(live: LiveFiles) -> dict[str, bytes]:
    return {str(path.relative_to(live.root)): path.read_bytes() for path in live.root.rglob("*") if path.is_file()}


def test_they_lie_where_a_deploy_wrote_them_readable_and_with_their_executable_bits(live: LiveFiles) -> None:
    assert content(live) == FLAGS
    modes = {name: (live.root / name).stat().st_mode & 0o777 for name in ("flags", "flags/a.json", "flags/deep/run.sh")}
    assert modes == {"flags": 0o755, "flags/a.json": 0o644, "flags/deep/run.sh": 0o755}


def test_only_what_differs_is_named_and_written(live: LiveFiles) -> None:
    assert live.changed(["flags"], FLAGS, ["flags/deep/run.sh"]) == []
    before = (live.root / "flags/deep/run.sh").stat().st_ino
    after = {"flags/b.json": b"new", "flags/deep/run.sh": b"2"}
    assert live.changed(["flags"], after, ["flags/deep/run.sh"]) == ["flags/a.json", "flags/b.json"]
    live.write(["flags"], after, ["flags/deep/run.sh"])
    assert content(live) == after
    assert (live.root / "flags/deep/run.sh").stat().st_ino == before
    assert live.changed(["flags"], after, []) == ["flags/deep/run.sh"]


def test_a_directory_that_containers_mount_stays_the_same_one(live: LiveFiles) -> None:
    before = [(live.root / name).stat().st_ino for name in ("flags", "flags/deep")]
    live.write(["flags"], {"flags/new": b""})
    assert content(live) == {"flags/new": b""}
    assert [(live.root / name).stat().st_ino for name in ("flags", "flags/deep")] == before


def test_what_is_gone_goes_last(live: LiveFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def write(path: Path, data: bytes, *, mode: int) -> None:
        seen.append((path.name, set(content(live))))
        write_atomically(path, data, mode=mode)

    monkeypatch.setattr(live_files_module, "write_atomically", write)
    live.write(["flags"], {"flags/new": b""})
    assert seen == [("new", set(FLAGS))]


def test_directories_of_other_releases_are_left(live: LiveFiles) -> None:
    live.write(["other"], {"other/x": b"x"})
    assert content(live) == {**FLAGS, "other/x": b"x"}
    live.write([], {})
    assert content(live) == {**FLAGS, "other/x": b"x"}


def test_a_file_can_become_a_directory_and_a_directory_a_file(live: LiveFiles) -> None:
    one, two = {"flags/a": b"", "flags/deep/run.sh": b""}, {"flags/a/b/c": b"", "flags/deep": b""}
    for files in (one, two, one):
        live.write(["flags"], files)
        assert content(live) == files


def test_an_empty_directory_is_there_before_the_engine_makes_it(tmp_path: Path) -> None:
    live = LiveFiles(tmp_path / "live")
    live.write(["flags"], {})
    assert (live.root / "flags").is_dir()


def test_what_a_crash_left_goes_with_the_next_deploy(live: LiveFiles) -> None:
    (live.root / "flags" / ".a.json.x1").write_text("half")
    assert live.changed(["flags"], FLAGS, ["flags/deep/run.sh"]) == ["flags/.a.json.x1"]
    live.write(["flags"], FLAGS, ["flags/deep/run.sh"])
    assert content(live) == FLAGS
