from __future__ import annotations

import json
import os
import re
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.env_file import render
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import MANIFEST, NewerFormatError
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Kind
from ansible_collections.morpheus.deploy.plugins.module_utils.release import release as release_module
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest, config_hash
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import release_id as identity_of
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.release.secret_files import Rights
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.effort import examples

STACK: dict[str, Any] = {"name": "shop", "compose_files": ["compose.yml"], "services": [{"name": "api", "port": 8000}]}
FILES = {"compose.yml": b"services: {}\n", "env/api.env": b'LEVEL="info"\n', "migrations/1.sql": b"create;"}


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    return Releases("shop", tmp_path)


def release_id(name: str, environment: str, stack: dict[str, Any], files: dict[str, bytes], **secrets: list[str]) -> str:
    return identity_of(name, config_hash(environment, Stack.of(stack), files, secrets))


def written(releases: Releases, files: dict[str, bytes], name: str = "1.0") -> str:
    """A prepared release; its id."""
    identity = release_id(name, "staging", STACK, files)
    releases.write_files(identity, name, "staging", files)
    releases.write_manifest(Manifest(identity, name, "staging", Stack.of(STACK)))
    return identity


def content(directory: Path) -> dict[str, bytes]:
    """What is below ``directory``, without what is not the release's: the link to the secrets and hidden notes."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and not path.is_symlink() and not path.name.startswith(".")
    }


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_an_id_is_the_name_and_a_short_hash() -> None:
    assert re.fullmatch(r"1\.2\.0-[0-9a-f]{8}", release_id("1.2.0", "staging", STACK, FILES))


def test_the_same_release_always_has_the_same_id() -> None:
    turned = dict(reversed(STACK.items()))
    assert release_id("1", "staging", STACK, FILES) == release_id("1", "staging", turned, dict(reversed(FILES.items())))


def test_what_can_be_run_makes_another_release_and_without_any_the_id_is_the_one_of_old() -> None:
    one, two = (config_hash("e", Stack.of(STACK), FILES, {}, executable) for executable in ((), {"migrations/1.sql"}))
    assert one == config_hash("e", Stack.of(STACK), FILES, {}) != two
    assert config_hash("e", Stack.of(STACK), FILES, {}, {"env/api.env"}) not in (one, two)


CHANGES = [
    pytest.param("2", "staging", STACK, FILES, id="name"),
    pytest.param("1", "production", STACK, FILES, id="environment"),
    pytest.param("1", "staging", {**STACK, "drain_seconds": 5.0}, FILES, id="configuration"),
    pytest.param("1", "staging", {**STACK, "services": [{"name": "api", "port": 8001}]}, FILES, id="configuration far below"),
    pytest.param("1", "staging", STACK, {**FILES, "env/api.env": b'LEVEL="debug"\n'}, id="content of a file"),
    pytest.param("1", "staging", STACK, {**FILES, "new": b""}, id="an empty file more"),
    pytest.param("1", "staging", STACK, {"compose.yml": FILES["compose.yml"]}, id="files less"),
    pytest.param(
        "1",
        "staging",
        STACK,
        {**{k: v for k, v in FILES.items() if k != "compose.yml"}, "other.yml": FILES["compose.yml"]},
        id="name of a file",
    ),
]


@pytest.mark.parametrize(("name", "environment", "stack", "files"), CHANGES)
def test_whatever_changes_makes_another_release(
    name: str, environment: str, stack: dict[str, Any], files: dict[str, bytes]
) -> None:
    assert release_id(name, environment, stack, files) != release_id("1", "staging", STACK, FILES)


def test_another_secret_variable_makes_another_release() -> None:
    """A release says which secrets it reads, so that a rollback can tell when one is gone."""
    ids = {release_id("1", "e", STACK, FILES, **names) for names in ({}, {"api.env": ["A"]}, {"api.env": ["A", "B"]})}
    assert len(ids) == 3


def test_files_that_swap_their_content_make_another_release() -> None:
    assert release_id("1", "e", {}, {"a": b"1", "b": b"2"}) != release_id("1", "e", {}, {"a": b"2", "b": b"1"})


def test_a_manifest_comes_back_as_it_was_written(releases: Releases) -> None:
    identity = written(releases, FILES)
    images = {"api": {"reference": "shop/api:1.0", "digest": "sha256:a", "id": "sha256:b"}}
    manifest = Manifest(identity, "1.0", "staging", Stack.of(STACK), images, "2026-01-01T00:00:00Z", "abc")
    releases.write_manifest(manifest)
    assert releases.read(identity) == manifest


@pytest.mark.parametrize(("hardening", "number"), [({}, None), ({"exempt": {}}, None), ({"default": "report"}, 2)])
def test_only_hardening_that_is_told_is_of_a_format_that_versions_from_before_refuse(
    releases: Releases, hardening: dict[str, Any], number: int | None
) -> None:
    """They would read anything else as it is meant, and this one not at all."""
    identity = written(releases, FILES)
    manifest = Manifest(identity, "1.0", "staging", Stack.of({**STACK, "hardening": hardening}))
    releases.write_manifest(manifest)
    path = releases.root / "releases" / identity / "manifest.json"
    assert json.loads(path.read_text()).get("format") == number
    assert releases.read(identity) == manifest
    before = replace(MANIFEST, number=1, steps={})
    if number is None:
        assert before.load(path) == manifest.as_dict()
        return
    with pytest.raises(NewerFormatError) as caught:
        before.load(path)
    assert str(caught.value) == (
        f"{path} has format 2, and this version of morpheus.deploy knows manifests only up to format 1: run this with the newer "
        "version that wrote it, or go back with that version to a release of this one first"
    )


def test_a_release_is_there_once_its_manifest_is(releases: Releases) -> None:
    releases.write_files("1.0-a", "1.0", "staging", FILES)
    assert not releases.has("1.0-a")
    assert releases.ids() == []
    releases.write_manifest(Manifest("1.0-a", "1.0", "staging", Stack.of(STACK)))
    assert releases.has("1.0-a")
    assert releases.ids() == ["1.0-a"]


def test_files_of_an_attempt_that_was_never_finished_do_not_become_part_of_the_next(releases: Releases) -> None:
    releases.write_files("1.0-a", "1.0", "staging", {"compose.yml": b"", "left.txt": b""})
    workspace = releases.write_files("1.0-a", "1.0", "staging", FILES)
    assert content(workspace.files) == FILES


def test_a_release_that_is_not_here_says_which_are(releases: Releases) -> None:
    with pytest.raises(DeployError) as caught:
        releases.read("9.9-x")
    assert str(caught.value) == 'release "9.9-x" is not on this host; retained are: none'
    one = written(releases, FILES, "1.0")
    two = written(releases, FILES, "2.0")
    with pytest.raises(DeployError) as caught:
        releases.read("9.9-x")
    assert str(caught.value) == f'release "9.9-x" is not on this host; retained are: {one}, {two}'


BROKEN = [
    pytest.param("", id="empty"),
    pytest.param('{"id": "1.0', id="cut off"),
    pytest.param("[]", id="a list"),
    pytest.param('"text"', id="a string"),
    pytest.param("{}", id="without its keys"),
    pytest.param('{"id": "1", "release": "1", "environment": "s", "stack": {}, "colour": "red"}', id="with keys nobody knows"),
]


@pytest.mark.parametrize("text", BROKEN)
def test_a_manifest_that_cannot_be_read_is_named(releases: Releases, text: str) -> None:
    identity = written(releases, FILES)
    path = releases.root / "releases" / identity / "manifest.json"
    path.write_text(text)
    with pytest.raises(DeployError) as caught:
        releases.read(identity)
    assert str(caught.value).startswith(f"{path} cannot be read (")
    assert str(caught.value).endswith("): deploy that release again to restore it")


@pytest.mark.parametrize("text", BROKEN)
def test_a_release_whose_manifest_cannot_be_read_counts_as_missing_so_that_deploying_it_again_helps(
    releases: Releases, text: str
) -> None:
    identity = written(releases, FILES)
    (releases.root / "releases" / identity / "manifest.json").write_text(text)
    assert not releases.has(identity)


@settings(max_examples=examples(20))
@given(st.integers(0, 10_000))
def test_a_manifest_that_was_cut_off_anywhere_is_an_error_in_words(length: int) -> None:
    with TemporaryDirectory() as directory:
        releases = Releases("shop", Path(directory))
        releases.write_manifest(Manifest("1.0-a", "1.0", "staging", Stack.of(STACK)))
        path = releases.root / "releases" / "1.0-a" / "manifest.json"
        whole = path.read_bytes()
        path.write_bytes(whole[: length % (len(whole) - 2)])
        with pytest.raises(DeployError, match="cannot be read"):
            releases.read("1.0-a")


def test_the_live_release_is_the_last_of_the_lineage(releases: Releases) -> None:
    assert (releases.live(), releases.live_release()) == ("", "")
    identity = written(releases, FILES)
    lineage = releases.lineage()
    lineage.went_live(identity, Kind.DEPLOY)
    releases.write_lineage(lineage)
    assert (releases.live(), releases.live_release()) == (identity, "1.0")
    assert mode(releases.root / "lineage.json") == 0o600


def test_a_release_that_was_removed_is_gone_with_its_files(releases: Releases) -> None:
    one, two = written(releases, FILES, "1.0"), written(releases, FILES, "2.0")
    releases.remove(one)
    assert releases.ids() == [two]
    assert not (releases.root / "releases" / one).exists()


def test_names_of_secrets_are_known_and_values_are_not(releases: Releases) -> None:
    text = render({"A": 'x"\nB="2"\n', "C": ""})
    releases.write_secrets({"api.env": text})
    assert releases.secret_names("api.env") == ["A", "C"]
    assert releases.secret_names("web.env") is None


def test_the_workspace_has_the_files_with_the_current_secrets_linked_into_them(releases: Releases) -> None:
    releases.write_secrets({"api.env": 'TOKEN="1"\n'})
    identity = written(releases, FILES)
    workspace = releases.workspace(identity)
    assert content(workspace.files) == FILES
    assert workspace.interpolation.read_text() == "STACK_RELEASE=1.0\nSTACK_ENVIRONMENT=staging\n"
    assert (workspace.files / "secrets" / "api.env").read_text() == 'TOKEN="1"\n'
    releases.write_secrets({"api.env": 'TOKEN="2"\n'})
    assert (workspace.files / "secrets" / "api.env").read_text() == 'TOKEN="2"\n'
    assert workspace.compose_files(["compose.yml"]) == [workspace.files / "compose.yml"]


def test_secrets_are_readable_by_root_alone_and_never_part_of_a_release(releases: Releases) -> None:
    assert releases.write_secrets({"api.env": "a", "web.env": "b"}) == ["api.env", "web.env"]
    assert mode(releases.secrets) == 0o700
    assert {mode(path) for path in releases.secrets.iterdir()} == {0o600}
    identity = written(releases, FILES)
    directory = releases.root / "releases" / identity
    assert (directory / "files" / "secrets").is_symlink()
    assert mode(releases.root / "releases") == 0o700
    assert mode(directory / "manifest.json") == 0o600


def test_a_file_secret_keeps_every_byte_and_has_no_variables(releases: Releases) -> None:
    content = ' "quoted"\r\n$HOME ümläut ✓\n\n'
    releases.write_secrets({"key": content}, {"key": Rights(os.getuid(), 0o440)})
    assert (releases.secrets / "key").read_bytes() == content.encode()
    assert mode(releases.secrets / "key") == 0o440
    assert mode(releases.secrets) == 0o700
    assert releases.secret_names("key") == []
    assert releases.secret_names("other") is None


@pytest.mark.parametrize(
    "rights", [Rights(os.getuid(), 0o400), Rights(os.getuid() + 1, 0o440)], ids=["another mode", "another owner"]
)
def test_a_file_secret_with_other_rights_counts_as_changed(releases: Releases, rights: Rights) -> None:
    now = {"key": Rights(os.getuid(), 0o440)}
    releases.write_secrets({"key": "same"}, now)
    assert releases.changed_secrets({"key": "same"}, now) == []
    assert releases.changed_secrets({"key": "same"}, {"key": rights}) == ["key"]


def test_only_secrets_that_changed_are_named_and_written(releases: Releases) -> None:
    releases.write_secrets({"api.env": "a", "web.env": "b"})
    before = (releases.secrets / "web.env").stat()
    wanted = {"api.env": "changed", "web.env": "b", "ml.env": "new"}
    assert releases.changed_secrets(wanted) == ["api.env", "ml.env"]
    assert releases.write_secrets(wanted) == ["api.env", "ml.env"]
    assert (releases.secrets / "web.env").stat().st_mtime_ns == before.st_mtime_ns
    assert releases.changed_secrets(wanted) == releases.write_secrets(wanted) == []


def test_secret_files_that_a_release_does_not_read_are_left_for_a_rollback(releases: Releases) -> None:
    releases.write_secrets({"old.env": "a"})
    releases.write_secrets({"new.env": "b"})
    assert sorted(path.name for path in releases.secrets.iterdir()) == ["new.env", "old.env"]


def test_the_key_of_the_fingerprints_is_made_once_and_kept(releases: Releases) -> None:
    only_looked = releases.key(create=False)
    assert not (releases.root / "fingerprint.key").exists()
    key = releases.key(create=True)
    # What was planned with the one is done with the other.
    assert (len(key), key) == (32, only_looked)
    assert Releases("other", releases.root).key(create=False) != key
    assert releases.key(create=True) == releases.key(create=False) == key
    assert mode(releases.root / "fingerprint.key") == 0o600


def test_the_project_directory_becomes_the_release(releases: Releases) -> None:
    releases.write_secrets({"api.env": "a"})
    releases.activate(written(releases, FILES))
    assert content(releases.project) == FILES
    assert (releases.project / "secrets" / "api.env").read_text() == "a"
    assert mode(releases.project / "compose.yml") == 0o644


def test_files_of_another_release_go(releases: Releases) -> None:
    releases.activate(written(releases, {**FILES, "old/only.txt": b"1"}))
    releases.activate(written(releases, {**FILES, "new.txt": b"2"}))
    assert content(releases.project) == {**FILES, "new.txt": b"2"}
    assert not (releases.project / "old").exists()


def test_what_others_put_into_the_project_directory_is_left(releases: Releases) -> None:
    releases.activate(written(releases, FILES))
    (releases.project / "override.json").write_text("{}")
    (releases.project / "data").mkdir()
    releases.activate(written(releases, {"compose.yml": b""}))
    assert (releases.project / "override.json").exists()
    assert (releases.project / "data").exists()


def test_a_file_that_is_the_same_is_not_written_anew(releases: Releases) -> None:
    """A replica that has mounted it keeps seeing it."""
    releases.activate(written(releases, FILES))
    before = (releases.project / "migrations/1.sql").stat().st_ino
    releases.activate(written(releases, {**FILES, "compose.yml": b"changed"}))
    assert (releases.project / "migrations/1.sql").stat().st_ino == before


def test_a_file_that_was_edited_by_hand_is_put_right(releases: Releases) -> None:
    identity = written(releases, FILES)
    releases.activate(identity)
    (releases.project / "compose.yml").write_text("edited")
    releases.activate(identity)
    assert content(releases.project) == FILES


def test_a_file_can_become_a_directory_and_a_directory_a_file(releases: Releases) -> None:
    one, two = {"conf": b"file", "dir/a": b"1"}, {"conf/a": b"1", "dir": b"file"}
    for files in (one, two, one):
        releases.activate(written(releases, files))
        assert content(releases.project) == files


paths = st.sampled_from(["compose.yml", "a", "b", "dir/a", "dir/b", "dir/deep/a", "dir", "dir/deep"])
contents = st.dictionaries(paths, st.sampled_from([b"", b"1", b"2"]), min_size=1, max_size=4).filter(
    lambda files: not any(one.startswith(f"{other}/") for one in files for other in files)
)


class CrashError(BaseException):
    """The process is killed."""


class Fuse:
    """Lets so many files be written or removed, then kills the process."""

    def __init__(self, changes: int) -> None:
        self.changes = changes

    def write(self, path: Path, data: str | bytes, *, mode: int) -> None:
        self._burn()
        write_atomically(path, data, mode=mode)

    def installed(self, patch: pytest.MonkeyPatch) -> None:
        unlink = Path.unlink

        def remove(path: Path, missing_ok: bool = False) -> None:
            self._burn()
            unlink(path, missing_ok=missing_ok)

        patch.setattr(release_module, "write_atomically", self.write)
        patch.setattr(Path, "unlink", remove)

    def _burn(self) -> None:
        if not self.changes:
            raise CrashError
        self.changes -= 1


@settings(max_examples=examples(40))
@given(st.lists(st.tuples(contents, st.integers(0, 12)), min_size=1, max_size=4), contents)
def test_after_any_crash_the_project_directory_becomes_exactly_the_next_release(
    crashed: list[tuple[dict[str, bytes], int]], last: dict[str, bytes]
) -> None:
    with TemporaryDirectory() as directory:
        releases = Releases("shop", Path(directory))
        for files, changes in crashed:
            identity = written(releases, files)
            with pytest.MonkeyPatch.context() as patch, suppress(CrashError):
                Fuse(changes).installed(patch)
                releases.activate(identity)
        releases.activate(written(releases, last))
        assert content(releases.project) == last


def test_a_file_of_a_release_that_was_on_its_way_out_in_a_crash_goes_with_the_next(releases: Releases) -> None:
    releases.activate(written(releases, {**FILES, "old.txt": b"1"}))
    with pytest.MonkeyPatch.context() as patch, suppress(CrashError):
        Fuse(1).installed(patch)
        releases.activate(written(releases, {**FILES, "second.txt": b"2"}))
    releases.activate(written(releases, FILES))
    assert content(releases.project) == FILES


def test_a_file_that_became_a_directory_in_a_crash_does_not_stop_the_next_release(releases: Releases) -> None:
    # Several, because the order in which they are removed is nobody's promise.
    files, directories = ({f"{number}{below}": b"" for number in range(8)} for below in ("", "/a"))
    for first, second in ((files, directories), (directories, files)):
        releases.activate(written(releases, first))
        with pytest.MonkeyPatch.context() as patch, suppress(CrashError):
            # The listing, the removals and the new files, but not the listing at the end.
            Fuse(1 + 8 + 8).installed(patch)
            releases.activate(written(releases, second))
        releases.activate(written(releases, FILES))
        assert content(releases.project) == FILES


def test_manifests_of_releases_differ_in_their_ids(releases: Releases) -> None:
    manifest = Manifest("1.0-a", "1.0", "staging", Stack.of(STACK))
    assert replace(manifest, id="1.0-b") != manifest
    assert json.loads(json.dumps(manifest.as_dict()))["id"] == "1.0-a"


def test_executable_bits_travel_into_the_release_and_the_project_directory(releases: Releases) -> None:
    for executable, expected in (({"migrations/1.sql"}, 0o755), (set(), 0o644)):
        identity = release_id("1.0", "staging", STACK, FILES)
        releases.write_files(identity, "1.0", "staging", FILES, executable)
        releases.write_manifest(Manifest(identity, "1.0", "staging", Stack.of(STACK)))
        releases.activate(identity)
        for place in (releases.workspace(identity).files, releases.project):
            assert mode(place / "migrations/1.sql") == expected
            assert mode(place / "compose.yml") == 0o644


def put(releases: Releases, name: str, text: str = "theirs") -> Path:
    """What an application writes into the project directory."""
    path = releases.project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_data_of_the_application_is_never_touched_whatever_a_release_ships(releases: Releases) -> None:
    """An earlier release used ./uploads as data; this one ships files there. Services mount those from the content store."""
    releases.activate(written(releases, FILES))
    data = [put(releases, "uploads/a.png"), put(releases, "uploads/deep/b.png"), put(releases, "settings.json")]
    before = [path.stat().st_ino for path in data]
    ships = {**FILES, "uploads/a.png": b"ours", "uploads/c.png": b"ours", "settings.json": b"ours"}
    for files in (ships, FILES, ships):
        releases.activate(written(releases, files))
        assert [(path.stat().st_ino, path.read_text()) for path in data] == [(inode, "theirs") for inode in before]
        assert not (releases.project / "uploads/c.png").exists()
    assert content(releases.project).keys() == FILES.keys() | {"uploads/a.png", "uploads/deep/b.png", "settings.json"}


def test_what_a_release_shipped_and_the_next_uses_as_data_becomes_data(releases: Releases) -> None:
    releases.activate(written(releases, {**FILES, "data/seed.sql": b"seed", "other/x": b"x"}))
    put(releases, "data/rows", "rows")
    releases.activate(written(releases, FILES), data={"data"})
    assert content(releases.project) == {**FILES, "data/seed.sql": b"seed", "data/rows": b"rows"}
    # From then on no release takes it back.
    put(releases, "data/seed.sql", "changed")
    releases.activate(written(releases, {**FILES, "data/seed.sql": b"seed"}))
    releases.activate(written(releases, FILES))
    assert content(releases.project) == {**FILES, "data/seed.sql": b"changed", "data/rows": b"rows"}


def test_an_empty_directory_that_the_engine_made_stays_empty(releases: Releases) -> None:
    """A running container has it mounted."""
    releases.activate(written(releases, FILES))
    (releases.project / "healthchecks").mkdir()
    releases.activate(written(releases, {**FILES, "healthchecks/redis.sh": b"#!/bin/sh"}))
    assert list((releases.project / "healthchecks").iterdir()) == []


def test_what_compose_itself_reads_is_the_releases_whoever_wrote_it_before(releases: Releases) -> None:
    put(releases, "compose.yml")
    put(releases, "env/api.env")
    releases.activate(written(releases, FILES))
    assert content(releases.project) == FILES


def test_what_no_release_brought_and_a_release_would_hide_is_named(releases: Releases) -> None:
    releases.activate(written(releases, {**FILES, "conf/a": b""}))
    for name in (
        "uploads/a.png",
        "uploads/deep/b.png",
        "conf/state.db",
        "conf/cache/x",
        "settings.json",
        "compose.yml",
        "env/x.env",
    ):
        put(releases, name)
    (releases.project / "healthchecks").mkdir()
    ships = {**FILES, "conf/a": b"", "uploads/a.png": b"", "settings.json": b"", "env/x.env": b"", "healthchecks/a.sh": b""}
    shipped = releases.workspace(written(releases, ships, "2.0")).shipped()
    assert releases.strangers(Stack.of(STACK), shipped, ["uploads", "conf", "healthchecks", "."], {"conf/cache", "other"}) == {
        "uploads": ["uploads/a.png", "uploads/deep/b.png"],
        "conf": ["conf/state.db"],
        "settings.json": ["settings.json"],
    }


def test_a_file_that_became_data_and_never_changed_is_in_nobodys_way(releases: Releases) -> None:
    """A release that wanted it as data has failed, and the next one ships it as before."""
    files = {**FILES, "data/seed.sql": b"seed"}
    releases.activate(written(releases, files))
    releases.activate(written(releases, FILES), data={"data"})
    shipped = releases.workspace(written(releases, files)).shipped()
    assert releases.strangers(Stack.of(STACK), shipped, ["data"], set()) == {}
    put(releases, "data/seed.sql", "changed")
    assert releases.strangers(Stack.of(STACK), shipped, ["data"], set()) == {"data": ["data/seed.sql"]}


def test_on_a_new_host_nothing_is_in_the_way(releases: Releases) -> None:
    shipped = releases.workspace(written(releases, FILES)).shipped()
    assert releases.strangers(Stack.of(STACK), shipped, ["migrations"], set()) == {}
    assert releases.mounted() == set()


def test_a_secret_that_is_rewritten_stays_what_it_was_for_who_has_it_mounted(releases: Releases) -> None:
    """A mount is of the file and not of its name."""
    releases.write_secrets({"key": "old"})
    mounted = releases.root / "mounted"
    os.link(releases.secrets / "key", mounted)
    releases.write_secrets({"key": "new"})
    releases.rewrite_secret("key", "newer")
    assert (mounted.read_text(), (releases.secrets / "key").read_text()) == ("old", "newer")


data_paths = st.sets(st.sampled_from(["a", "b", "dir/a", "dir/x", "dir/deep/a", "dir/deep/x", "up/a"]), min_size=1, max_size=3)


@settings(max_examples=examples(35))
@given(data_paths, st.lists(st.tuples(contents, st.integers(0, 12)), min_size=1, max_size=5))
def test_whatever_releases_come_and_crash_data_that_was_there_stays_as_it_is(
    names: set[str], releases_and_crashes: list[tuple[dict[str, bytes], int]]
) -> None:
    with TemporaryDirectory() as directory:
        releases = Releases("shop", Path(directory))
        data = {put(releases, name): name for name in names}
        for path, name in data.items():
            path.write_text(name)
        for files, changes in releases_and_crashes:
            identity = written(releases, files)
            with pytest.MonkeyPatch.context() as patch, suppress(CrashError):
                Fuse(changes).installed(patch)
                releases.activate(identity)
            assert {path: path.read_text() for path in data} == data
