"""Whom a balancer keeps off stays off, whatever became of the map that says so: against a fake HAProxy that reads the files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import DamagedError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.configuration import EdgeConfiguration
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.upstreams import Everybody, KeptOff

from tests.unit.plugins.module_utils.edge import test_maintenance as maintenance

CONF = "/usr/local/etc/haproxy"
CONFIG = f"""\
frontend checks from base
    http-request return status 503 if {{ var(txn.upstream),map({CONF}/away.map) -m str on }}
    acl is-let-in var(txn.upstream),map({CONF}/away.map) -m str off
    http-request return status 503 if !is-let-in {{ var(txn.upstream),map({CONF}/kept-off.map) -m str on }}
"""
BOTH = ("away.map", "kept-off.map")


class Balancer(maintenance.HAProxy):
    """As HAProxy with CONFIG does it: what a worker was told is forgotten by the next one, which reads the files."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.maps = {self.worker.pid: {}}
        self.copied: dict[str, str] = {}

    def load_files(self) -> None:
        assert not [name for name in BOTH if not (self.root / "conf" / name).is_file()], "HAProxy does not start without its maps"
        super().load_files()
        away, self.copied = (self._read(name) for name in BOTH)
        self.maps = {self.worker.pid: away}

    def _read(self, name: str) -> dict[str, str]:
        lines = [line.split() for line in (self.root / "conf" / name).read_text(errors="replace").splitlines()]
        return {words[0]: [*words, ""][1] for words in lines if words}

    def lets_in(self, name: str) -> bool:
        said = (self.maps[self.worker.pid] or {}).get(name)
        return said != "on" and (said == "off" or self.copied.get(name) != "on")


@pytest.fixture
def balancer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Balancer]:
    monkeypatch.setattr(maintenance, "MAP", f"{CONF}/away.map")
    # A socket's path must be short.
    with TemporaryDirectory(dir="/tmp") as directory:
        root = Path(directory)
        (root / "conf").mkdir()
        (root / "edge.json").write_text('{"image": "haproxy:3.0", "user": "99:99"}\n')
        (root / "conf" / "haproxy.cfg").write_text(CONFIG)
        for name in BOTH:
            (root / "conf" / name).write_text("")
        fake = Balancer(root)
        with fake:
            yield fake


@pytest.fixture
def paths(balancer: Balancer) -> EdgePaths:
    return EdgePaths(balancer.root)


def _torn(path: Path) -> None:
    path.write_text(path.read_text()[:-2])


DAMAGES: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "empty": lambda path: path.write_text(""),
    "torn": _torn,
    "garbage": lambda path: path.write_bytes(b"\xff\xfe\x00\xd8" * 5),
}


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_reload_lets_nobody_in_who_is_kept_off(balancer: Balancer, paths: EdgePaths, damage: str, name: str) -> None:
    KeptOff(paths, "app-1").switch("on")
    KeptOff(paths, "app-2").switch("on")
    KeptOff(paths, "app-1").switch("off")
    DAMAGES[damage](paths.conf / name)
    EdgeConfiguration(paths, lambda _: "").reload()
    assert balancer.reloads == 1
    assert (balancer.lets_in("app-1"), balancer.lets_in("app-2")) == (True, False)
    # And by HAProxy that starts anew.
    balancer.load_files()
    assert (balancer.lets_in("app-1"), balancer.lets_in("app-2")) == (True, False)
    assert Everybody(paths).look().problems() == []


def test_no_change_of_the_configuration_lets_anybody_in(balancer: Balancer, paths: EdgePaths) -> None:
    """HAProxy looks at the new configuration before it is used, and rejects one without its map."""
    KeptOff(paths, "app-2").switch("on")
    (paths.conf / "away.map").unlink()
    looked: list[str] = []

    def validate(candidate: Path) -> str:
        looked.append((candidate / "away.map").read_text())
        return ""

    assert EdgeConfiguration(paths, validate).apply({"haproxy.cfg": f"{CONFIG}# more\n"}) == ["haproxy.cfg"]
    assert looked == ["app-2 on\n"]
    assert not balancer.lets_in("app-2")


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("damage", ["empty", "torn", "garbage"])
def test_haproxy_that_starts_anew_goes_by_the_one_of_both_that_is_whole(
    balancer: Balancer, paths: EdgePaths, damage: str, name: str
) -> None:
    KeptOff(paths, "app-2").switch("on")
    DAMAGES[damage](paths.conf / name)
    balancer.load_files()
    assert not balancer.lets_in("app-2")


def test_whoever_is_let_in_is_let_in_by_every_haproxy_that_starts(balancer: Balancer, paths: EdgePaths) -> None:
    KeptOff(paths, "app-2").switch("on")
    KeptOff(paths, "app-2").switch("off")
    balancer.load_files()
    assert balancer.lets_in("app-2")
    assert (Everybody(paths).look().kept_off, (paths.conf / "kept-off.map").read_text()) == ((), "")


def test_a_run_that_was_killed_while_it_let_a_host_in_has_let_it_in(balancer: Balancer, paths: EdgePaths) -> None:
    """The map is written first, the copy last; and a worker may not have heard of it."""
    KeptOff(paths, "app-2").switch("on")
    (paths.conf / "away.map").write_text("app-2 off\n")
    balancer.load_files()
    assert balancer.lets_in("app-2")
    EdgeConfiguration(paths, lambda _: "").reload()
    assert balancer.lets_in("app-2")


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_was_lost_is_said_with_the_path_and_the_command(
    balancer: Balancer, paths: EdgePaths, damage: str, name: str
) -> None:
    KeptOff(paths, "app-2").switch("on")
    DAMAGES[damage](paths.conf / name)
    found = Everybody(paths).look()
    mend = "run playbooks/provision.yml --tags edge for this inventory, which restores it"
    assert found.problems() == [f"{paths.conf / name} does not say that app-2 is kept off: {mend}"]
    assert found.kept_off == ("app-2",)
    Everybody(paths).mend()
    assert Everybody(paths).look().problems() == []


def test_a_host_that_haproxy_lets_in_by_a_loss_is_said_and_kept_off_again(balancer: Balancer, paths: EdgePaths) -> None:
    """As when HAProxy was started by an older version, which knows no copy, after the map was lost."""
    KeptOff(paths, "app-2").switch("on")
    balancer.maps[balancer.worker.pid] = {}
    mend = "run playbooks/provision.yml --tags edge for this inventory, which tells it"
    assert Everybody(paths).look().problems() == [f"HAProxy lets app-2 in, although the balancer is to keep it off: {mend}"]
    Everybody(paths).mend()
    assert not balancer.lets_in("app-2")


def test_who_switches_one_host_writes_what_was_lost_of_others(balancer: Balancer, paths: EdgePaths) -> None:
    KeptOff(paths, "app-2").switch("on")
    (paths.conf / "away.map").unlink()
    KeptOff(paths, "app-1").switch("on")
    assert sorted((paths.conf / "away.map").read_text().split("\n")) == ["", "app-1 on", "app-2 on"]


def test_a_directory_in_the_place_of_the_map_stops_the_reload(balancer: Balancer, paths: EdgePaths) -> None:
    KeptOff(paths, "app-2").switch("on")
    (paths.conf / "away.map").unlink()
    (paths.conf / "away.map").mkdir()
    with pytest.raises(DamagedError, match=r"away\.map cannot be read \(it is a directory\): move it away"):
        EdgeConfiguration(paths, lambda _: "").reload()
    assert balancer.reloads == 0


def test_an_edge_that_is_no_balancer_is_asked_nothing(balancer: Balancer, paths: EdgePaths) -> None:
    (paths.conf / "haproxy.cfg").write_text("frontend https\n")
    (paths.conf / "away.map").unlink()
    (paths.conf / "away.map").mkdir()
    Everybody(paths).mend()
    assert (Everybody(paths).look().problems(), balancer.commands) == ([], [])
