"""What is of the wrong type is said once: nothing that follows from it stands beside it, and nothing breaks."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.unit.plugins.plugin_utils.config.test_stack_config import OPTIONS, checked, raw, source

__all__ = ["source"]

WRONG: Mapping[str, list[Any]] = {
    "str": [5, ["x"], {"a": 1}],
    "path": [5, ["x"]],
    "list": ["x", 5, {"a": 1}],
    "dict": ["x", 5, ["x"]],
    "int": ["x", ["x"]],
    "float": ["x", ["x"]],
    "bool": ["x", 5],
}
Place = tuple[str | int, ...]


def places(options: Mapping[str, Any], above: Place = ()) -> Iterator[tuple[Place, str]]:
    """Every option, and entry of a list, with its type."""
    for name, option in options.items():
        here, kind = (*above, name), option.get("type", "str")
        yield here, kind
        inside = (*here, 0) if kind == "list" else here
        if option.get("options"):
            yield from places(option["options"], inside)
        elif kind == "list":
            yield inside, option.get("elements", "str")


def put(found: Any, place: Place, value: Any) -> None:
    """What is missing on the way is made."""
    for step, following in pairwise(place):
        empty: Any = [] if isinstance(following, int) else {}
        if isinstance(step, int):
            found[:] = found or [empty]
        elif found.get(step) is None:
            found[step] = empty
        found = found[step]
    if isinstance(place[-1], int):
        found[:1] = [value]
    else:
        found[place[-1]] = value


def shown(place: Place) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")


EACH = list(places(OPTIONS))


@pytest.mark.parametrize(("place", "kind"), EACH, ids=[shown(place) for place, _ in EACH])
def test_an_option_of_the_wrong_type_is_one_problem(place: Place, kind: str, source: Path) -> None:
    for value in WRONG[kind]:
        given = raw(source)
        put(given, place, copy.deepcopy(value))
        # What had to be made on the way lacks what it requires.
        found = [problem for problem in checked(given).problems if ": required; " not in problem]
        assert [problem.partition(": ")[0] for problem in found] == [shown(place)], value


def test_what_has_nothing_to_do_with_it_is_said_too(source: Path) -> None:
    given = raw(source) | {"stack_release": "latest"}
    given["stack"]["retention"] = 5
    assert checked(given).problems == [
        "stack.retention: must be a mapping, not a number",
        "stack_release: latest does not say what runs; give the version, for example 1.2.0",
    ]
