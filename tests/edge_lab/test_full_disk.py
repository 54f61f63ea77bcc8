"""A disk that is really full in the middle of a rollout: what was to be written down is missing, and users miss nothing."""

from __future__ import annotations

import mmap
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.host.lock import alone
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage import journal
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.rollout import Rollout
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.switch import HostRollout

from tests.edge_lab.edge import lab_directory, running_edge
from tests.edge_lab.examples import Release, Service
from tests.edge_lab.host import STACK, LabHost
from tests.edge_lab.load import Load, Place
from tests.edge_lab.namespace import own_network
from tests.edge_lab.state import differences
from tests.edge_lab.toys import Loop, ToyDocker

API = Service("api", (("shop.example.com", "/"),))
FIRST, SECOND = Release("1", (API,)), Release("2", (API,))
SICK = Release("2", (Service("api", API.routes, fault="sick"),))
# So much of the next line of the journal still fits.
TORN_BYTES = 10


class FullDisk:
    """Of the releases, their lineage and the journal. HAProxy's files lie on another one."""

    def __init__(self, root: Path) -> None:
        self.at = root / "stacks"
        self.at.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", self.at], check=True)
        self._file = self.at / "file"

    def fill(self, journal_file: Path) -> None:
        """A file system gives room by the page, so what is left of the journal's last one is used up, too."""
        page = mmap.PAGESIZE
        with journal_file.open("ab") as stream:
            stream.write(b" " * (-(journal_file.stat().st_size + TORN_BYTES + 1) % page) + b"\n")
        with self._file.open("wb", buffering=0) as stream, suppress(OSError):
            while True:
                stream.write(b"x" * page)

    def make_room(self) -> None:
        self._file.unlink()

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", self.at], check=True)


@contextmanager
def host_with_a_small_disk() -> Iterator[tuple[LabHost, ToyDocker, FullDisk, Loop]]:
    with lab_directory() as root:
        disk = FullDisk(root)
        try:
            with running_edge(root, lambda loop: ToyDocker(loop, STACK)) as edge:
                yield edge.host(disk.at), edge.docker, disk, edge.loop
        finally:
            disk.close()


def roll(host: LabHost, release: Release) -> Rollout:
    with alone(host, 1, "the lab") as fence:
        rollout = HostRollout(host, fence)
        found = rollout.prepare(f"{release.name}-id", restart=False)
        rollout.execute(found)
    return found


@pytest.mark.parametrize(
    "second", [pytest.param(SECOND, id="to its end"), pytest.param(SICK, id="and back", marks=pytest.mark.deep)]
)
def test_a_rollout_goes_on_when_its_disk_is_full(second: Release) -> None:
    """The disk fills before the first container is started, when the release has been written and nothing is changed yet."""
    with own_network(), host_with_a_small_disk() as (host, docker, disk, loop):
        host.write(FIRST)
        host.write(second)
        assert (roll(host, FIRST).outcome.failures, list(differences(host, docker, FIRST))) == ([], [])
        lines = host.releases.root / "journal.jsonl"
        is_full = False

        def fill_once(what: str) -> None:
            nonlocal is_full
            if not is_full:
                is_full = True
                disk.fill(lines)

        docker.before_change = fill_once
        load = Load(loop, [Place("shop.example.com", "/")])
        load.start()
        try:
            done = roll(host, second)
        finally:
            load.stop()
        assert is_full
        assert [str(one) for one in load.requests if one.error or one.status != 200] == []
        serves = FIRST if second is SICK else second
        assert {one.app.version for one in docker.of_service("api")} == {serves.name}
        assert (done.left, len(done.outcome.failures)) == (("as_before", 1) if second is SICK else ("", 0))
        missing = [one for one in done.warnings if one.startswith("lines of the journal are missing: ")]
        assert len(missing) == 1
        assert f"{lines} could not be written: No space left on device" in missing[0]
        noted = f"could not write down that release 2-id {'has failed' if second is SICK else 'is live'} here"
        assert [one.startswith(noted) for one in done.warnings].count(True) == 1
        back = [one for one in done.warnings if one.startswith("could not put the files of 1-id, which runs, back: ")]
        assert len(back) == (1 if second is SICK else 0), done.warnings
        assert not journal_ends_well(lines), "the line that did not fit is torn"

        # With room again the same command writes down what is.
        disk.make_room()
        docker.before_change = lambda what: None
        again = roll(host, serves)
        assert (again.outcome.failures, again.warnings, list(differences(host, docker, serves))) == ([], [], [])
        assert journal.events(lines)[-1]["event"] == "live"


def journal_ends_well(path: Path) -> bool:
    return path.read_bytes().endswith(b"\n")
