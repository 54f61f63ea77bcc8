"""The words in which a route is refused; that the others work is shown by a real HAProxy (tests/edge_lab/test_routes.py)."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import routes
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import route_key, stack_routes
from ansible_collections.morpheus.deploy.plugins.module_utils.service.route import Route
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Service

MORE = "is more than a host; write"
PORT = "has a port, and routes are compared without it;"
WILDCARD = (
    'has a wildcard that no route can have; "*" may stand in the place of the first label, as in "*.shop.example", or alone for '
    "any host"
)
NO_NAME = "is not a host name; each part between dots holds letters, digits, - and _, and does not begin or end with -"
MADE_OF = "a path may hold letters, digits, / and -._~!$&'()+,=:@; write the path above it,"
ENCODED = "is percent-encoded, and the edge does not decode paths, so only this spelling would match; write the path above it,"
BELOW = "has a wildcard, and a route matches all paths below its own anyway; write the path above it,"
RESOLVED = 'holds "." or "..", which clients resolve before they ask; write the path that they ask for'

HOSTS = {
    "**": f'"**" {WILDCARD}',
    "*shop.example": f'"*shop.example" {WILDCARD}',
    "*.*.example": f'"*.*.example" {WILDCARD}',
    "*.": f'"*." {WILDCARD}',
    "*.shop.example:8443": f'"*.shop.example:8443" {PORT} write host: "*.shop.example"',
    "https://*.shop.example": f'"https://*.shop.example" {MORE} host: "*.shop.example"',
    "https://shop.example": f'"https://shop.example" {MORE} host: "shop.example"',
    "https://shop.example:8443/api": f'"https://shop.example:8443/api" {MORE} host: "shop.example" and paths: ["/api"]',
    "shop.example/a b": f'"shop.example/a b" {MORE} host: "shop.example"',
    "http://": f'"http://" {MORE} the host alone',
    "shop.example:8443": f'"shop.example:8443" {PORT} write host: "shop.example"',
    "shop.example:x": f'"shop.example:x" {PORT} leave it out',
    "[::1]:80": '"[::1]:80" is an IPv6 address, which routes do not support; leave host out for requests to any host',
    "münchen.example": '"münchen.example" is not as browsers send it; write host: "xn--mnchen-3ya.example"',
    # Browsers and Python mean different names.
    "straße.example": '"straße.example" is not as browsers send it; '
    "write what its registrar shows for it, which begins with xn--",
    "shop example": '"shop example" contains white space; write one host without it',
    "x.example/ shop.web\n*": f'"x.example/ shop.web\\n*" {MORE} host: "x.example"',
    "x\nmall.example": '"x\\nmall.example" contains white space; write one host without it',
    "-shop.example": f'"-shop.example" {NO_NAME}',
    "shop..example": f'"shop..example" {NO_NAME}',
    ".": f'"." {NO_NAME}',
    "a" * 64: f'"{"a" * 64}" is too long: at most 253 characters, and 63 between two dots',
}
PATHS = {
    "": '"" must start with "/"',
    "api": '"api" must start with "/"',
    "/api/*": f'"/api/*" {BELOW} "/api"',
    "/*.png": f'"/*.png" {BELOW} "/"',
    "/a b": f'"/a b" holds " "; {MADE_OF} "/"',
    "/shop/a;b": f'"/shop/a;b" holds ";"; {MADE_OF} "/shop"',
    "/shop\n*/ mall.web": f'"/shop\\n*/ mall.web" {BELOW} "/"',
    "/shop/{id}": f'"/shop/{{id}}" holds "{{"; {MADE_OF} "/shop"',
    "/münchen": f'"/münchen" holds "ü"; {MADE_OF} "/"',
    "/shop/a%20b": f'"/shop/a%20b" {ENCODED} "/shop"',
    "/shop?a=b": '"/shop?a=b" holds a query, and only paths are compared; leave out what begins with "?"',
    "/shop#a": '"/shop#a" holds a fragment, and only paths are compared; leave out what begins with "#"',
    "//shop///a": '"//shop///a" holds an empty segment; write "/shop/a"',
    "/shop/../admin": f'"/shop/../admin" {RESOLVED}',
    "/.": f'"/." {RESOLVED}',
    "/" + "a" * 1024: f'"/{"a" * 39}"... has 1025 characters; a route\'s path has 1024 at most',
}
FINE = [
    "",
    "*",
    "*.shop.example",
    "*.Shop.Example.",
    "shop.example",
    "Shop.Example",
    "shop.example.",
    "10.0.0.5",
    "localhost",
    "_x.a-b.example",
    "xn--mnchen-3ya.example",
]
FINE_PATHS = ["/", "/api", "/api/", "/@anna/v1:predict", "/a.b/..c/...", "/~x/$&'()+,=!"]


@pytest.mark.parametrize(("host", "problem"), HOSTS.items())
def test_a_host_that_no_request_can_have_is_refused_with_what_to_write(host: str, problem: str) -> None:
    assert routes.problems("stack.services[2]", [Route(), Route(host)]) == [f"stack.services[2].routes[1].host: {problem}"]


@pytest.mark.parametrize(("path", "problem"), PATHS.items())
def test_a_path_that_would_not_match_as_it_is_written_is_refused(path: str, problem: str) -> None:
    assert routes.problems("stack.services[0]", [Route(paths=["/", path])]) == [
        f"stack.services[0].routes[0].paths[1]: {problem}"
    ]


def test_a_route_without_paths_is_refused_and_one_that_does_not_speak_of_them_is_not() -> None:
    said = 'stack.services[0].routes[0].paths: is empty, so the route would match nothing; leave it out for all paths, as ["/"]'
    assert routes.problems("stack.services[0]", [Route.of(one) for one in [{"host": "shop.example", "paths": []}]]) == [said]
    assert routes.problems("stack.services[0]", [Route.of(one) for one in [{"host": "shop.example", "paths": None}]]) == []


def test_what_is_well_written_is_no_problem() -> None:
    assert routes.problems("stack.services[0]", [Route(host, FINE_PATHS) for host in FINE]) == []


KEYS: list[tuple[str, str, str]] = [
    ("", "/", "*/"),
    ("*", "/api", "*/api/"),
    ("Shop.EXAMPLE.", "/", "shop.example/"),
    ("*.Shop.EXAMPLE.", "/api", "*.shop.example/api/"),
    ("shop.example", "/Api/", "shop.example/Api/"),
]


@pytest.mark.parametrize(("host", "path", "key"), KEYS)
def test_what_makes_no_difference_in_a_request_makes_none_in_a_route(host: str, path: str, key: str) -> None:
    assert route_key(host, path) == key


def test_a_release_of_an_older_version_leaves_out_what_the_map_cannot_hold() -> None:
    def service(name: str, host: str, *paths: str) -> dict[str, Any]:
        return {"name": name, "routes": [{"host": host, "paths": list(paths)}]}

    found = [service("web", "", "/", "/a b", "/c;d"), service("api", "x\n*/ web #", "/"), service("ml", "*.x.example", "/a%20b")]
    assert stack_routes(map(Service.of, found)) == {"*/": "web", "*.x.example/a%20b/": "ml"}
