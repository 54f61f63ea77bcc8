"""Ports, trusted proxies and upstreams of an edge: what is refused, in which words, and what templates get."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.filter.edge_options import edge_options

EVERYDAY = {
    "edge_http_port": 80,
    "edge_https_port": 443,
    "edge_metrics_address": "127.0.0.1:8405",
    "edge_trusted_proxies": [],
    "edge_upstreams": [],
}
NO_PORT = "is not a port; give a number from 1 to 65535"


def problems(**given: Any) -> list[str]:
    found: list[str] = edge_options({**EVERYDAY, **given})["problems"]
    return found


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"edge_https_port": 0}, [f"edge_https_port: 0 {NO_PORT}"]),
        ({"edge_http_port": 65536}, [f"edge_http_port: 65536 {NO_PORT}"]),
        ({"edge_public_https_port": 70000}, [f"edge_public_https_port: 70000 {NO_PORT}"]),
        ({"edge_https_port": "https"}, ["edge_https_port: must be a whole number, 0 or more, not 'https'"]),
        ({"edge_https_port": 80}, ["edge_https_port: 80 is edge_http_port, too; give each a port of its own"]),
        (
            {"edge_metrics_address": "127.0.0.1:443"},
            ["edge_metrics_address: 443 is edge_https_port, too; give each a port of its own"],
        ),
        ({"edge_metrics_address": "8405"}, ['edge_metrics_address: "8405" is no <address>:<port>, such as 127.0.0.1:8405']),
        ({"edge_metrics_address": "127.0.0.1:0"}, [f"edge_metrics_address: 0 {NO_PORT}"]),
    ],
)
def test_a_port_that_cannot_be_is_refused(given: dict[str, Any], expected: list[str]) -> None:
    assert problems(**given) == expected


@pytest.mark.parametrize(
    ("trusted", "expected"),
    [
        (
            "lb.example.com",
            '"lb.example.com" is neither an address nor a network; write it as 10.0.0.5 or 10.0.0.0/24, a name is not looked up',
        ),
        (
            "10.0.0.0/33",
            '"10.0.0.0/33" is neither an address nor a network; write it as 10.0.0.5 or 10.0.0.0/24, a name is not looked up',
        ),
        (
            "10.0.0.5 } or { always_true",
            '"10.0.0.5 } or { always_true" is neither an address nor a network; write it as 10.0.0.5 or 10.0.0.0/24, '
            "a name is not looked up",
        ),
        (
            "10.0.0.5/24",
            '"10.0.0.5/24" is one address of a network; write 10.0.0.0/24 for the network, or 10.0.0.5 for the address',
        ),
        (
            "2001:db8::5/64",
            '"2001:db8::5/64" is one address of a network; write 2001:db8::/64 for the network, or 2001:db8::5 for the address',
        ),
        (
            "0.0.0.0/0",
            '"0.0.0.0/0" is everybody, so that anyone could claim another address; name what stands in front of this host',
        ),
        ("::/0", '"::/0" is everybody, so that anyone could claim another address; name what stands in front of this host'),
    ],
)
def test_whoever_is_not_an_address_or_network_is_not_trusted(trusted: str, expected: str) -> None:
    assert problems(edge_trusted_proxies=["192.0.2.1", trusted]) == [f"edge_trusted_proxies[1]: {expected}"]


@pytest.mark.parametrize(
    "trusted", ["10.0.0.5", "10.0.0.5/32", "10.0.0.0/8", "2001:db8::5", "2001:DB8:0::/32", "2001:db8::5/128"]
)
def test_addresses_and_networks_are_trusted(trusted: str) -> None:
    assert edge_options({**EVERYDAY, "edge_trusted_proxies": [trusted]})["trusted"] == [trusted]


@pytest.mark.parametrize(
    ("upstream", "expected"),
    [
        ({"name": "app 2"}, ['edge_upstreams[1].name: "app 2" may hold only letters, digits, -, _ and .']),
        ({"name": "app-1"}, ['edge_upstreams[1].name: "app-1" is already used by edge_upstreams[0]']),
        ({"port": 0}, [f"edge_upstreams[1].port: 0 {NO_PORT}"]),
        (
            {"address": "192.0.2.12:8443"},
            ['edge_upstreams[1].address: "192.0.2.12:8443" names a port; write address: "192.0.2.12" and port: 8443'],
        ),
        (
            {"address": "app-2"},
            [
                'edge_upstreams[1].address: "app-2" has no dot, and the engine resolves no name of a single word; '
                "write an address, or the whole name"
            ],
        ),
        ({"address": "a b.example"}, ['edge_upstreams[1].address: "a b.example" is neither an address nor a DNS name']),
        ({"adress": "x"}, ['edge_upstreams[1].adress: unknown key; did you mean "address"?']),
    ],
)
def test_an_upstream_that_cannot_be_reached_is_refused(upstream: dict[str, Any], expected: list[str]) -> None:
    given = [{"name": "app-1", "address": "192.0.2.11"}, {"name": "app-2", "address": "192.0.2.12", **upstream}]
    assert problems(edge_upstreams=given) == expected


def test_an_upstream_is_asked_on_its_own_port_that_of_the_inventorys_host_or_443() -> None:
    upstreams = [
        {"name": "said", "address": "192.0.2.1", "port": 9443},
        {"name": "known", "address": "2001:db8::2"},
        {"name": "stranger", "address": "app-3.example.com"},
    ]
    found = edge_options({**EVERYDAY, "edge_upstreams": upstreams}, {"said": 8443, "known": "8443"})
    assert found["upstreams"] == [
        {"name": "said", "address": "192.0.2.1", "port": 9443},
        {"name": "known", "address": "[2001:db8::2]", "port": 8443},
        {"name": "stranger", "address": "app-3.example.com", "port": 443},
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, 443), ({"edge_https_port": 8443}, 8443), ({"edge_https_port": "8443", "edge_public_https_port": 443}, 443)],
)
def test_users_come_by_the_hosts_own_port_unless_it_is_said(given: dict[str, Any], expected: int) -> None:
    assert edge_options({**EVERYDAY, **given})["public_https_port"] == expected


CLAIMS = [
    "forwarded",
    "x-forwarded",
    "x_forwarded-port",
    "x-forwarded-anything",
    "x-real-ip",
    "x_real_ip",
    "remote-user",
    "proxy",
]
OTHERS = [
    "x-forwarder",
    "xforwarded-for",
    "x-real-ips",
    "proxy-authorization",
    "authorization",
    "host",
    "x-request-id",
    "client-ip-2",
]


def test_headers_that_only_a_proxy_may_set_are_known_by_name_however_they_are_written() -> None:
    pattern = re.compile(edge_options(EVERYDAY)["proxy_headers"])
    assert [name for name in CLAIMS + OTHERS if pattern.search(name)] == CLAIMS
