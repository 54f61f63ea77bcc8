"""The walk over a tree of files: what gives other rights, who can read, and what is left out."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import walk


def file(root: Path, name: str, content: str = "x", mode: int = 0o644) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(mode)
    return path


def ids() -> str:
    return f"{os.geteuid()}:{os.getegid()}"


def test_a_program_with_the_rights_of_another_user_is_told_with_its_content(tmp_path: Path) -> None:
    file(tmp_path, "usr/bin/su", "su", 0o4755)
    file(tmp_path, "tmp/.x/sh", "shell", 0o6711)
    file(tmp_path, "usr/bin/ls", "ls", 0o755)
    # Of a file that nobody can execute the bit says something else.
    file(tmp_path, "var/log/x", "x", 0o2640)
    assert walk.walk(tmp_path).privileged == {
        f"/usr/bin/su, mode 4755 of {ids()}": hashlib.sha256(b"su").hexdigest(),
        f"/tmp/.x/sh, mode 6711 of {ids()}": hashlib.sha256(b"shell").hexdigest(),
    }


def test_capabilities_of_a_file_count_like_its_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = file(tmp_path, "usr/bin/python3", "p", 0o755)
    file(tmp_path, "usr/bin/ls", "l", 0o755)

    def xattr(path: str, name: str, *, follow_symlinks: bool) -> bytes:
        if path != str(program):
            raise OSError(61, "No data available")
        return bytes.fromhex("0100000280000000")

    monkeypatch.setattr(os, "getxattr", xattr)
    assert walk.walk(tmp_path).privileged == {"/usr/bin/python3, capabilities 0100000280000000": hashlib.sha256(b"p").hexdigest()}


@pytest.mark.parametrize(
    ("mode", "directory", "is_open"),
    [(0o600, 0o755, False), (0o604, 0o755, True), (0o604, 0o700, False), (0o604, 0o711, True), (0o640, 0o755, False)],
)
def test_a_file_is_open_when_somebody_else_can_come_to_it_and_read_it(
    tmp_path: Path, mode: int, directory: int, is_open: bool
) -> None:
    file(tmp_path, "srv/a/b", mode=mode)
    tmp_path.chmod(0o755)
    (tmp_path / "srv").chmod(directory)
    [found] = walk.walk(tmp_path).files
    assert (found.path, found.open) == ("/srv/a/b", is_open)


def test_links_are_not_followed_and_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    file(tmp_path, "srv/a")
    (tmp_path / "srv/link").symlink_to(tmp_path / "srv/a")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "srv/pipe")
    found = walk.walk(tmp_path)
    assert [one.path for one in found.files] == ["/srv/a"]
    assert found.count == 5


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    file(tmp_path, "var/lib/docker/overlay2/x/bin/su", mode=0o4755)
    file(tmp_path, "mnt/share/su", mode=0o4755)
    file(tmp_path, "sys/kernel/x")
    table = "1 1 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:5 / /mnt/share rw - nfs4 s:/x rw\n3 1 0:6 / /sys rw - sysfs sysfs rw\n"
    file(tmp_path, "proc/self/mountinfo", table)
    found = walk.walk(tmp_path)
    assert found.privileged == {}
    assert found.left_out == ["/var/lib/docker", "/mnt/share (nfs4)"]
    assert found.complete


def test_a_walk_that_takes_too_long_says_that_it_is_not_complete(tmp_path: Path) -> None:
    file(tmp_path, "a/b")
    assert not walk.walk(tmp_path, seconds=-1).complete


def test_where_something_is_mounted_is_read_as_the_kernel_writes_it(tmp_path: Path) -> None:
    file(
        tmp_path,
        "proc/self/mountinfo",
        "1 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n2 1 0:5 / /mnt/a\\040b rw - cifs //s/x rw\n",
    )
    assert walk.mounts(tmp_path) == {"": "ext4", "/mnt/a b": "cifs"}
    assert walk.mounts(tmp_path / "none") == {}


def test_what_packages_brought_is_known_also_where_bin_is_a_link(tmp_path: Path) -> None:
    file(tmp_path, "usr/bin/su", "su")
    (tmp_path / "bin").symlink_to("usr/bin")
    file(tmp_path, "var/lib/dpkg/info/login.list", "/.\n/bin\n/bin/su\n/etc/login.defs\n")
    file(tmp_path, "var/lib/dpkg/info/login.md5sums", f"{hashlib.md5(b'su').hexdigest()}  bin/su\n")
    assert {"/usr/bin/su", "/etc/login.defs"} <= walk.packaged(tmp_path)
    assert walk.is_of_package("/usr/bin/su", tmp_path)
    file(tmp_path, "usr/bin/su", "another")
    assert not walk.is_of_package("/usr/bin/su", tmp_path)
    assert not walk.is_of_package("/usr/bin/gone", tmp_path)
    assert walk.packaged(tmp_path / "none") == set()
