"""The words in which options of routes are refused, and how the edge is told of them; a real HAProxy shows that they work
(tests/edge_lab/test_route_options.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import haproxy, route_options
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.service.route import Route
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Service, Stack
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import service_problems

SHOP = {"host": "shop.example"}
_NO_URL_SIGNS = '"{}" holds what a URL cannot; write it as browsers show it when it is copied, with %20 for a blank'
NO_URL = 'is no address; write a path such as "/new", or a whole URL such as "https://shop.example/new"'
OLDER_EDGE = (
    "the edge of this host was set up before there were options and wildcards of routes, and this release has some; run "
    "playbooks/provision.yml --tags edge for this inventory, which drops no request; then run this again. Nothing was changed"
)
PROBLEMS = [
    pytest.param(
        {"timeout_seconds": 90000}, "timeout_seconds: 90000 is more than a day; write 86400 at most", id="a long timeout"
    ),
    pytest.param(
        {"max_body": "10 MB"},
        'max_body: "10 MB" is no size; write a number with b, k, m or g behind it, as in "10m"',
        id="a size that is none",
    ),
    pytest.param(
        {"max_body": "0m"}, 'max_body: "0m" would let no body pass; leave it out for bodies of any size', id="a size of nothing"
    ),
    pytest.param(
        {"strip_prefix": True},
        'strip_prefix: there is nothing to take away from the path "/"; write the prefix in its place, or give "/" a route '
        "without strip_prefix",
        id="no prefix to take away",
    ),
    pytest.param(
        {"redirect": {"status": 308}},
        "redirect: it says neither host nor url; write host for the same path of another host, or url for one address",
        id="a redirect to nowhere",
    ),
    pytest.param(
        {"redirect": {"host": "a.example", "url": "/a"}},
        "redirect: both host and url are said; write host for the same path of another host, or url for one address",
        id="a redirect to two places",
    ),
    pytest.param(
        {"redirect": {"host": "a.example", "status": 303}},
        "redirect.status: 303 is none of 301, 302, 307, 308; write 308 for good, or 307 for now",
        id="a redirect of another status",
    ),
    pytest.param(
        {"redirect": {"host": "https://a.example"}},
        'redirect.host: "https://a.example" is more than a host; write host: "a.example"',
        id="a redirect to a host that is a URL",
    ),
    pytest.param(
        {"redirect": {"host": "*.a.example"}},
        'redirect.host: "*.a.example" is no single host; name the one that requests are sent to',
        id="a redirect to a wildcard",
    ),
    pytest.param({"redirect": {"url": "//a.example"}}, f'redirect.url: "//a.example" {NO_URL}', id="a redirect without a scheme"),
    pytest.param(
        {"redirect": {"url": "/a b"}},
        'redirect.url: "/a b" holds what a URL cannot; write it as browsers show it when it is copied, with %20 for a blank',
        id="a redirect with a blank",
    ),
    pytest.param(
        {"redirect": {"url": "https:///a"}},
        'redirect.url: "https:///a" names no host; write it as in "https://shop.example/new"',
        id="a redirect to no host",
    ),
    pytest.param(
        {"redirect": {"host": "a.example"}, "stream": True},
        "stream: does nothing where redirect keeps requests from the service; leave one of the two out",
        id="a redirect with another option",
    ),
    pytest.param(
        {"hsts": {"preload": True, "max_age_seconds": 31536000}},
        "hsts.preload: browsers take only those into their list that are meant for a year and for all subdomains; write "
        "include_subdomains: true and max_age_seconds: 31536000, or leave preload out",
        id="a host that browsers would not preload",
    ),
]


@pytest.mark.parametrize(("options", "problem"), PROBLEMS)
def test_an_option_that_would_not_do_what_it_says_is_refused(options: dict[str, Any], problem: str) -> None:
    assert route_options.problems("here", Route.of({**SHOP, **options})) == [f"here.{problem}"]


FINE: list[dict[str, Any]] = [
    {},
    {"timeout_seconds": 86400, "stream": True, "max_body": "10M", "paths": ["/api"], "strip_prefix": True},
    {"redirect": {"host": "Shop.Example.", "status": 301}},
    {"redirect": {"url": "https://shop.example:8443/a%20b?c=d#e"}},
    {"redirect": {"url": "/new?a=b&c=(d)"}, "hsts": {"max_age_seconds": 0}},
    {"hsts": {"include_subdomains": True, "preload": True}},
]


@pytest.mark.parametrize("options", FINE)
def test_what_is_well_written_is_no_problem(options: dict[str, Any]) -> None:
    assert route_options.problems("here", Route.of({"host": "www.shop.example", **options})) == []


@pytest.mark.parametrize(
    ("text", "size"), {"1": 1, "1b": 1, "2k": 2048, "10M": 10485760, "3gb": 3 * 1024**3, "": 0, "m": 0, "1.5m": 0}.items()
)
def test_a_size_is_written_as_in_compose(text: str, size: int) -> None:
    assert route_options.size(text) == size


def test_options_stand_behind_the_service_and_a_prefix_is_that_of_its_path() -> None:
    options = {"timeout_seconds": 300, "max_body": "1k", "strip_prefix": True, "stream": True}
    routes = [{"host": "a.example", "paths": ["/api/", "/v1"], **options}, {"host": "b.example"}]
    assert haproxy.stack_routes([Service.of({"name": "api", "port": 80, "routes": routes})]) == {
        "a.example/api/": 'api|{"max_body":1024,"stream":1,"strip_prefix":"/api","timeout_seconds":300}',
        "a.example/v1/": 'api|{"max_body":1024,"stream":1,"strip_prefix":"/v1","timeout_seconds":300}',
        "b.example/": "api",
    }


@pytest.mark.parametrize(
    ("route", "needs"),
    [
        (SHOP, False),
        ({"host": "*"}, False),
        ({"host": "*.shop.example"}, True),
        ({**SHOP, "stream": True}, True),
        ({**SHOP, "redirect": {"url": "/a"}}, True),
        ({**SHOP, "stream": False, "max_body": "", "redirect": None}, False),
    ],
)
def test_only_what_an_older_version_would_read_wrongly_is_written_for_newer_ones(route: dict[str, Any], needs: bool) -> None:
    stack = Stack.of({"services": [{"name": "api", "port": 80, "routes": [route]}]})
    assert stack.has_route_options == needs
    text = haproxy.render_map("shop", haproxy.stack_routes(stack.services))
    assert text.startswith("# morpheus.deploy format 2\n") == needs


def test_an_edge_that_knows_no_options_is_named_with_what_brings_them(tmp_path: Path) -> None:
    paths = EdgePaths(tmp_path)
    paths.conf.mkdir()
    config = paths.conf / "haproxy.cfg"
    config.write_text("# Managed\n# morpheus.deploy format 2\nglobal\n")
    route_options.require_known(paths)
    config.write_text("# Managed\nglobal\n")
    with pytest.raises(EdgeError) as caught:
        route_options.require_known(paths)
    assert str(caught.value) == OLDER_EDGE


def _service(*routes: dict[str, Any]) -> list[dict[str, Any]]:
    health = {"path": "/", "version": "", "expect": "", "successes": 1, "interval_seconds": 1, "timeout_seconds": 1}
    found = [{"paths": ["/"], **route} for route in routes]
    asked: dict[str, Any] = {"host": "", "headers": {}, "port": None, "scheme": "", "status": 200}
    return [{"name": "web", "port": 80, "routes": found, "health": {**health, **asked, "deadline_seconds": 9}}]


def _for_ever(number: int, key: str, target: str) -> str:
    return (
        f"stack.services[0].routes[{number}].redirect: sends requests for {key} to {target}, which this very redirect meets "
        f"again, for ever; give {target.partition('/')[0]} a route of its own, or redirect elsewhere"
    )


LOOPS = [
    pytest.param(
        [SHOP, {"host": "a.example", "redirect": {"host": "A.Example"}}],
        [_for_ever(1, "a.example/", "a.example/")],
        id="a redirect to itself",
    ),
    pytest.param(
        [SHOP, {"host": "", "redirect": {"host": "www.shop.example"}}],
        [_for_ever(1, "*/", "www.shop.example/")],
        id="a redirect of any host to one without a route",
    ),
    pytest.param(
        [
            SHOP,
            {"host": "a.example", "redirect": {"host": "b.example"}},
            {"host": "b.example", "redirect": {"url": "https://a.example/x"}},
        ],
        [_for_ever(1, "a.example/", "b.example/")],
        id="two redirects to each other",
    ),
    pytest.param(
        [SHOP, {"host": "a.example", "redirect": {"url": "http://[::1/"}}],
        ["stack.services[0].routes[1].redirect.url: " + _NO_URL_SIGNS.format("http://[::1/")],
        id="a redirect that is no URL is not followed",
    ),
    pytest.param(
        [
            SHOP,
            {"host": "first.example", "redirect": {"host": "c.example"}},
            {"host": "c.example", "redirect": {"host": "d.example"}},
            {"host": "d.example", "redirect": {"host": "c.example"}},
        ],
        [_for_ever(2, "c.example/", "d.example/")],
        id="a redirect into two that lead to each other",
    ),
    pytest.param([SHOP, {"host": "*.shop.example", "redirect": {"host": "shop.example"}}], [], id="a wildcard to its apex"),
    pytest.param([SHOP, {"host": "", "redirect": {"host": "shop.example"}}], [], id="any host to one with a route"),
    pytest.param(
        [{"host": "www.shop.example", "redirect": {"host": "shop.example"}}],
        [
            "stack.services[0].routes: every route redirects, so nobody reaches the service; give it one without redirect, or "
            "move these to a service that has one"
        ],
        id="nothing but redirects",
    ),
]


@pytest.mark.parametrize(("routes", "problems"), LOOPS)
def test_a_redirect_that_never_ends_is_refused(routes: list[dict[str, Any]], problems: list[str]) -> None:
    assert service_problems.problems(_service(*routes)) == problems
