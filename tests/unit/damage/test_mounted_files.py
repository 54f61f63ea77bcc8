"""Files that running replicas have mounted, and that somebody changed on the host: seen as the replicas see them.

A mount of a file goes on showing the inode that was there when the container was started. A hard link does the same, so each
replica of the prepared host has one of each file that it mounts, in a ``/proc`` of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.damage.prepared import PreparedHost, prepared_host


@pytest.fixture
def host() -> Iterator[PreparedHost]:
    with prepared_host() as found:
        yield found


def _in_place(path: Path) -> None:
    """``echo >>``: the same inode."""
    with path.open("a") as stream:
        stream.write("and more\n")


def _by_rename(path: Path) -> None:
    """``sed -i``: another one."""
    other = path.with_name("sed")
    other.write_text("something else\n")
    other.chmod(path.stat().st_mode & 0o777)
    other.replace(path)


def _both(path: Path) -> None:
    """The inode that replicas have mounted is changed, and is then at no path any more."""
    _in_place(path)
    _by_rename(path)


EDITS = {"in place": _in_place, "by rename": _by_rename, "in place and then by rename": _both}
# Where it lies below the stack -> where replicas see it.
MOUNTED = {
    "secrets/session": "run/secrets/session",
    "secrets/values/owner": "run/secrets/owner",
    "content/*/nginx.conf": "etc/nginx.conf",
    "content/*/greeting": "greeting",
}


def lies(host: PreparedHost, pattern: str) -> Path:
    """The one that replicas have mounted, of those that lie there."""
    return next(path for path in host.stack.glob(pattern) if any(path.samefile(one) for one in host.seen(MOUNTED[pattern])))


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("pattern", MOUNTED)
def test_after_a_deploy_of_the_live_release_every_replica_reads_what_it_was_started_with(
    host: PreparedHost, pattern: str, edit: str
) -> None:
    path = lies(host, pattern)
    right = path.read_bytes()
    EDITS[edit](path)
    said = host.status()["drift"]
    assert any(str(path) in one or "secret session" in one for one in said), said
    for answer in host.deploy():
        assert not answer.get("failed"), answer
    assert path.read_bytes() == right
    assert {one.read_bytes() for one in host.seen(MOUNTED[pattern])} == {right}
    assert host.status()["drift"] == []
