"""What is done to an engine, in which order, and what is left when it goes wrong or the run is killed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.daemon.config import (
    Change,
    DaemonConfigError,
    Engine,
    RestartError,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.daemon.setup import PENDING, EngineSetup, Outcome

from tests.unit.clock import Clock

MTU = {"live-restore": True, "mtu": 1400}


class Killed(BaseException):
    """The run ends here."""


class FakeDockerd:
    """An engine that reads its file as dockerd does: all of it when it starts, live-restore also when told to reload."""

    def __init__(self, path: Path, *, containers: int = 2, up: bool = True, swarm: bool = False, killed_at: str = "") -> None:
        self.path, self.up, self.swarm, self.killed_at = path, up, swarm, killed_at
        self.containers = {f"container{number}" for number in range(containers)}
        self.config = self._file()
        self.log: list[str] = []

    def _file(self) -> dict[str, Any]:
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def _do(self, what: str) -> None:
        if self.killed_at == what:
            self.killed_at = ""
            raise Killed
        self.log.append(what)

    def look(self) -> Engine | None:
        return Engine(len(self.containers), bool(self.config.get("live-restore"))) if self.up else None

    def running(self) -> set[str]:
        return set(self.containers)

    def rejects(self, path: Path) -> str:
        return "no such option: nonsense" if "nonsense" in json.loads(path.read_text()) else ""

    def reload(self) -> None:
        self._do("reload")
        if not self.swarm:
            self.config["live-restore"] = self._file().get("live-restore", self.config.get("live-restore"))

    def restart(self) -> str:
        self._do("restart")
        if not self.config.get("live-restore"):
            self.containers.clear()
        self.up = "fatal" not in self._file()
        self.config = self._file() if self.up else self.config
        return "" if self.up else "unable to configure the Docker daemon"


World = Callable[..., FakeDockerd]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "daemon.json"


@pytest.fixture
def world(path: Path) -> World:
    def make(there: dict[str, Any] | None = None, **options: Any) -> FakeDockerd:
        if there is not None:
            path.write_text(json.dumps(there))
        return FakeDockerd(path, **options)

    return make


def apply(dockerd: FakeDockerd, wanted: dict[str, Any], *, allowed: bool = False, check_mode: bool = False) -> Outcome:
    def backup(name: str) -> str:
        Path(f"{name}.backup").write_text(Path(name).read_text())
        return f"{name}.backup"

    setup = EngineSetup(dockerd, Clock(), dockerd.path, backup)
    return setup.apply(wanted, allow_interruption=allowed, check_mode=check_mode)


def test_what_was_there_stays_and_a_backup_is_kept(world: World, path: Path) -> None:
    dockerd = world({"bip": "10.9.0.1/16", "live-restore": True})
    outcome = apply(dockerd, MTU)
    assert json.loads(path.read_text()) == {"bip": "10.9.0.1/16", "live-restore": True, "mtu": 1400}
    assert json.loads(Path(outcome.backup).read_text()) == {"bip": "10.9.0.1/16", "live-restore": True}
    assert outcome.change == Change(("mtu",))
    assert dockerd.log == ["restart"]
    assert len(dockerd.containers) == 2


def test_the_second_run_does_nothing(world: World, path: Path) -> None:
    dockerd = world({})
    apply(dockerd, MTU)
    dockerd.log.clear()
    written = path.stat().st_mtime_ns
    assert apply(dockerd, MTU).change == Change()
    assert (dockerd.log, path.stat().st_mtime_ns) == ([], written)


def test_a_file_that_says_the_same_in_another_way_is_left_as_it_is(world: World, path: Path) -> None:
    dockerd = world(MTU)
    path.write_text('{"mtu":1400,"live-restore":true}')
    assert not apply(dockerd, MTU).written
    assert path.read_text() == '{"mtu":1400,"live-restore":true}'


def test_an_engine_whose_containers_would_end_is_reloaded_before_it_is_restarted(world: World) -> None:
    dockerd = world({})
    apply(dockerd, {**MTU, "registry-mirrors": ["http://mirror"]})
    assert dockerd.log == ["reload", "restart"]
    assert len(dockerd.containers) == 2


def test_live_restore_that_the_file_has_and_the_engine_does_not_is_switched_on_first(world: World) -> None:
    dockerd = world({"live-restore": True})
    dockerd.config = {}
    apply(dockerd, MTU)
    assert dockerd.log == ["reload", "restart"]
    assert len(dockerd.containers) == 2


def test_what_a_reload_takes_over_needs_no_restart(world: World) -> None:
    dockerd = world({"live-restore": True})
    apply(dockerd, {"live-restore": True, "registry-mirrors": ["http://mirror"]})
    assert dockerd.log == ["reload"]


def test_an_engine_that_does_not_run_is_given_its_file_and_not_started(world: World, path: Path) -> None:
    dockerd = world(up=False)
    outcome = apply(dockerd, MTU)
    assert (outcome.written, outcome.change, outcome.backup, dockerd.log) == (True, Change(), "", [])
    assert json.loads(path.read_text()) == MTU


def test_an_engine_that_cannot_let_containers_live_on_is_not_restarted(world: World, path: Path) -> None:
    dockerd = world({"bip": "10.9.0.1/16"}, swarm=True)
    with pytest.raises(DaemonConfigError) as caught:
        apply(dockerd, MTU)
    assert "a member of a swarm cannot. It was not restarted for mtu." in str(caught.value)
    assert json.loads(path.read_text()) == {"bip": "10.9.0.1/16"}
    assert dockerd.log == ["reload", "reload"]
    assert not (path.parent / PENDING).exists()


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        pytest.param(
            {"live-restore": False, "mtu": 1400}, "stops the 2 containers of this host. Nothing was changed.", id="it stops"
        ),
        pytest.param({"nonsense": 1}, "rejects the new", id="the engine rejects it"),
    ],
)
@pytest.mark.parametrize("check_mode", [True, False])
def test_what_is_refused_changes_nothing(world: World, path: Path, wanted: dict[str, Any], words: str, check_mode: bool) -> None:
    dockerd = world({"live-restore": True})
    if check_mode and "nonsense" in wanted:
        # Not validated then.
        assert apply(dockerd, wanted, check_mode=True).written
    else:
        with pytest.raises(DaemonConfigError) as caught:
            apply(dockerd, wanted, check_mode=check_mode)
        assert words in str(caught.value)
    assert (dockerd.log, [file.name for file in path.parent.iterdir()]) == ([], ["daemon.json"])
    assert json.loads(path.read_text()) == {"live-restore": True}


def test_a_person_may_allow_the_interruption(world: World) -> None:
    dockerd = world({})
    apply(dockerd, {"live-restore": False, "mtu": 1400}, allowed=True)
    assert "restart" in dockerd.log
    assert dockerd.containers == set()


def test_an_engine_that_does_not_come_back_gets_its_old_file_again(world: World, path: Path) -> None:
    dockerd = world({"live-restore": True})
    with pytest.raises(RestartError) as caught:
        apply(dockerd, {"fatal": True})
    assert "unable to configure the Docker daemon" in str(caught.value)
    assert str(caught.value).endswith("The file from before is back, and the engine runs with it")
    assert dockerd.look() == Engine(2, True)
    assert json.loads(path.read_text()) == {"live-restore": True}
    assert not (path.parent / PENDING).exists()


@pytest.mark.parametrize("moment", ["reload", "restart"])
def test_a_run_that_was_killed_is_finished_by_the_next_one(world: World, moment: str) -> None:
    wanted = {**MTU, "debug": True}
    dockerd = world({}, killed_at=moment)
    with pytest.raises(Killed):
        apply(dockerd, wanted)
    assert apply(dockerd, wanted, check_mode=True).change.restart == ("mtu",)
    apply(dockerd, wanted)
    assert dockerd.config == wanted
    assert len(dockerd.containers) == 2
    assert apply(dockerd, wanted).change == Change()


def test_what_a_killed_run_left_is_no_longer_due_when_the_engine_was_started_since(world: World, path: Path) -> None:
    dockerd = world({}, killed_at="restart")
    with pytest.raises(Killed):
        apply(dockerd, MTU)
    dockerd.up = False
    assert apply(dockerd, MTU).change == Change()
    assert not (path.parent / PENDING).exists()
