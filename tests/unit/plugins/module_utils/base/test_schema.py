from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.schema import kind, typed

OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True, "description": ["Name of the thing. As people say it.", "More words."]},
    "count": {"type": "int", "default": 1},
    "seconds": {"type": "float", "default": 2.5},
    "on": {"type": "bool"},
    "where": {"type": "path"},
    "tags": {"type": "list", "elements": "str", "default": []},
    "extra": {"type": "dict", "default": {}},
    "health": {"type": "dict", "options": {"path": {"type": "str", "required": True, "description": "Path to ask."}}},
    "routes": {
        "type": "list",
        "elements": "dict",
        "options": {"host": {"type": "str", "default": ""}, "paths": {"type": "list", "elements": "str", "default": ["/"]}},
    },
}


def checked(value: Any) -> tuple[dict[str, Any], list[str]]:
    problems: list[str] = []
    return typed(value, OPTIONS, "stack", problems), problems


def test_defaults_are_filled_in_and_what_is_not_given_is_none() -> None:
    assert checked({"name": "a"}) == (
        {
            "name": "a",
            "count": 1,
            "seconds": 2.5,
            "on": None,
            "where": None,
            "tags": [],
            "extra": {},
            "health": None,
            "routes": None,
        },
        [],
    )


def test_types_are_made_right_at_every_depth() -> None:
    result, problems = checked(
        {
            "name": "a",
            "count": "3",
            "seconds": 1,
            "on": True,
            "where": "/x",
            "tags": ("b",),
            "extra": {"any": [1]},
            "health": {"path": "/"},
            "routes": [{"host": "h"}, {}],
        }
    )
    assert problems == []
    assert (result["count"], result["seconds"], result["tags"]) == (3, 1.0, ["b"])
    assert isinstance(result["seconds"], float)
    assert result["routes"] == [{"host": "h", "paths": ["/"]}, {"host": "", "paths": ["/"]}]
    assert result["extra"] == {"any": [1]}


PROBLEMS = [
    pytest.param({}, ["stack.name: required; name of the thing. As people say it"], id="a required one is missing"),
    pytest.param({"name": None}, ["stack.name: required; name of the thing. As people say it"], id="null is missing"),
    pytest.param(None, ["stack: must be a mapping, not empty"], id="nothing"),
    pytest.param([], ["stack: must be a mapping, not a list"], id="a list"),
    pytest.param({"name": "a", "cuont": 1}, ['stack.cuont: unknown key; did you mean "count"?'], id="a key that is nearly one"),
    pytest.param(
        {"name": "a", "xyz": 1},
        ["stack.xyz: unknown key; known are name, count, seconds, on, where, tags, extra, health, routes"],
        id="a key that is none",
    ),
    pytest.param(
        {"name": "a", 5: 1},
        ["stack.5: unknown key; known are name, count, seconds, on, where, tags, extra, health, routes"],
        id="a key that is a number",
    ),
    pytest.param({"name": 1.1}, ["stack.name: must be a string, not a number (1.1); quote it"], id="a number for a string"),
    pytest.param({"name": True}, ["stack.name: must be a string, not a boolean (True); quote it"], id="a boolean for a string"),
    pytest.param(
        {"name": "a", "count": "x"}, ["stack.count: must be a whole number, 0 or more, not 'x'"], id="a word for a number"
    ),
    pytest.param({"name": "a", "count": -1}, ["stack.count: must be a whole number, 0 or more, not -1"], id="below nothing"),
    pytest.param({"name": "a", "count": 1.5}, ["stack.count: must be a whole number, 0 or more, not 1.5"], id="no whole number"),
    pytest.param(
        {"name": "a", "count": True}, ["stack.count: must be a whole number, 0 or more, not True"], id="a boolean for a number"
    ),
    pytest.param(
        {"name": "a", "count": float("inf")},
        ["stack.count: must be a whole number, 0 or more, not inf"],
        id="infinity for a number",
    ),
    pytest.param(
        {"name": "a", "seconds": "soon"}, ["stack.seconds: must be a number, 0 or more, not 'soon'"], id="a word for seconds"
    ),
    pytest.param(
        {"name": "a", "seconds": -0.1}, ["stack.seconds: must be a number, 0 or more, not -0.1"], id="seconds below nothing"
    ),
    pytest.param(
        {"name": "a", "seconds": "nan"}, ["stack.seconds: must be a number, 0 or more, not 'nan'"], id="no number at all"
    ),
    pytest.param({"name": "a", "on": "yes"}, ["stack.on: must be true or false, not a string"], id="a word for a boolean"),
    pytest.param({"name": "a", "tags": "b"}, ["stack.tags: must be a list, not a string"], id="a string for a list"),
    pytest.param(
        {"name": "a", "tags": ["b", 5]}, ["stack.tags[1]: must be a string, not a number (5); quote it"], id="an element"
    ),
    pytest.param({"name": "a", "extra": []}, ["stack.extra: must be a mapping, not a list"], id="a list for a mapping"),
    pytest.param({"name": "a", "health": {}}, ["stack.health.path: required; path to ask"], id="a missing one below"),
    pytest.param({"name": "a", "health": "/"}, ["stack.health: must be a mapping, not a string"], id="a string for a mapping"),
    pytest.param(
        {"name": "a", "routes": [{}, {"hots": "h"}, "x"]},
        ['stack.routes[1].hots: unknown key; did you mean "host"?', "stack.routes[2]: must be a mapping, not a string"],
        id="far below",
    ),
    pytest.param(
        {"count": "x", "tag": [], "health": {"path": 1}},
        [
            'stack.tag: unknown key; did you mean "tags"?',
            "stack.name: required; name of the thing. As people say it",
            "stack.count: must be a whole number, 0 or more, not 'x'",
            "stack.health.path: must be a string, not a number (1); quote it",
        ],
        id="everything at once",
    ),
]


@pytest.mark.parametrize(("value", "problems"), PROBLEMS)
def test_every_problem_has_its_path(value: Any, problems: list[str]) -> None:
    assert checked(value)[1] == problems


def test_a_structure_in_the_place_of_a_string_is_not_printed() -> None:
    """Somebody may have put a secret one level too high."""
    _, problems = checked({"name": {"password": "canary"}, "where": ["canary"]})
    assert problems == ["stack.name: must be a string, not a mapping", "stack.where: must be a string, not a list"]


def test_at_the_top_a_path_is_the_key_alone() -> None:
    problems: list[str] = []
    typed({"nmae": 1}, OPTIONS, "", problems)
    assert problems == ['nmae: unknown key; did you mean "name"?', "name: required; name of the thing. As people say it"]


def test_a_default_is_not_shared_between_two_configurations() -> None:
    one, _ = checked({"name": "a"})
    one["tags"].append("mine")
    two, _ = checked({"name": "b"})
    assert two["tags"] == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "empty"),
        (True, "a boolean"),
        (1, "a number"),
        (0.5, "a number"),
        ("x", "a string"),
        ({}, "a mapping"),
        ([], "a list"),
    ],
    ids=repr,
)
def test_a_kind_is_said_in_words(value: Any, words: str) -> None:
    assert kind(value) == words


def test_a_secret_of_the_wrong_type_is_not_printed() -> None:
    problems: list[str] = []
    options = {"key": {"type": "str", "no_log": True, "description": "a key"}}
    assert typed({"key": "canary"}, options, "", problems) == {"key": "canary"}
    assert problems == []
    for value in (73317731, 0.5, True, ["canary"], {"canary": 1}):
        assert typed({"key": value}, options, "", problems) == {"key": ""}
    assert [problem.split(",")[0] for problem in problems] == ["key: must be a string"] * 5
    assert "canary" not in str(problems)
    assert "73317731" not in str(problems)


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ("C(latest) is refused, V(1.0) is not", "latest is refused, 1.0 is not"),
        (r"As O(stack.name=V\(x\)) says it.", "as stack.name=V(x) says it"),
        ("See L(the manual,https://example.com/a) and M(morpheus.deploy.lease)", "see the manual and morpheus.deploy.lease"),
        ("Of U(https://example.com), B(bold), I(italic)", "of https://example.com, bold, italic"),
        ("A call of f(x) stays", "a call of f(x) stays"),
    ],
)
def test_markup_of_a_description_is_not_shown_to_people(description: str, said: str) -> None:
    problems: list[str] = []
    typed({}, {"name": {"required": True, "description": [description]}}, "", problems)
    assert problems == [f"name: required; {said}"]
