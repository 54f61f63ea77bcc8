"""Services that must not run on every host: whose they are."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.placed_services import Placed

GROUPS = {
    "all": ["lb-1", "app-1", "app-2", "app-3"],
    "app": ["app-1", "app-2", "app-3"],
    "lb": ["lb-1"],
    "gpu": ["app-3", "app-2"],
}
ROUTES = [{"host": "shop.example", "paths": ["/"]}]


def placed(hosts: str, **more: Any) -> Placed:
    groups = more.pop("groups", GROUPS)
    return Placed([{"name": "web"}, {"name": "beat", "hosts": hosts, **more}], groups)


@pytest.mark.parametrize(
    ("hosts", "found"),
    [
        pytest.param("app-1", {"beat": ["app-1"]}, id="a host"),
        pytest.param("gpu", {"beat": ["app-2", "app-3"]}, id="a group"),
        pytest.param("all", {}, id="more than all"),
        pytest.param("", {}, id="nothing said"),
    ],
)
def test_where_a_service_runs(hosts: str, found: dict[str, list[str]]) -> None:
    assert (placed(hosts).hosts, placed(hosts).problems) == (found, [])


REFUSED = [
    pytest.param(
        {"hosts": "gpus"},
        'stack.services[1].hosts: "gpus" is neither a host of the group app nor a group that has one; the group app has '
        "app-1, app-2, "
        "app-3",
        id="a host that is none",
    ),
    pytest.param(
        {"hosts": "lb"},
        'stack.services[1].hosts: "lb" has no host of the group app; the group app has app-1, app-2, app-3',
        id="a group without a host that runs stacks",
    ),
]


@pytest.mark.parametrize(("service", "problem"), REFUSED)
def test_what_is_refused(service: dict[str, Any], problem: str) -> None:
    assert placed(**service).problems == [problem]


def test_a_service_with_routes_may_be_on_some_hosts_with_a_balancer_and_without() -> None:
    for groups in (GROUPS, {**GROUPS, "lb": []}):
        found = placed("gpu", routes=ROUTES, groups=groups)
        assert (found.hosts, found.problems) == ({"beat": ["app-2", "app-3"]}, [])


STACK = Stack.of(
    {
        "services": [
            {"name": "web", "port": 80, "routes": [{"host": "shop.example"}]},
            {"name": "api", "port": 80, "routes": [{"paths": ["/api"]}, {"host": "shop.example", "paths": ["/api"]}]},
            {"name": "beat", "hosts": "app-1"},
        ],
        "public_check": {"url": "https://Shop.Example/api/health"},
    }
)


@pytest.mark.parametrize(
    ("elsewhere", "names", "asks"),
    [
        pytest.param([], ["web", "api", "beat"], True, id="all"),
        pytest.param(["beat"], ["web", "api"], True, id="no scheduler"),
        pytest.param(["api", "beat"], ["web"], False, id="nor what the public check asks"),
        pytest.param(["web"], ["api", "beat"], True, id="another route"),
    ],
)
def test_a_host_knows_only_what_runs_on_it(elsewhere: list[str], names: list[str], asks: bool) -> None:
    found = STACK.without(elsewhere)
    assert ([one.name for one in found.services], bool(found.public_check)) == (names, asks)
    assert (found.document, found.elsewhere) == (STACK.document, frozenset(elsewhere))
