"""Files at a path that says what they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import contents as contents_module
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.contents import Content, ContentStore, LookingStore
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.effort import examples

FILES = {"conf/a.conf": b"1", "conf/deep/run.sh": b"#!/bin/sh"}


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "content")


@pytest.fixture
def content(tmp_path: Path) -> Content:
    return made(tmp_path / "release", FILES, {"conf/deep/run.sh"})


def made(directory: Path, files: Mapping[str, bytes], executable: set[str] = frozenset()) -> Content:  # type: ignore[assignment]
    for name, data in files.items():
        write_atomically(directory / name, data, mode=0o755 if name in executable else 0o644)
    return Content(next(iter(files)).split("/")[0], {name: directory / name for name in files})


def tree(place: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(place)): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in place.rglob("*")
        if path.is_file()
    }


def test_a_directory_lies_below_its_hash_with_all_that_is_in_it(store: ContentStore, content: Content) -> None:
    place = store.place(content)
    assert place == store.root / content.hash() / "conf"
    assert tree(place) == {"a.conf": (b"1", 0o644), "deep/run.sh": (b"#!/bin/sh", 0o755)}


def test_directories_can_be_read_by_containers_whatever_the_umask_says(store: ContentStore, content: Content) -> None:
    before = os.umask(0o077)
    try:
        place = store.place(replace(content, directories=["conf/point"]))
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (place, *place.rglob("*")) if path.is_dir()} == {0o755}


def test_what_is_the_same_is_not_written_anew(store: ContentStore, content: Content) -> None:
    place = store.place(content)
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (place, *place.rglob("*"))}
    assert store.place(content) == place
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (place, *place.rglob("*"))} == before


CHANGES = [
    pytest.param({**FILES, "conf/a.conf": b"2"}, {"conf/deep/run.sh"}, id="content"),
    pytest.param({**FILES, "conf/b.conf": b""}, {"conf/deep/run.sh"}, id="a file more"),
    pytest.param({"conf/deep/run.sh": b"#!/bin/sh"}, {"conf/deep/run.sh"}, id="a file less"),
    pytest.param({"conf/b.conf": b"1", "conf/deep/run.sh": b"#!/bin/sh"}, {"conf/deep/run.sh"}, id="another name"),
    pytest.param(
        {name.replace("conf/", "etc/", 1): data for name, data in FILES.items()}, {"etc/deep/run.sh"}, id="its own name"
    ),
    pytest.param(FILES, set(), id="executable bit"),
]


@pytest.mark.parametrize(("files", "executable"), CHANGES)
def test_whatever_changes_lies_elsewhere_and_what_was_there_is_left(
    store: ContentStore, content: Content, tmp_path: Path, files: Mapping[str, bytes], executable: set[str]
) -> None:
    before = store.place(content)
    seen = tree(before)
    assert store.place(made(tmp_path / "other", files, executable)) != before
    assert tree(before) == seen


def test_the_same_content_of_another_release_lies_at_the_same_path(store: ContentStore, content: Content, tmp_path: Path) -> None:
    assert store.place(made(tmp_path / "elsewhere", FILES, {"conf/deep/run.sh"})) == store.place(content)


def test_what_is_mounted_over_has_a_place(store: ContentStore, content: Content) -> None:
    place = store.place(replace(content, directories=["conf/cache/deep"], points=["conf/local.yml"]))
    assert (place / "cache" / "deep").is_dir()
    assert (place / "local.yml").read_bytes() == b""
    assert place != store.place(content)


def test_what_was_edited_there_by_hand_is_put_right(store: ContentStore, content: Content) -> None:
    content = replace(content, directories=["conf/cache"])
    place = store.place(content)
    before = tree(place)
    (place / "a.conf").write_text("edited")
    (place / "deep" / "run.sh").chmod(0o644)
    (place / "cache").rmdir()
    (place / "new" / "deep").mkdir(parents=True)
    (place / "new" / "file").write_text("x")
    (place / "link").symlink_to("/etc/passwd")
    assert store.place(content) == place
    assert tree(place) == before
    assert {path.name for path in place.iterdir()} == {"a.conf", "deep", "cache"}


def _linked(place: Path) -> None:
    (place / "a.conf").rename(place.parent.parent / "elsewhere")
    (place / "a.conf").symlink_to(place.parent.parent / "elsewhere")


EDITS: dict[str, Callable[[Path], object]] = {
    "its content": lambda place: (place / "a.conf").write_text("edited, and longer than before"),
    "a shorter content": lambda place: (place / "a.conf").write_text(""),
    "its mode": lambda place: (place / "a.conf").chmod(0o600),
    "a mode of other bits": lambda place: (place / "a.conf").chmod(0o4644),
    "what is empty": lambda place: (place / "point").write_text("x"),
    "the mode of a directory": lambda place: (place / "deep").chmod(0o700),
    "the mode of all": lambda place: place.parent.chmod(0o700),
    "a link": _linked,
}


@pytest.mark.parametrize("edit", EDITS)
def test_whatever_was_edited_is_seen_and_put_right_in_the_file_that_somebody_has_open(
    store: ContentStore, content: Content, edit: str
) -> None:
    content = replace(content, points=["conf/point"])
    place = store.place(content)
    before = tree(place)

    def differing() -> list[Path]:
        looking = LookingStore(store.root)
        looking.place(content)
        return looking.differing

    assert differing() == []
    with (place / "a.conf").open("rb") as mounted:
        EDITS[edit](place)
        assert differing() == [place]
        store.place(content)
        assert (tree(place), differing(), mounted.read()) == (before, [], b"1")
        assert not (place / "a.conf").is_symlink()
        assert {path.stat().st_mode & 0o777 for path in (place.parent, *place.rglob("*")) if path.is_dir()} == {0o755}


def test_what_is_mounted_is_kept_and_the_rest_goes(store: ContentStore, content: Content, tmp_path: Path) -> None:
    kept, gone = store.place(content), store.place(made(tmp_path / "other", {"nginx.conf": b"x"}))
    crashed = store.root / ".begun"
    crashed.mkdir()
    mounted = {str(kept / "a.conf"), "/var/lib/elsewhere", str(tmp_path / "project" / "uploads")}
    assert store.unused(mounted) == [crashed, gone.parent]
    store.prune(mounted)
    assert kept.is_dir()
    assert list(store.root.iterdir()) == [kept.parent]
    assert store.unused(mounted) == []


def test_nothing_was_ever_placed(store: ContentStore) -> None:
    assert store.unused(set()) == []
    store.prune(set())


class CrashError(BaseException):
    """The process is killed."""


@settings(max_examples=examples(30))
@given(st.integers(0, 3))
def test_a_hash_never_names_what_a_crash_left_half_written(changes: int) -> None:
    with TemporaryDirectory() as directory:
        store, content = ContentStore(Path(directory, "content")), made(Path(directory, "release"), FILES)
        left = changes

        def write(path: Path, data: bytes, *, mode: int) -> None:
            nonlocal left
            if not left:
                raise CrashError
            left -= 1
            write_atomically(path, data, mode=mode)

        with pytest.MonkeyPatch.context() as patch, suppress(CrashError):
            patch.setattr(contents_module, "write_atomically", write)
            store.place(content)
        there = store.root / content.hash()
        assert not there.exists() or set(tree(there)) == set(FILES)
        assert set(tree(store.place(content).parent)) == set(FILES)
