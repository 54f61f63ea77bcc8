"""A balancer keeps a host off for its turn and takes it back, against a fake HAProxy on real sockets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.upstream_turns import Off, Turn, Turns
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.upstreams import KeptOff

from tests.unit.clock import Clock
from tests.unit.plugins.module_utils.edge import test_maintenance as maintenance

HEAD = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_fqdn srv_port\n"


class Balancer(maintenance.HAProxy):
    """Its checks follow the map of hosts that are kept off at once, unless ``slow``. ``down``: hosts that are down anyway."""

    hosts = ("app-1", "app-2")

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.down: set[str] = set()
        self.slow = False

    def admin(self, command: str) -> str:
        assert command == "show servers state"
        off = {key for key, value in (self.maps[maintenance.CURRENT] or {}).items() if value == "on"}
        rows = []
        for name in self.hosts:
            is_up = name not in self.down and (self.slow or name not in off)
            rows.append(f"4 upstreams 1 {name} 10.0.0.1 {2 if is_up else 0} 0 1 1 - 443\n")
            rows.append(f"5 upstreams.any 1 {name} 10.0.0.1 2 0 1 1 - 443\n")
        return HEAD + "".join(rows)


@pytest.fixture
def balancer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Balancer]:
    monkeypatch.setattr(maintenance, "MAP", "/usr/local/etc/haproxy/away.map")
    # A socket's path must be short.
    with TemporaryDirectory(dir="/tmp") as directory:
        root = Path(directory)
        (root / "conf").mkdir()
        (root / "edge.json").write_text('{"image": "haproxy:3.0", "user": "99:99"}\n')
        (root / "conf" / "away.map").write_text("")
        fake = Balancer(root)
        fake.maps = {maintenance.CURRENT: {}}
        with fake:
            yield fake


def turns(balancer: Balancer) -> Turns:
    found = Turns(EdgePaths(balancer.root), Clock())
    found._socket.ask = balancer.admin  # type: ignore[method-assign]
    return found


def off(balancer: Balancer) -> list[str]:
    """Whom file and worker keep off; they must agree."""
    lines = (balancer.root / "conf" / "away.map").read_text().split("\n")
    in_file = sorted(line.split()[0] for line in lines if line.endswith(" on"))
    assert in_file == sorted(key for key, value in (balancer.maps[maintenance.CURRENT] or {}).items() if value == "on")
    return in_file


def test_a_host_is_kept_off_for_its_turn_and_taken_back(balancer: Balancer) -> None:
    assert turns(balancer).begin("app-1", 30) == Turn(True, True)
    assert off(balancer) == ["app-1"]
    # The same run again, as after one that was killed.
    assert turns(balancer).begin("app-1", 30) == Turn(False, True)
    assert turns(balancer).end("app-1", 30) == Turn(True, True)
    assert off(balancer) == []
    assert turns(balancer).end("app-1", 30) == Turn(False, True)


def test_the_last_host_that_serves_is_not_kept_off(balancer: Balancer) -> None:
    balancer.down = {"app-2"}
    assert turns(balancer).begin("app-1", 30) == Turn(False, False, "no other host serves but app-1")
    assert off(balancer) == []


def test_two_hosts_are_never_kept_off_at_once(balancer: Balancer) -> None:
    assert turns(balancer).begin("app-1", 30).done
    assert turns(balancer).begin("app-2", 30) == Turn(False, False, "no other host serves but app-2")
    assert off(balancer) == ["app-1"]


def test_a_host_that_was_away_is_not_let_in_with_another_release(balancer: Balancer) -> None:
    KeptOff(EdgePaths(balancer.root), "app-1").switch("on")
    assert turns(balancer).begin("app-1", 30) == Turn(False, True)
    assert turns(balancer).end("app-1", 30) == Turn(False, True)
    assert off(balancer) == ["app-1"]


def test_a_host_that_the_balancer_goes_on_to_send_requests_to_is_taken_back_at_once(balancer: Balancer) -> None:
    balancer.slow = True
    assert turns(balancer).begin("app-1", 3) == Turn(True, False, "the balancer did not call app-1 down within 3 s")
    assert off(balancer) == []
    assert turns(balancer).end("app-1", 3) == Turn(False, True)


def test_a_host_that_does_not_come_up_again_is_named(balancer: Balancer) -> None:
    turns(balancer).begin("app-1", 30)
    balancer.down = {"app-1"}
    why = "app-1 does not pass the balancer's checks within 3 s, so nobody is sent there"
    assert turns(balancer).end("app-1", 3) == Turn(True, False, why)


def test_a_host_that_the_balancer_does_not_know_is_none_to_keep_off(balancer: Balancer) -> None:
    assert turns(balancer).begin("app-9", 30) == Turn(False, False, "app-9 is not one of the balancer's hosts (app-1, app-2)")


def test_check_mode_is_told_what_would_change(balancer: Balancer) -> None:
    assert (turns(balancer).look("app-1", "off"), turns(balancer).look("app-1", "serving")) == (True, False)
    turns(balancer).begin("app-1", 30)
    assert (turns(balancer).look("app-1", "off"), turns(balancer).look("app-1", "serving")) == (False, True)
    assert not [one for one in balancer.commands if re.search("reload", one)]


def test_whom_the_balancer_keeps_off_is_told_with_the_playbook_whose_turn_it_is(balancer: Balancer) -> None:
    assert turns(balancer).kept_off() == []
    turns(balancer).begin("app-1", 30, "edge_upgrade")
    KeptOff(EdgePaths(balancer.root), "app-2").switch("on")
    assert turns(balancer).kept_off() == [Off("app-1", True, "edge_upgrade"), Off("app-2", False)]
    # The playbook that comes after one that was killed goes on with it.
    turns(balancer).begin("app-1", 30, "engine_upgrade")
    assert turns(balancer).kept_off()[0] == Off("app-1", True, "engine_upgrade")
    turns(balancer).end("app-1", 30)
    assert turns(balancer).kept_off() == [Off("app-2", False)]


@pytest.mark.parametrize("note", ["", "edge_upgrade.yml; rm -rf /\n"], ids=["of an older version", "rubbish"])
def test_a_turn_whose_note_names_no_playbook_is_one_all_the_same(balancer: Balancer, note: str) -> None:
    turns(balancer).begin("app-1", 30, "edge_upgrade")
    (balancer.root / "turns" / "app-1").write_text(note)
    assert turns(balancer).kept_off() == [Off("app-1", True, "")]


def test_a_note_whose_host_was_never_kept_off_tells_nothing(balancer: Balancer) -> None:
    """A run was killed between the two."""
    (balancer.root / "turns").mkdir()
    (balancer.root / "turns" / "app-1").write_text("edge_upgrade\n")
    assert turns(balancer).kept_off() == []


def test_a_balancer_that_an_older_version_set_up_keeps_nobody_off(balancer: Balancer) -> None:
    (balancer.root / "conf" / "away.map").unlink()
    assert turns(balancer).kept_off() == []


def test_a_turn_that_was_ended_is_none_that_lets_a_host_in(balancer: Balancer) -> None:
    turns(balancer).begin("app-1", 30)
    turns(balancer).over("app-1")
    assert turns(balancer).end("app-1", 30) == Turn(False, True)
    assert off(balancer) == ["app-1"]


def test_a_host_that_alone_has_a_route_is_not_kept_off_for_its_turn(balancer: Balancer) -> None:
    """Its users would be sent there all the same, while its edge is replaced."""
    record = balancer.root / "placed" / "shop.json"
    record.parent.mkdir()
    record.write_text('{"routes": {"shop/a/": {"hosts": ["app-2"]}, "shop/": {"hosts": ["app-1", "app-2"]}}}')
    assert turns(balancer).begin("app-2", 1) == Turn(False, False, "app-2 has a route that no other host has which serves")
    assert turns(balancer).begin("app-1", 1).done
