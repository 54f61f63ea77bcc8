"""Rules of a Traefik that the edge replaces: what of them are routes, and what only a person can write."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected import labels, routers
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.routers import Match

A, B = Match("a.example"), Match("b.example")
RULES = [
    pytest.param("Host(`a.example`)", [A], id="a host"),
    pytest.param('  Host( "a.example" ) ', [A], id="other quotes"),
    pytest.param("Host(`a.example`, `b.example`)", [A, B], id="two hosts, as version 2 has them"),
    pytest.param("Host(`a.example`) || Host(`b.example`)", [A, B], id="two hosts"),
    pytest.param("Host(`a.example`) || Host(`a.example`)", [A], id="twice the same"),
    pytest.param("PathPrefix(`/api`)", [Match("", "/api")], id="a path of any host"),
    pytest.param("PathPrefix(`/`)", [Match()], id="every path of any host"),
    pytest.param("Host(`a.example`) && PathPrefix(`/api/`)", [Match("a.example", "/api")], id="a path of a host"),
    pytest.param(
        "PathPrefix(`/a`, `/b`) && Host(`a.example`)", [Match("a.example", "/a"), Match("a.example", "/b")], id="two paths"
    ),
    pytest.param(
        "(Host(`a.example`) || Host(`b.example`)) && (PathPrefix(`/x`) || PathPrefix(`/y`))",
        [Match(host, path) for host in ("a.example", "b.example") for path in ("/x", "/y")],
        id="two and two",
    ),
    pytest.param("Host(`a.example`) || Host(`b.example`) && PathPrefix(`/x`)", [A, Match("b.example", "/x")], id="and before or"),
    pytest.param("Host(`api.${DOMAIN?no domain}`)", [Match("api.${DOMAIN?no domain}")], id="a variable"),
    *(
        pytest.param(rule, [], id=rule)
        for rule in (
            *("", "Host()", "Host(a.example)", "Host(`a`", "Host(`a`) &&", "&& Host(`a`)", "Host(`a`) Host(`b`)", "(Host(`a`)"),
            *("!Host(`a`)", "HostRegexp(`.+`)", "Path(`/x`)", "Host(`a`) && Headers(`x`, `y`)", "Host(`a`) && Host(`b`)"),
            *("PathPrefix(`/{id:[0-9]+}`)", "PathPrefix(`api`)", "PathPrefix(`/a`) && PathPrefix(`/b`)", "nonsense"),
        )
    ),
]


@pytest.mark.parametrize(("rule", "expected"), RULES)
def test_a_rule_of_hosts_and_beginnings_of_paths_is_read_and_no_other(rule: str, expected: list[Match]) -> None:
    assert routers.matches(rule) == expected


def labelled(*lines: str, **more: Any) -> dict[str, Any]:
    return {"labels": [f"traefik.http.{line}" for line in lines], **more}


def test_one_rule_that_is_not_read_leaves_all_routes_of_the_service_to_a_person() -> None:
    service = labelled("routers.a.rule=Host(`a.example`)", "routers.b.rule=Method(`GET`)")
    assert (labels.matches(service), labels.unread(service)) == ([], ["Method(`GET`)"])
    assert labels.is_routed(service)
    assert not labels.is_routed({"labels": [*service["labels"], "traefik.enable=false"]})


# middleware, its definition, what is said of it
MIDDLEWARES = [
    pytest.param("auth@docker", "auth.basicauth.users=a:b", "write basic_auth into its routes", id="basicauth"),
    pytest.param("only", "only.ipAllowList.sourceRange=10.0.0.0/8", "write allow into its routes", id="ipAllowList"),
    pytest.param("quick", "quick.ratelimit.average=5", "no option of a route does it", id="ratelimit"),
    pytest.param("elsewhere@file", "", "no option of a route does it", id="defined elsewhere"),
    pytest.param("https-redirect", "", "", id="what the edge does by itself"),
    pytest.param("up", "up.redirectscheme.scheme=https", "", id="redirectscheme"),
    pytest.param("cut", "cut.stripprefix.prefixes=/api", "", id="a path that is cut off"),
    pytest.param("cut", "cut.stripprefix.prefixes=/v1", "write strip_prefix into its routes", id="another path than the route's"),
]


@pytest.mark.parametrize(("name", "definition", "said"), MIDDLEWARES)
def test_a_middleware_that_is_not_carried_over_is_named(name: str, definition: str, said: str) -> None:
    service = labelled("routers.a.rule=PathPrefix(`/api`)", f"routers.a.middlewares={name}")
    proxy = labelled(f"middlewares.{definition}") if definition else {}
    found = labels.left_over(service, {"web": service, "proxy": proxy})
    assert [mend.partition(" (")[0].partition(";")[0] for mend in found.values()] == ([said] if said else [])
    assert list(found) == ([name.partition("@")[0]] if said else [])


def test_what_nginx_proxy_is_told_counts_as_well() -> None:
    service = {"environment": ["VIRTUAL_HOST=a.example, b.example", "VIRTUAL_PORT=3000", "VIRTUAL_PATH=/shop/"]}
    assert labels.matches(service) == [Match("a.example", "/shop"), Match("b.example", "/shop")]
    assert (labels.ports(service), labels.is_routed(service)) == ([3000], True)
    assert labels.matches({"environment": {"VIRTUAL_HOST": None}}) == []
