"""What hosts say of themselves, and what one of them makes of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.egress import addresses
from ansible_collections.morpheus.deploy.plugins.module_utils.egress.rules import Base, Host


def link(name: str, *found: str, **more: Any) -> dict[str, Any]:
    return {"ifname": name, "addr_info": [{"local": one, "scope": "global", **more} for one in found]}


LINKS = [
    {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "scope": "host"}]},
    link("eth0", "10.0.0.5", "2001:db8::5"),
    {"ifname": "eth0", "addr_info": [{"local": "fe80::5", "scope": "link"}]},
    link("eth0", "2001:db8::aaaa", temporary=True),
    link("br-lan", "192.168.1.5"),
    link("docker0", "172.17.0.1"),
    link("br-0123456789ab", "172.18.0.1"),
    {},
]
SSHD = "port 22\nport 2222\nlistenaddress 0.0.0.0:22\npermitrootlogin no\nacceptenv LANG port 99\n"


def answering(links: str, sshd: str) -> Any:
    def ask(command: Sequence[str]) -> str:
        return {"ip": links, "/usr/sbin/sshd": sshd}[command[0]]

    return ask


def test_a_host_says_its_own_addresses_and_ports_and_not_those_of_the_engines_networks() -> None:
    assert addresses.looked(answering(json.dumps(LINKS), SSHD)) == {
        "addresses": ["10.0.0.5", "192.168.1.5", "2001:db8::5"],
        "ssh_ports": [22, 2222],
        "bridges": ["br-lan"],
    }


@pytest.mark.parametrize("links", ["", "no JSON", "{}"])
def test_a_host_without_the_programs_says_nothing(links: str) -> None:
    assert addresses.looked(answering(links, "")) == {"addresses": [], "ssh_ports": [], "bridges": []}


def test_a_program_that_fails_or_is_not_there_says_nothing() -> None:
    assert addresses.ask(["sh", "-c", "echo half of it; exit 1"]) == addresses.ask(["no-such-program"]) == ""


LOOKED = {
    "app-1": {"addresses": ["10.0.0.5"], "ssh_ports": [22], "bridges": ["br-lan"]},
    "app-2": {"addresses": ["10.0.0.6"], "ssh_ports": [2222], "bridges": []},
}


def options(**more: Any) -> dict[str, Any]:
    metrics = {"app-1": "127.0.0.1:8405", "app-2": "[::1]:9000"}
    found = {
        "hosts": ["app-1", "app-2"],
        "reached": {"app-2": "app-2.example"},
        "ports": {},
        "metrics": metrics,
        "looked": LOOKED,
    }
    return {**found, **more}


def resolve(name: str) -> list[str]:
    return {"app-2.example": ["203.0.113.6"], "203.0.113.7": ["203.0.113.7"]}.get(name, [])


def merged(known: Base | None = None, resolve: Any = resolve, **more: Any) -> Base:
    return addresses.merged("app-1", addresses.asked(options(**more)), known, resolve)


BOTH = Base(Host([], [22], 8405), {"app-2": Host(["10.0.0.6", "203.0.113.6"], [2222], 9000)}, ["br-lan"])


def test_another_host_is_known_by_its_own_addresses_and_by_the_one_that_it_is_reached_by() -> None:
    assert merged() == BOTH


def test_what_is_known_of_a_host_that_is_not_asked_stays() -> None:
    """With --limit, or while it is down."""
    assert merged(BOTH, looked={"app-1": LOOKED["app-1"]}) == BOTH
    # Of one that nobody knows what the inventory says.
    alone = merged(looked={"app-1": LOOKED["app-1"]}, ports={"app-2": "2200"})
    assert alone.others == {"app-2": Host(["203.0.113.6"], [2200], 9000)}


def test_a_name_that_is_unknown_for_a_moment_takes_no_address_away() -> None:
    assert merged(BOTH, resolve=lambda name: []) == BOTH


def test_a_host_that_left_the_inventory_is_forgotten() -> None:
    assert merged(BOTH, hosts=["app-1"]).others == {}


def test_a_sshd_that_does_not_say_its_ports_has_the_one_that_it_is_reached_by() -> None:
    looked = {"app-1": {**LOOKED["app-1"], "ssh_ports": []}, "app-2": {**LOOKED["app-2"], "ssh_ports": []}}
    found = merged(looked=looked, ports={"app-1": 2022})
    assert (found.own.ssh_ports, found.others["app-2"].ssh_ports) == ([2022], [22])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"ports": {"app-2": "ssh"}}, 'ports: "ssh" of app-2 ends in no port. Nothing was changed'),
        ({"ports": {"app-2": 70000}}, 'ports: "70000" of app-2 ends in no port. Nothing was changed'),
        ({"metrics": {"app-1": "127.0.0.1:"}}, 'metrics: "" of app-1 ends in no port. Nothing was changed'),
    ],
)
def test_what_is_no_port_is_named(more: dict[str, Any], said: str) -> None:
    with pytest.raises(DeployError) as caught:
        merged(**more)
    assert str(caught.value) == said
