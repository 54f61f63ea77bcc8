"""The words in which options of routes are refused that need rules in a stack's file, and these rules; a real HAProxy shows that
they work (tests/edge_lab/test_route_rules.py).
"""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import haproxy, route_options, route_rules
from ansible_collections.morpheus.deploy.plugins.module_utils.service.route import Route
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Service, Stack
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import routed_service

SHOP = {"host": "shop.example"}
HASH = "$6$Zr0c5pXh$" + "a" * 86
NO_HASH = "is no hash of a password; write what this prints: openssl passwd -6"
_USERS = "write a user and the hash of a password, as openssl passwd -6 prints it, below stack_secrets.staff"
_PLACE = "stack.services[0].routes[0].basic_auth"
PROBLEMS = [
    pytest.param(
        {"allow": ["office"]},
        'allow[0]: "office" is neither an address nor a network; write it as 10.0.0.5 or 10.0.0.0/24, a name is not looked up',
        id="users from a place that is no address",
    ),
    pytest.param(
        {"allow": ["0.0.0.0/0"]}, 'allow[0]: "0.0.0.0/0" is everybody; leave allow out to let everybody in', id="everybody"
    ),
    pytest.param(
        {"allow": ["10.0.0.0/8", "10.8.0.5/16"]},
        'allow[1]: "10.8.0.5/16" is one address of a network; write 10.8.0.0/16 for the network, or 10.8.0.5 for the address',
        id="users from an address of a network",
    ),
    pytest.param(
        {"allow": [f"10.0.0.{number}" for number in range(101)]},
        "allow: names 101 networks; 100 at most, so write larger ones",
        id="users from very many places",
    ),
    pytest.param(
        {"request_headers": {"X Name": "1"}},
        'request_headers: "X Name" is no name of a header; write it with letters, digits, - and _',
        id="a header with a blank in its name",
    ),
    pytest.param(
        {"request_headers": {"X_Forwarded_For": "1"}},
        "request_headers.X_Forwarded_For: tells the service whose request it is and how it came, and the edge says that itself; "
        "remove it",
        id="a header that the edge sets",
    ),
    pytest.param(
        {"request_headers": {"Host": "a.example"}},
        "request_headers.Host: is how the service knows its site, and the gate asks with it; give the route a host of that name",
        id="another host",
    ),
    pytest.param(
        {"request_headers": {"authorization": "Bearer x"}},
        "request_headers.authorization: would stand in the release for all to read; let the service read the secret itself",
        id="a password in a header",
    ),
    pytest.param(
        {"response_headers": {"Connection": "close"}},
        "response_headers.Connection: belongs to one connection and is the edge's own; remove it",
        id="a header of the connection",
    ),
    pytest.param(
        {"response_headers": {"Strict-Transport-Security": ""}},
        "response_headers.Strict-Transport-Security: is what hsts of the route says; write it there",
        id="a header that has an option",
    ),
    pytest.param(
        {"response_headers": {"X-A": "1", "x-a": "2"}},
        "response_headers.x-a: is X-A in other letters; write one of the two",
        id="a header said twice",
    ),
    pytest.param(
        {"response_headers": {"X-A": "a\nb"}},
        'response_headers.X-A: must be one line of plain signs without a blank at its ends; "" takes the header away',
        id="a header of two lines",
    ),
    pytest.param(
        {"response_headers": {"X-A": "a" * 3998}},
        "response_headers: takes 4001 characters; 4000 at most, so let the service say some of it",
        id="a very long header",
    ),
    pytest.param(
        {"redirect": {"host": "a.example"}, "basic_auth": "staff"},
        "basic_auth: does nothing where redirect keeps requests from the service; leave one of the two out",
        id="users of a redirect",
    ),
]


@pytest.mark.parametrize(("options", "problem"), PROBLEMS)
def test_an_option_that_would_not_do_what_it_says_is_refused(options: dict[str, Any], problem: str) -> None:
    assert route_options.problems("here", Route.of({**SHOP, **options})) == [f"here.{problem}"]


FINE: list[dict[str, Any]] = [
    {"allow": ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1"]},
    {
        "request_headers": {"X-Env": "staging", "User-Agent": ""},
        "response_headers": {"Content-Security-Policy": "default-src 'self'"},
    },
    {"sticky": True, "compression": True, "basic_auth": "staff", "stream": True},
]


@pytest.mark.parametrize("options", FINE)
def test_what_is_well_written_is_no_problem(options: dict[str, Any]) -> None:
    assert route_options.problems("here", Route.of({**SHOP, **options})) == []


SERVICES = [
    pytest.param(
        {"protocol": "grpc", "routes": [SHOP]},
        [
            'stack.services[0].protocol: "grpc" is none that the edge speaks; write h2 for HTTP/2 in plain, as gRPC does, or '
            "leave it out for HTTP/1.1"
        ],
        id="a protocol that the edge does not speak",
    ),
    pytest.param(
        {"protocol": "h2"},
        ["stack.services[0].protocol: does nothing without routes, because the edge never asks the service; remove it"],
        id="a protocol that nobody speaks",
    ),
    pytest.param(
        {"routes": [{**SHOP, "compression": True}, {**SHOP, "redirect": {"url": "/x"}}, {"host": "b.example"}]},
        [
            "stack.services[0].routes[2].compression: is on for other routes of the service, and the edge compresses for all of "
            "them or for none; write compression: true for each, or move some to a service of their own"
        ],
        id="compression for some routes of a service",
    ),
    pytest.param(
        {"routes": [{**SHOP, "request_headers": {"X-Number": 5, "X-Gone": None}}]},
        ["stack.services[0].routes[0].request_headers.X-Number: must be a string; quote it"],
        id="a header that is a number",
    ),
    pytest.param({"protocol": "h2", "routes": [{**SHOP, "compression": True}]}, [], id="both"),
]


@pytest.mark.parametrize(("service", "problems"), SERVICES)
def test_what_only_goes_together_is_refused_alone(service: dict[str, Any], problems: list[str]) -> None:
    assert routed_service.problems("stack.services[0]", {"name": "web", **service}) == problems


USERS: list[Any] = [
    pytest.param({}, [f'{_PLACE}: stack_secrets has no file "staff"; {_USERS}'], id="users that nobody has written down"),
    pytest.param(
        {"staff": {}}, [f"{_PLACE}: stack_secrets.staff names no user, so nobody would be let in; {_USERS}"], id="no user at all"
    ),
    pytest.param(
        {"staff": {"anna": "secret", "bert": HASH}}, [f"stack_secrets.staff.anna: {NO_HASH} ({_PLACE})"], id="a password as it is"
    ),
    pytest.param(
        {"staff": {"anna": HASH.replace("$6$", "$6$rounds=50000$")}},
        [
            "stack_secrets.staff.anna: has more than 10000 rounds, and the edge goes through them with every request; write "
            f"fewer ({_PLACE})"
        ],
        id="a password that takes long",
    ),
    pytest.param({"staff": {"anna": HASH}}, [], id="a user"),
    # Of another type: a problem of its own.
    pytest.param({"staff": {"anna": 1}}, [], id="a hash that is a number"),
    pytest.param({"staff": []}, [], id="a list of users"),
]


@pytest.mark.parametrize(("secrets", "problems"), USERS)
def test_users_are_in_the_secrets_and_no_password_is_said(secrets: dict[str, Any], problems: list[str]) -> None:
    services = [{"name": "web", "routes": [{**SHOP, "basic_auth": "staff"}, {"host": "b.example", "basic_auth": "staff"}]}]
    found = routed_service.user_problems(services, secrets)
    assert found == problems
    assert "secret;" not in " ".join(found)


@pytest.mark.parametrize("text", ["$1$a$b", "$6$salt$" + "a" * 85, "$6$salt$" + "a" * 85 + "'", "$6$$" + "a" * 86, f"{HASH}\n"])
def test_what_only_looks_like_a_hash_is_none(text: str) -> None:
    assert route_rules.hash_problem(text) == NO_HASH
    assert text not in route_rules.render_users("shop", {"staff": {"anna": text}})


def _routes(**options: Any) -> dict[str, str]:
    return haproxy.stack_routes([Service.of({"name": "web", "port": 80, **options})])


def test_the_rules_are_those_of_every_destination() -> None:
    """While a route goes over, and may come back, the file has those of both releases."""
    old, new = (_routes(routes=[{**SHOP, "allow": [network]}]) for network in ("10.0.0.0/8", "192.0.2.7"))
    leads = {*old.values(), *new.values(), 'api|{"sticky":1}'}
    text = haproxy.render_backends("shop", ["web"], 1, {}, leads)
    assert text.count("-m ip 10.0.0.0/8\n") == text.count("-m ip 192.0.2.7/32\n") == len(haproxy.SUFFIXES)
    assert "balance" not in text
    assert text == haproxy.render_backends("shop", ["web"], 1, {}, sorted(leads))
    assert haproxy.render_backends("shop", ["web"], 1, {}, ["web"]) == haproxy.render_backends("shop", ["web"], 1, {})


def test_a_header_is_one_word_of_the_configuration() -> None:
    leads = _routes(routes=[{**SHOP, "response_headers": {"X-A": 'a "b" $C \\ 5%'}}]).values()
    text = haproxy.render_backends("shop", ["web"], 1, {}, leads)
    assert 'set-header X-A "a \\"b\\" \\$C \\\\ 5%%" if response_headers.1\n' in text


def test_every_server_of_a_service_speaks_its_protocol() -> None:
    leads = _routes(protocol="h2", routes=[SHOP]).values()
    text = haproxy.render_backends("shop", ["web"], 1, {"web": {"s1": ("web-1", 80)}}, leads)
    assert [line.strip() for line in text.splitlines() if "server s1" in line] == [
        "server s1 web-1:80 proto h2",
        "server s1 web-1:80 proto h2 track shop.web/s1",
        "server s1 web-1:80 proto h2",
    ]
    assert Stack.of({"services": [{"name": "web", "port": 80, "protocol": "h2", "routes": [SHOP]}]}).has_route_options


ANOTHER_PROTOCOL = (
    'the service "web" speaks HTTP/1.1 with the edge, and HTTP/2 (protocol: h2) in this release; give it another name in the '
    "Compose files and in stack.services, and its routes go over without a dropped request. Nothing was changed"
)


def test_another_protocol_needs_another_name() -> None:
    h2 = _routes(protocol="h2", routes=[SHOP]).values()
    route_rules.require_same_protocol(["web"], ['web|{"sticky":1}'])
    route_rules.require_same_protocol(["api"], h2)
    with pytest.raises(EdgeError) as caught:
        route_rules.require_same_protocol(["web"], h2)
    assert str(caught.value) == ANOTHER_PROTOCOL
