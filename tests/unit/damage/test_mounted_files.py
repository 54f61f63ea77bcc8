"""Files that running replicas have mounted, and that somebody changed on the host: seen as the replicas see them.

A mount of a file goes on showing the inode that was there when the container was started. A hard link does the same, so each
replica of the prepared host has one of each file that it mounts, in a ``/proc`` of its own.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.host import stale as stale_module
from ansible_collections.morpheus.deploy.plugins.module_utils.service.mounted import MountedFile, look

from tests.deep import cases
from tests.unit.damage.edits import EDITS, by_rename, in_place, made
from tests.unit.damage.prepared import PreparedHost

# Where it lies below the stack -> where replicas see it.
MOUNTED = {
    "secrets/session": "run/secrets/session",
    "secrets/values/owner": "run/secrets/owner",
    "content/*/nginx.conf": "etc/nginx.conf",
    "content/*/greeting": "greeting",
}


# Each file and each edit is tried each time.
EDITED = {
    ("secrets/session", "in place and then by rename"),
    ("secrets/values/owner", "by rename"),
    ("content/*/nginx.conf", "in place"),
    ("content/*/greeting", "in place and then by rename"),
}
FEW = cases(MOUNTED, ["secrets/session"])


def lies(host: PreparedHost, pattern: str) -> Path:
    """The one that replicas have mounted, of those that lie there."""
    return next(path for path in host.stack.glob(pattern) if any(path.samefile(one) for one in host.seen(MOUNTED[pattern])))


@pytest.mark.parametrize(
    ("pattern", "edit"),
    [
        pytest.param(pattern, edit, id=f"{pattern}-{edit}", marks=[] if (pattern, edit) in EDITED else [pytest.mark.deep])
        for pattern in MOUNTED
        for edit in EDITS
    ],
)
def test_after_a_deploy_of_the_live_release_every_replica_reads_what_it_was_started_with(
    host: PreparedHost, pattern: str, edit: str
) -> None:
    path = lies(host, pattern)
    right = path.read_bytes()
    EDITS[edit](path)
    said = host.status()["drift"]
    assert any(str(path) in one or "secret session" in one for one in said), said
    before = {*host.client.api.running}
    planned = host.release(check=True)
    assert (planned["pending"], planned["put_right"]) == (True, [] if pattern != "secrets/session" else ["session"])
    answers = host.deploy()
    assert not any(answer.get("failed") for answer in answers), answers
    assert any(answer["changed"] for answer in answers)
    # Nobody is replaced who sees again what is right.
    assert ({*host.client.api.running} == before) is (edit != "in place and then by rename")
    assert path.read_bytes() == right
    assert {one.read_bytes() for one in host.seen(MOUNTED[pattern])} == {right}
    assert host.status()["drift"] == []


def test_the_replicas_of_an_edit_that_was_put_right_by_another_file_are_named_and_replaced(host: PreparedHost) -> None:
    """As an older version of the collection put it right: nothing that lies on the host is wrong any more."""
    path = lies(host, "secrets/session")
    right, mode = path.read_bytes(), path.stat().st_mode & 0o777
    in_place(path)
    by_rename(path)
    path.chmod(0o600)
    path.write_bytes(right)
    path.chmod(mode)
    found = host.status()
    said = "has mounted the file /run/secrets/session as somebody left it on this host"
    running = {key: one["Names"][0].lstrip("/") for key, one in host.client.api.running.items() if "-api-" in one["Names"][0]}
    assert sorted(found["drift"]) == sorted(f"{name} {said}" for name in running.values())
    assert found["mend"] == ["ansible-playbook deploy.yml -i inventories/staging -e stack_release=1.1"]
    assert host.release(check=True)["pending"]
    assert not any(answer.get("failed") for answer in host.deploy())
    assert not running.keys() & host.client.api.running.keys()
    assert (host.reads()["run/secrets/session"], host.status()["drift"]) == ({(right, mode)}, [])


def test_a_secret_with_a_new_value_is_another_file_so_that_who_runs_keeps_what_it_was_started_with(host: PreparedHost) -> None:
    before = host.reads()["run/secrets/session"]
    prepared = host.release(session="another")
    assert (prepared["put_right"], prepared["changed_secrets"], prepared["pending"]) == ([], ["session"], True)
    assert host.reads()["run/secrets/session"] == before
    assert not host.rollout(prepared["id"]).get("failed")
    assert {content for content, _ in host.reads()["run/secrets/session"]} == {b"another"}


@pytest.mark.parametrize("pattern", FEW)
def test_a_mode_that_somebody_gave_is_damage_and_is_taken_back_where_replicas_see_it(host: PreparedHost, pattern: str) -> None:
    path, before, running = lies(host, pattern), host.reads(), {*host.client.api.running}
    path.chmod(0o606)
    assert any(str(path) in one or "secret session" in one for one in host.status()["drift"])
    host.deploy()
    assert (host.reads(), {*host.client.api.running}, host.status()["drift"]) == (before, running, [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
@pytest.mark.parametrize("pattern", FEW)
def test_an_owner_that_somebody_gave_is_damage_and_is_taken_back(host: PreparedHost, pattern: str) -> None:
    path, running = lies(host, pattern), {*host.client.api.running}
    os.chown(path, 12345, -1)
    assert any(str(path) in one or "secret session" in one for one in host.status()["drift"])
    host.deploy()
    assert {one.stat().st_uid for one in host.seen(MOUNTED[pattern])} == {os.geteuid()}
    assert ({*host.client.api.running}, host.status()["drift"]) == (running, [])


def test_content_that_was_removed_with_its_directory_is_seen_again_by_replicas_that_mount_the_directory(tmp_path: Path) -> None:
    """They go on seeing the directory that is gone, which is empty."""
    file = MountedFile("file /etc/app/a.conf", "/etc/app/a.conf", look(made(tmp_path / "release", "right"), "file", False))
    source = made(tmp_path / "content" / "app" / "a.conf", "right").parent
    process = tmp_path / "7"
    details = {"State": {"Pid": 7}, "Mounts": [{"Type": "bind", "Source": str(source), "Destination": "/etc/app"}]}
    made(process / "mountinfo", f"1 0 0:1 / / rw - overlay overlay rw\n2 1 0:2 {source} /etc/app ro - ext4 /dev/sda rw\n")
    (process / "root" / "etc").mkdir(parents=True)
    (process / "root" / "etc" / "app").symlink_to(source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stale_module, "PROC", tmp_path)
        assert stale_module.stale(details, [file]) == ()
        # In place: it is put right there, for everybody.
        (source / "a.conf").write_text("wrong")
        assert stale_module.stale(details, [file]) == ()
        (process / "root" / "etc" / "app").unlink()
        (process / "root" / "etc" / "app").mkdir()
        assert stale_module.stale(details, [file]) == ("/etc/app/a.conf",)
        made(process / "root" / "etc" / "app" / "a.conf", "right")
        assert stale_module.stale(details, [file]) == ()
        # What is mounted over it is another mount's matter, and what nobody can look at is nobody's.
        (process / "root" / "etc" / "app" / "a.conf").unlink()
        with (process / "mountinfo").open("a") as stream:
            stream.write("3 2 0:3 / /etc/app/a.conf ro - tmpfs tmpfs rw\n")
        assert stale_module.stale(details, [file]) == ()
        assert stale_module.stale({**details, "State": {"Pid": 8}}, [file]) == ()
