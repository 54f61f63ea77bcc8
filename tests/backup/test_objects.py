# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What buckets hold is kept and put back, with the real age and the stand-in of the storage API."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import flow, news, record
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.objects import Keeping, Returning
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.place import Directory
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.record import Record
from ansible_collections.morpheus.deploy.plugins.module_utils.base import places
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api import buckets, objects
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.objects import Objects
from ansible_collections.morpheus.deploy.plugins.modules import backup_store, storage_backup, storage_restore

from tests.backup import age
from tests.backup.test_store import bucket, signed
from tests.supabase.standin import PRODUCTION, STAGING, StandIn, keys, standin
from tests.unit.module_run import run_module

__all__ = ["bucket"]
PICTURES = {
    "5eed/1": ("image/png", b"\x89PNG secret of ida"),
    "5eed/2": ("image/jpeg", b"\xff\xd8\xff" + b"j" * 300_000),
    "5eed/deep/er/3": ("image/png", b""),
    "é %2F #?&+": ("text/plain", b"a name that URLs do not take as it is"),
    "top": ("application/octet-stream", bytes(range(256))),
}


@dataclass(frozen=True)
class Buckets:
    """Those of a project, as its owner uses them."""

    supabase: StandIn
    ref: str

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> bytes:
        key = keys(self.ref)["service_role"]
        headers = {"apikey": key, "Authorization": f"Bearer {key}", "Content-Type": kind, "x-upsert": "true"}
        url = f"{self.supabase.project_url(self.ref)}/storage/v1{path}"
        with urllib.request.urlopen(urllib.request.Request(url, body or None, headers, method=method)) as answer:
            return bytes(answer.read())

    def make(self, name: str) -> None:
        self.ask("POST", "/bucket", json.dumps({"name": name}).encode())

    def put(self, name: str, held: Mapping[str, tuple[str, bytes]]) -> None:
        for path, (kind, content) in held.items():
            self.ask("POST", f"/object/{name}/{quote(path)}", content or b"", kind)

    def empty(self, name: str) -> None:
        self.ask("POST", f"/bucket/{name}/empty")

    def api(self, key: str = "") -> Objects:
        options = {"ca_path": "", "timeout_seconds": 60}
        return Objects(buckets.storage(self.supabase.project_url(self.ref), key or keys(self.ref)["service_role"], options))

    def held(self, name: str) -> dict[str, tuple[str, bytes]]:
        return {one.path: (one.kind, self.ask("GET", f"/object/{name}/{quote(one.path)}")) for one in self.api().listed(name)}

    def options(self, directory: Path, **more: Any) -> dict[str, Any]:
        """Of the modules."""
        url, key = self.supabase.project_url(self.ref), keys(self.ref)["service_role"]
        return {"url": url, "key": key, "environment": "production", "directory": str(directory), **more}


@pytest.fixture(scope="module")
def supabase() -> Iterator[StandIn]:
    with age.on_the_path(), standin() as found:
        yield found


@pytest.fixture(scope="module")
def key(supabase: StandIn) -> age.Key:
    return age.key()


@pytest.fixture
def project(supabase: StandIn) -> Iterator[Buckets]:
    found = Buckets(supabase, PRODUCTION)
    for name in ("pictures", "papers"):
        found.make(name)
    found.put("pictures", PICTURES)
    yield found
    for name in ("pictures", "papers"):
        with suppress(HTTPError):
            found.empty(name)
            found.ask("DELETE", f"/bucket/{name}")


def keep(project: Buckets, place: Directory, key: age.Key, *names: str) -> Record:
    keeping = Keeping(project.api(), place, place.path, "production")
    return keeping.make("first-objects", "a test", [key.recipient], names or ("pictures", "papers"))


@pytest.fixture
def place(tmp_path: Path) -> Directory:
    return Directory(tmp_path / "backups")


def test_what_was_lost_comes_back_as_it_was_and_what_came_since_stays(
    project: Buckets, place: Directory, key: age.Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "_PAGE", 2)
    found = keep(project, place, key)
    assert (found.buckets["pictures"].objects, found.buckets["papers"].objects, bool(found.verified)) == (5, 0, True)
    assert [one.text() for one in place.records()] == [found.text()]
    project.empty("pictures")
    since = {"5eed/1": ("image/png", b"another one"), "since": ("image/png", b"new")}
    project.put("pictures", since)
    returning = Returning(place, place.path, key.identity)
    assert returning.restore(found, project.api()) == 5
    assert project.held("pictures") == {**PICTURES, "since": since["since"]}
    # Twice is once.
    assert returning.restore(found, project.api()) == 5
    assert project.held("pictures") == {**PICTURES, "since": since["since"]}


def test_what_lies_there_is_a_tar_for_who_has_the_key_and_nothing_for_others(
    project: Buckets, place: Directory, key: age.Key, tmp_path: Path
) -> None:
    found = keep(project, place, key)
    archive = place.path / f"{found.name}{record.ARCHIVE}"
    assert b"secret of ida" not in archive.read_bytes()
    assert archive.stat().st_mode & 0o777 == 0o600
    (tmp_path / "key").write_text(key.identity)
    plain = subprocess.run(["age", "--decrypt", "--identity", tmp_path / "key", archive], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        assert sorted(tar.getnames()) == sorted(f"pictures/{path}" for path in PICTURES)


def test_it_goes_to_a_store_and_comes_back_from_it(
    project: Buckets, bucket: dict[str, Any], key: age.Key, tmp_path: Path
) -> None:
    keeping = Keeping(project.api(), signed(bucket, "first-objects"), tmp_path, "production")
    found = keeping.make("first-objects", "a test", [key.recipient], ["pictures"])
    project.empty("pictures")
    assert Returning(signed(bucket, "first-objects"), tmp_path, key.identity).restore(found, project.api()) == 5
    assert project.held("pictures") == PICTURES
    assert list(tmp_path.glob(".partial-*")) == []


def forged(place: Directory, found: Record, key: age.Key, *names: str) -> Record:
    """The archive of somebody who may write where backups lie, with a record that fits it."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 1
            tar.addfile(info, io.BytesIO(b"x"))
    path = place.path / f"{found.name}{record.ARCHIVE}"
    encrypted = subprocess.run(
        ["age", "--encrypt", "--recipient", key.recipient], input=content.getvalue(), check=True, capture_output=True
    )
    path.write_bytes(encrypted.stdout)
    return replace(found, sha256=flow.sha256(path), size=path.stat().st_size)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        pytest.param(["pictures/../papers/1"], "'../papers/1' is not the path of an object", id="leads elsewhere"),
        pytest.param(["pictures//1"], "'/1' is not the path of an object", id="an empty part", marks=pytest.mark.deep),
        pytest.param(["pictures/1\n2"], "'1\\n2' is not the path of an object", id="a line end", marks=pytest.mark.deep),
        pytest.param(["pictures"], "'' is not the path of an object", id="no object", marks=pytest.mark.deep),
        pytest.param(["passwords/1"], "has an object of passwords, of which its record knows nothing", id="another bucket"),
        pytest.param(["pictures/1"], "1 objects with 1 bytes in the archive, 5 with 300314 in its record", id="other content"),
    ],
)
def test_an_archive_that_was_not_made_by_a_backup_puts_nothing_back(
    project: Buckets, place: Directory, key: age.Key, names: list[str], said: str
) -> None:
    found = forged(place, keep(project, place, key), key, *names)
    project.empty("pictures")
    returning = Returning(place, place.path, key.identity)
    for act in (returning.drill, partial(returning.restore, objects=project.api())):
        with pytest.raises(DeployError) as refused:
            act(found)
        assert said in str(refused.value)
    assert (project.held("pictures"), project.held("papers")) == ({}, {})


def test_one_that_was_damaged_where_it_lies_is_refused(project: Buckets, place: Directory, key: age.Key) -> None:
    found = keep(project, place, key)
    archive = place.path / f"{found.name}{record.ARCHIVE}"
    content = bytearray(archive.read_bytes())
    content[-1] ^= 1
    archive.write_bytes(content)
    with pytest.raises(DeployError, match="is not the one that was made: its SHA-256 is"):
        Returning(place, place.path, key.identity).drill(found)


def test_an_object_that_goes_while_it_is_read_is_left_out(
    project: Buckets, place: Directory, key: age.Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = Objects.listed

    def and_then(self: Objects, name: str) -> Any:
        found = listed(self, name)
        with suppress(HTTPError):
            project.ask("DELETE", "/object/pictures", json.dumps({"prefixes": ["top"]}).encode())
        return found

    monkeypatch.setattr(Objects, "listed", and_then)
    found = keep(project, place, key, "pictures")
    assert (found.buckets["pictures"].objects, bool(found.verified)) == (4, True)
    assert Returning(place, place.path, key.identity).drill(found) == 4


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Everything of ours on this host."""
    monkeypatch.setattr(places, "ROOT", tmp_path / "host")
    return tmp_path


def test_the_modules_keep_try_and_put_back(
    project: Buckets, key: age.Key, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = project.options(here / "backups")
    more = {"name": "night-objects", "why": "every night", "recipients": [key.recipient], "buckets": ["pictures"]}
    assert run_module(storage_backup, capsys, {**given, **more, "_ansible_check_mode": True})["changed"] is True
    assert not (here / "backups").exists()
    made = run_module(storage_backup, capsys, {**given, **more})
    assert (made["objects"], made["backup"]["name"]) == (5, "night-objects")
    [listed] = run_module(backup_store, capsys, {"directory": given["directory"]})["records"]
    assert {name: value for name, value in listed.items() if name in made["backup"]} == made["backup"]
    assert news.News().read()["buckets"]["at"] == listed["at"]
    assert "backup_buckets_timestamp_seconds" in (places.ROOT / "metrics" / "buckets.prom").read_text()
    project.empty("pictures")
    returns = {**given, "record": listed, "identity": key.identity}
    planned = run_module(storage_restore, capsys, {**returns, "state": "planned", "without_lease": True})
    words = "bucket pictures: 0 objects now, 5 in the backup, which take the place of those of their names; others stay"
    assert (planned["changed"], planned["lost"]) == (False, [words])
    drilled = run_module(storage_restore, capsys, {**returns, "state": "drilled", "without_lease": True})
    assert (drilled["changed"], drilled["objects"], project.held("pictures")) == (False, 5, {})
    alone = run_module(storage_restore, capsys, {**returns, "state": "restored"})
    assert alone["failed"]
    assert "lease" in alone["msg"]
    restored = run_module(storage_restore, capsys, {**returns, "state": "restored", "without_lease": True})
    assert (restored["changed"], restored["objects"], project.held("pictures")) == (True, 5, PICTURES)
    assert "canary" not in json.dumps([made, planned, drilled, restored])
    # How long each took is returned, and written down on the host.
    told = news.News().read()
    for kind, result in (("buckets", made), ("buckets_drill", drilled), ("buckets_restore", restored)):
        assert told[kind]["seconds"] == result["seconds"] >= 0
    assert (told["buckets_drill"]["name"], told["buckets_restore"]["objects"]) == ("night-objects", 5)
    assert "drill" not in told, "nobody has tried the database's backup"
    [line] = (places.ROOT / "backup" / "drills.jsonl").read_text().splitlines()
    assert (json.loads(line)["name"], json.loads(line)["seconds"]) == ("night-objects", drilled["seconds"])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"buckets": ["none"]}, "the project has no bucket none; correct its name, or make it"),
        ({"key": keys(STAGING)["service_role"]}, "answered with status 400"),
        ({"buckets": []}, "buckets: required"),
        ({"recipients": []}, "recipients: required"),
        ({"name": "../night"}, '"../night" is not the name of a backup'),
    ],
)
def test_what_cannot_be_kept_is_refused_and_leaves_nothing(
    project: Buckets, key: age.Key, here: Path, capsys: pytest.CaptureFixture[str], changed: dict[str, Any], said: str
) -> None:
    more = {"name": "night-objects", "why": "a test", "recipients": [key.recipient], "buckets": ["pictures"]}
    failed = run_module(storage_backup, capsys, {**project.options(here / "backups"), **more, **changed})
    assert failed["failed"]
    assert said in failed["msg"]
    assert "canary" not in json.dumps(failed)
    assert list((here / "backups").glob("*")) == []


def test_a_backup_of_another_environment_is_not_put_back(
    project: Buckets, key: age.Key, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = keep(project, Directory(here / "backups"), key)
    given = {**project.options(here / "backups"), "environment": "staging", "record": {"format": 1, **asdict(found)}}
    failed = run_module(storage_restore, capsys, {**given, "state": "planned", "without_lease": True})
    assert "is objects of production, and a objects of staging is needed" in failed["msg"]
