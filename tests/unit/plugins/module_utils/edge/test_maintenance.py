"""Maintenance against a fake HAProxy on real sockets and real files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import maintenance as maintenance_module
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import sockets
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.maintenance import Maintenance, describe
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths

from tests.unit.fake_haproxy import FakeHAProxy, Worker

MAP = "/usr/local/etc/haproxy/maintenance.map"
OLD, CURRENT, NEXT = 8, 12, 16


class HAProxy(FakeHAProxy):
    """Each worker has its own copy of the map, read when it started; None: its configuration names no such map."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.worker = Worker(CURRENT)
        self.maps: dict[int, dict[str, str] | None] = {CURRENT: {"state": "off"}}
        # Workers that end as soon as the master has named them.
        self.ending: set[int] = set()
        self.busy_reloading = 0
        self.is_deaf = False

    def _master(self, command: str) -> str:
        found = re.fullmatch(r"@!(\d+) (.*)", command)
        if found:
            self.commands.append(command)
            return self._ask_worker(int(found[1]), found[2])
        if self.busy_reloading:
            self.busy_reloading -= 1
            return "#<PID>          <type>          <reloads>       <uptime>        <version>\n# workers\n# programs\n"
        return super()._master(command)

    def _ask_worker(self, pid: int, command: str) -> str:
        if pid in self.ending or pid not in self.maps:
            return f"Can't find the target PID matching the prefix '@!{pid}'"
        entries = self.maps[pid]
        verb, _, name, *words = command.split()
        if entries is None or name != MAP:
            return "Unknown map identifier. Please use #<id> or <file>.\n"
        if verb == "show":
            return "".join(f"0x7f5ceb2246e0 {key} {value}\n" for key, value in entries.items())
        key, value = words
        if verb == "set" and key not in entries:
            return "entry not found.\n"
        assert verb == "set" or key not in entries, f"{key} would stand in the map twice"
        if not self.is_deaf:
            entries[key] = value
        return ""


@pytest.fixture
def paths() -> Iterator[EdgePaths]:
    # Not below pytest's own directory: a socket's path must be short.
    with TemporaryDirectory(dir="/tmp") as directory:
        found = EdgePaths(Path(directory))
        found.conf.mkdir()
        found.settings.write_text('{"image": "haproxy:3.0", "user": "99:99"}\n')
        (found.conf / "maintenance.map").write_text("state off\n")
        yield found


@pytest.fixture
def haproxy(paths: EdgePaths) -> Iterator[HAProxy]:
    fake = HAProxy(paths.root)
    with fake:
        yield fake


def on_disk(paths: EdgePaths) -> str:
    return (paths.conf / "maintenance.map").read_text()


def changing(haproxy: HAProxy) -> list[str]:
    return [command for command in haproxy.commands if re.search(r" (set|add) map ", command)]


@pytest.mark.parametrize(("state", "other"), [("on", "off"), ("off", "on")])
def test_file_and_worker_both_become_what_is_wanted_without_a_reload(
    paths: EdgePaths, haproxy: HAProxy, state: str, other: str
) -> None:
    (paths.conf / "maintenance.map").write_text(f"state {other}\n")
    haproxy.maps[CURRENT] = {"state": other}
    before = Maintenance(paths).switch(state)
    assert before == {"maintenance.map": other, "worker 12": other}
    assert on_disk(paths) == f"state {state}\n"
    assert haproxy.maps[CURRENT] == {"state": state}
    assert haproxy.reloads == 0


def test_the_file_is_written_before_any_worker_is_told(paths: EdgePaths, haproxy: HAProxy) -> None:
    seen: list[str] = []
    haproxy.on_command = lambda command: seen.append(on_disk(paths)) if " set map " in command else None
    Maintenance(paths).switch("on")
    assert seen == ["state on\n"]


def test_what_is_as_wanted_is_not_touched(paths: EdgePaths, haproxy: HAProxy) -> None:
    Maintenance(paths).switch("on")
    inode = (paths.conf / "maintenance.map").stat().st_ino
    haproxy.commands.clear()
    assert set(Maintenance(paths).switch("on").values()) == {"on"}
    assert changing(haproxy) == []
    assert (paths.conf / "maintenance.map").stat().st_ino == inode


def test_looking_changes_nothing(paths: EdgePaths, haproxy: HAProxy) -> None:
    assert Maintenance(paths).look() == {"maintenance.map": "off", "worker 12": "off"}
    assert changing(haproxy) == []
    assert on_disk(paths) == "state off\n"
    # Of the master itself, whose line stands in the same table, nothing is asked.
    assert [command.split()[0] for command in haproxy.commands if command.startswith("@")] == ["@!12"]


@pytest.mark.parametrize(("file", "worker"), [("on", "off"), ("off", "on")])
@pytest.mark.parametrize("state", ["on", "off"])
def test_a_run_that_was_killed_half_way_is_completed(
    paths: EdgePaths, haproxy: HAProxy, file: str, worker: str, state: str
) -> None:
    (paths.conf / "maintenance.map").write_text(f"state {file}\n")
    haproxy.maps[CURRENT] = {"state": worker}
    assert Maintenance(paths).switch(state) == {"maintenance.map": file, "worker 12": worker}
    assert set(Maintenance(paths).look().values()) == {state}


def test_workers_that_a_reload_left_behind_are_told_too(paths: EdgePaths, haproxy: HAProxy) -> None:
    haproxy.old = [Worker(OLD)]
    haproxy.maps[OLD] = {"state": "off"}
    Maintenance(paths).switch("on")
    assert haproxy.maps == {OLD: {"state": "on"}, CURRENT: {"state": "on"}}


def test_an_old_worker_from_before_there_was_maintenance_is_no_obstacle(paths: EdgePaths, haproxy: HAProxy) -> None:
    haproxy.old = [Worker(OLD)]
    haproxy.maps[OLD] = None
    assert Maintenance(paths).switch("on") == {"maintenance.map": "off", "worker 12": "off"}
    assert haproxy.maps[CURRENT] == {"state": "on"}


def test_a_worker_that_ends_meanwhile_is_no_obstacle(paths: EdgePaths, haproxy: HAProxy) -> None:
    haproxy.old = [Worker(OLD)]
    haproxy.maps[OLD] = {"state": "off"}
    haproxy.on_command = lambda command: haproxy.ending.add(OLD) if " set map " in command else None
    Maintenance(paths).switch("on")
    assert haproxy.maps[CURRENT] == {"state": "on"}


def test_a_worker_that_had_read_the_file_before_it_changed_is_told_too(paths: EdgePaths, haproxy: HAProxy) -> None:
    def reload_meanwhile(command: str) -> None:
        if " set map " in command and NEXT not in haproxy.maps:
            haproxy.maps[NEXT] = {"state": "off"}
            haproxy.old, haproxy.worker = [haproxy.worker], Worker(NEXT)

    haproxy.on_command = reload_meanwhile
    Maintenance(paths).switch("on")
    assert haproxy.maps == {CURRENT: {"state": "on"}, NEXT: {"state": "on"}}


def test_in_the_middle_of_a_reload_the_new_worker_is_awaited(paths: EdgePaths, haproxy: HAProxy) -> None:
    haproxy.busy_reloading = 2
    Maintenance(paths).switch("on")
    assert haproxy.maps[CURRENT] == {"state": "on"}


def test_a_map_without_the_entry_gets_it(paths: EdgePaths, haproxy: HAProxy) -> None:
    (paths.conf / "maintenance.map").write_text("")
    haproxy.maps[CURRENT] = {}
    assert Maintenance(paths).switch("on") == {"maintenance.map": "", "worker 12": ""}
    assert on_disk(paths) == "state on\n"
    assert haproxy.maps[CURRENT] == {"state": "on"}


def test_an_edge_of_an_older_version_is_refused_and_left_as_it_was(paths: EdgePaths, haproxy: HAProxy) -> None:
    haproxy.maps[CURRENT] = None
    with pytest.raises(EdgeError, match=r"playbooks/provision\.yml"):
        Maintenance(paths).switch("on")
    assert on_disk(paths) == "state off\n"


def test_an_edge_without_the_file_is_refused_and_left_as_it_was(paths: EdgePaths, haproxy: HAProxy) -> None:
    (paths.conf / "maintenance.map").unlink()
    with pytest.raises(EdgeError, match=r"playbooks/provision\.yml"):
        Maintenance(paths).switch("on")
    assert not (paths.conf / "maintenance.map").exists()
    assert changing(haproxy) == []


def test_a_host_without_an_edge_is_refused(paths: EdgePaths) -> None:
    paths.settings.unlink()
    with pytest.raises(EdgeError, match="this host has no edge"):
        Maintenance(paths).look()


def test_a_master_that_takes_no_connection_while_it_loads_is_awaited(paths: EdgePaths, haproxy: HAProxy) -> None:
    hidden = paths.master.with_suffix(".hidden")
    paths.master.rename(hidden)
    Timer(0.2, hidden.rename, [paths.master]).start()
    assert Maintenance(paths).switch("on") == {"maintenance.map": "off", "worker 12": "off"}
    assert haproxy.maps[CURRENT] == {"state": "on"}


def test_an_edge_that_does_not_answer_is_refused_and_left_as_it_was(paths: EdgePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance_module, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(sockets, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(sockets, "RESTART_SECONDS", 0.0)
    with pytest.raises(EdgeError, match="does not answer"):
        Maintenance(paths).switch("on")
    assert on_disk(paths) == "state off\n"


def test_without_any_worker_it_gives_up_and_leaves_the_file(
    paths: EdgePaths, haproxy: HAProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance_module, "PATIENCE_SECONDS", 0.0)
    haproxy.busy_reloading = 1000
    with pytest.raises(EdgeError, match="no worker"):
        Maintenance(paths).switch("on")
    assert on_disk(paths) == "state off\n"


def test_a_worker_that_does_not_do_what_it_is_told_is_an_error(
    paths: EdgePaths, haproxy: HAProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance_module, "PATIENCE_SECONDS", 0.0)
    haproxy.is_deaf = True
    with pytest.raises(EdgeError, match="did not switch maintenance on"):
        Maintenance(paths).switch("on")


def test_a_difference_is_told_line_by_line() -> None:
    assert describe({"maintenance.map": "on", "worker 12": "off"}) == "maintenance.map: on\nworker 12: off\n"
