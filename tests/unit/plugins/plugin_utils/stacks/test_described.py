"""What an inventory may say of several stacks, in which order they come, and what is refused before any connection."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.stacks.described import Described, described, wrong_name

GROUPS = {"app": ["app-1", "app-2", "app-3"], "ml": ["app-2", "db-1"], "lb": ["lb-1"], "empty": []}


def of(stacks: Any, given: dict[str, Any] | None = None, variables: tuple[str, ...] = (), playbook: str = "deploy") -> Described:
    return described(stacks, GROUPS, given or {}, ["stacks", *variables, *(given or {})], playbook)


def test_stacks_come_in_the_order_of_after_and_else_as_they_are_written() -> None:
    found = of({"web": {"after": ["gateway"]}, "jobs": {}, "gateway": {"after": ["base"]}, "base": {}})
    assert (found.order, found.problems) == (["jobs", "base", "gateway", "web"], [])
    assert found.chosen == found.order


def test_one_is_chosen_by_its_name_and_comes_alone() -> None:
    found = of({"web": {"after": ["gateway"]}, "gateway": {}}, {"stack_name": "web", "stack_release": "1.1.0"})
    assert (found.chosen, found.problems) == (["web"], [])


def test_hosts_are_a_group_or_a_host_in_the_order_of_the_inventory() -> None:
    found = of({"a": {"hosts": "ml"}, "b": {"hosts": "app-3"}, "c": {"hosts": "app"}, "d": {}})
    assert (found.hosts, found.problems) == ({"a": ["app-2"], "b": ["app-3"]}, [])


TWO: dict[str, Any] = {"gateway": {}, "web": {}}
WRONG = [
    pytest.param([], {}, (), ["stacks: must be a mapping of stacks by name, not a list"], id="a list"),
    pytest.param({}, {}, (), ["stacks: is empty; name a stack, or take it out"], id="none"),
    pytest.param(
        TWO,
        {},
        ("stack", "stack_release", "stack_secrets", "stack_registries"),
        [
            "stack: stands beside stacks, and an inventory has one of the two; move what it holds to stacks.<its name>",
            "stack_release: stands beside stacks, so nobody can say whose it is; write stacks.<name>.release",
            "stack_secrets: stands beside stacks, so nobody can say whose it is; write stacks.<name>.secrets",
        ],
        id="a single one beside",
    ),
    pytest.param(
        {"Web": {}, "b": None, "c": {"name": "c"}},
        {},
        (),
        [
            "stacks.Web: the name may hold only lower-case letters, digits, - and _",
            "stacks.b: must be a mapping, not empty",
            "stacks.c.name: the name of a stack is its key in stacks; take the line out",
        ],
        id="names",
    ),
    pytest.param(
        {"web": {"after": ["gatway", "nothing"]}, "gateway": {"after": "web"}},
        {},
        (),
        [
            'stacks.web.after: "gatway" is none of the stacks; did you mean "gateway"?',
            'stacks.web.after: "nothing" is none of the stacks; there is web, gateway',
            "stacks.gateway.after: must be a list of names of stacks, not a string",
        ],
        id="after",
    ),
    pytest.param(
        {"a": {"after": ["b"]}, "b": {"after": ["c"]}, "c": {"after": ["a"]}},
        {},
        (),
        ["stacks: a comes after b, b comes after c, c comes after a: no order does that; take one of them out of after"],
        id="a circle",
    ),
    pytest.param(
        {"a": {"after": ["a"]}},
        {},
        (),
        ["stacks: a comes after a: no order does that; take one of them out of after"],
        id="itself",
    ),
    pytest.param(
        {"a": {"hosts": "mll"}, "b": {"hosts": "lb"}, "c": {"hosts": ["app-1"]}},
        {},
        (),
        [
            'stacks.a.hosts: "mll" is neither a host of the group app nor a group that has one; the group app has app-1, app-2, '
            "app-3",
            'stacks.b.hosts: "lb" has no host of the group app; the group app has app-1, app-2, app-3',
            "stacks.c.hosts: must be the name of a group or a host, not a list",
        ],
        id="hosts",
    ),
    pytest.param(
        TWO, {"stack_name": "wep"}, (), ['stack_name: "wep" is none of the stacks; did you mean "web"?'], id="another name"
    ),
    pytest.param(
        TWO,
        {"stack_release": "1.1.0"},
        (),
        ["stack_release: of which stack? There is gateway, web; add -e stack_name=<one of them>"],
        id="a release of one",
    ),
]


@pytest.mark.parametrize(("stacks", "given", "variables", "problems"), WRONG)
def test_what_is_wrong_is_said_at_once_with_its_path(
    stacks: Any, given: dict[str, Any], variables: tuple[str, ...], problems: list[str]
) -> None:
    assert of(stacks, given, variables).problems == problems


@pytest.mark.parametrize(
    ("playbook", "variable", "is_refused"),
    [
        ("rollback", "rollback_to", True),
        ("deploy", "rollback_to", False),
        ("rotate_secrets", "secret", True),
        ("rollback", "stack_release", False),
    ],
)
def test_what_is_asked_of_one_stack_needs_its_name_where_it_is_read(playbook: str, variable: str, is_refused: bool) -> None:
    assert bool(of(TWO, {variable: "x"}, playbook=playbook).problems) is is_refused
    assert of(TWO, {variable: "x", "stack_name": "web"}, playbook=playbook).problems == []
    assert of({"web": {}}, {variable: "x"}, playbook=playbook).problems == []


def test_a_name_in_an_inventory_with_one_stack_must_be_its_own() -> None:
    assert wrong_name({}, {"name": "shop"}) == wrong_name({"stack_name": "shop"}, {"name": "shop"}) == ""
    said = 'stack_name: "web" is no stack of this inventory; it has one alone, shop'
    assert wrong_name({"stack_name": "web"}, {"name": "shop"}) == said
