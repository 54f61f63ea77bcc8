"""The kernel's rules that lead new connections to another container, and the commands that bring and take them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.redirect import (
    CHAIN,
    Port,
    Redirect,
    Way,
    bridge_of,
    has_six,
    is_proxied,
    parse_ports,
)

PORTS = parse_ports(["80:8080", "443:8443", "127.0.0.1:8405:8405"])
WAY = Way("br-edge", "172.18.0.9", PORTS, {8443: 32001, 8405: 32003}, {8443: 32002}, {})
LOCAL = "-p tcp -m addrtype --dst-type LOCAL -m tcp --dport"


class Iptables:
    """What iptables knows; ``fails``: the first word of a command that it refuses."""

    def __init__(self, fails: str = "") -> None:
        self.jumps: set[tuple[str, str, str]] = set()
        self.chains: dict[tuple[str, str], list[str]] = {}
        self.fails = fails
        self.commands: list[str] = []

    def __call__(self, command: Sequence[str], text: str) -> tuple[int, str]:
        self.commands.append(" ".join(command))
        if self.fails and self.fails in (command[0], *command):
            return 1, "no such thing"
        if command[0].endswith("-restore"):
            table = text.splitlines()[0].removeprefix("*")
            rules = [line for line in text.splitlines() if line.startswith("-A ")]
            self.chains[command[0].removesuffix("-restore"), table] = rules
            return 0, ""
        program, _, _, table, what, *words = command
        key, jump = (program, table), (program, table, words[0])
        if what == "-C":
            return (0, "") if jump in self.jumps else (1, "No chain/target/match by that name.")
        if what == "-I":
            assert words[1:] == ["1", "-j", CHAIN]
            self.jumps.add(jump)
        elif what == "-D":
            self.jumps.remove(jump)
        elif what == "-F":
            return (0, "") if key in self.chains else (1, "No chain/target/match by that name.")
        elif what == "-X":
            del self.chains[key]
        return 0, ""


def test_ports_are_those_of_the_short_form() -> None:
    assert [Port("", 80, 8080), Port("", 443, 8443), Port("127.0.0.1", 8405, 8405)] == PORTS


def test_users_keep_their_address_and_what_the_engines_proxy_takes_goes_to_that_of_the_new_container() -> None:
    assert WAY.rules() == [
        f"! -d 127.0.0.0/8 ! -i br-edge {LOCAL} 80 -j DNAT --to-destination 172.18.0.9:8080",
        f"! -d 127.0.0.0/8 ! -i br-edge {LOCAL} 443 -j DNAT --to-destination 172.18.0.9:8443",
        f"-d 127.0.0.0/8 {LOCAL} 443 -j REDIRECT --to-ports 32001",
        f"-i br-edge {LOCAL} 443 -j REDIRECT --to-ports 32002",
        f"-d 127.0.0.0/8 {LOCAL} 8405 -j REDIRECT --to-ports 32003",
    ]
    assert (WAY.rules_six(), WAY.admitted_six()) == ([], [])


def test_an_address_that_a_port_is_published_on_is_kept() -> None:
    way = Way("br-edge", "172.18.0.9", parse_ports(["192.0.2.1:443:8443"]), {}, {}, {})
    assert way.rules() == [f"-d 192.0.2.1 ! -i br-edge {LOCAL} 443 -j DNAT --to-destination 172.18.0.9:8443"]


def test_without_the_engines_proxy_the_kernel_forwards_all_of_it() -> None:
    way = Way("br-edge", "172.18.0.9", parse_ports(["443:8443"]), {8443: 1}, {8443: 2}, {}, proxied=False)
    assert way.rules() == [f"{LOCAL} 443 -j DNAT --to-destination 172.18.0.9:8443"]


def test_users_by_ipv6_are_led_to_the_proxy_and_let_in_by_the_port_that_they_asked_for() -> None:
    way = Way("br-edge", "172.18.0.9", PORTS, {}, {}, {8443: 32009, 8405: 32010})
    assert way.rules_six() == [f"{LOCAL} 443 -j REDIRECT --to-ports 32009"]
    assert way.admitted_six() == ["-p tcp -m tcp --dport 32009 -m conntrack --ctstate DNAT --ctorigdstport 443 -j ACCEPT"]


def test_what_is_led_elsewhere_comes_back_and_nothing_is_left() -> None:
    iptables = Iptables()
    ways = Redirect(iptables)
    assert not ways.there()
    way = Way("br-edge", "172.18.0.9", PORTS, {}, {}, {8443: 32009})
    for _ in range(2):
        ways.lead(way)
        assert ways.there()
        assert iptables.jumps == {
            *(("iptables", "nat", hook) for hook in ("PREROUTING", "OUTPUT")),
            *(("ip6tables", "nat", hook) for hook in ("PREROUTING", "OUTPUT")),
            ("ip6tables", "filter", "INPUT"),
        }
    assert iptables.chains["iptables", "nat"] == [f"-A {CHAIN} {rule}" for rule in way.rules()]
    for _ in range(2):
        ways.end()
        assert (ways.there(), iptables.jumps, iptables.chains) == (False, set(), {})


def test_all_rules_are_there_before_the_first_connection_is_asked_to_follow_them() -> None:
    iptables = Iptables()
    Redirect(iptables).lead(WAY)
    restored = iptables.commands.index("iptables-restore --noflush --wait")
    assert restored < min(number for number, command in enumerate(iptables.commands) if " -I " in command)


def test_where_ipv6_is_not_led_it_is_not_touched() -> None:
    iptables = Iptables()
    Redirect(iptables).lead(WAY)
    assert not [command for command in iptables.commands if command.startswith("ip6tables")]


@pytest.mark.parametrize("fails", ["iptables-restore", "-I"])
def test_iptables_that_refuses_is_quoted(fails: str) -> None:
    with pytest.raises(EdgeError) as refused:
        Redirect(Iptables(fails)).lead(WAY)
    assert str(refused.value) == "iptables of this host could not lead new connections to another container: no such thing"


def test_the_interface_of_a_network_is_named_as_the_engine_names_it() -> None:
    assert bridge_of({"Id": "0123456789abcdef", "Options": {}}) == "br-0123456789ab"
    assert bridge_of({"Id": "0123", "Options": {"com.docker.network.bridge.name": "edge0"}}) == "edge0"


def test_a_network_with_ipv6_is_refused() -> None:
    with pytest.raises(EdgeError, match='the network "edge" of this host has IPv6'):
        bridge_of({"Id": "0123", "EnableIPv6": True})


def test_the_kernel_says_whether_the_engine_has_a_proxy_and_who_listens(tmp_path: Path) -> None:
    assert is_proxied("br-edge", tmp_path)
    (tmp_path / "br-edge").mkdir()
    for said, proxied in (("0\n", True), ("1\n", False)):
        (tmp_path / "br-edge" / "route_localnet").write_text(said)
        assert is_proxied("br-edge", tmp_path) == proxied
    table = tmp_path / "tcp6"
    assert not has_six(443, table)
    table.write_text(
        "  sl  local_address                         remote_address                        st\n"
        "   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000\n"
        "   1: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 01 00000000:00000000\n"
    )
    assert (has_six(443, table), has_six(80, table)) == (True, False)
