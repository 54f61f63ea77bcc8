# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Types a value by an Ansible argument specification and reports every problem at once, each with its path.

ansible-core checks the shape too, but stops there: it applies no default, coerces nothing and knows no second look.
"""

from __future__ import annotations

import copy
import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

# What ansible-doc reads in a description: C(code), V(value), O(option), L(text, address) and others.
_MARKUP = re.compile(r"\b(?:[BCEIMOPUV]|RV)\(((?:\\.|[^\\)])+)\)")
_LINK = re.compile(r"\b[LR]\(([^,)]+),[^)]+\)")


def typed(value: Any, options: Mapping[str, Any], path: str, problems: list[str]) -> dict[str, Any]:
    """``value`` with defaults filled and types made right; what is wrong is appended to ``problems``."""
    if not isinstance(value, Mapping):
        problems.append(f"{path}: must be a mapping, not {kind(value)}")
        return typed({}, options, path, [])
    prefix = f"{path}." if path else ""
    for key in value:
        if key not in options:
            near = difflib.get_close_matches(str(key), list(options), 1)
            meant = f'; did you mean "{near[0]}"?' if near else f"; known are {', '.join(options)}"
            problems.append(f"{prefix}{key}: unknown key{meant}")
    result: dict[str, Any] = {}
    for key, option in options.items():
        found = value.get(key)
        if found is None and option.get("options") and option.get("default") == {}:
            # A mapping that may be left out whole, and whose keys have defaults of their own.
            found = {}
        if found is None:
            if option.get("required"):
                problems.append(f"{prefix}{key}: required; {_sentence(option)}")
            result[key] = copy.deepcopy(option.get("default"))
        else:
            result[key] = _value(found, option, f"{prefix}{key}", problems)
    return result


def causes(shape: Iterable[str], more: Iterable[str]) -> list[str]:
    """``shape``, the problems of ``typed``, and of ``more`` those that are not about an option that is in it already."""
    first = list(shape)
    wrong = {problem.partition(": ")[0] for problem in first}
    return first + [problem for problem in more if not any(_is_about(problem, path) for path in wrong)]


def _is_about(problem: str, path: str) -> bool:
    """Whether it is the option at ``path``, something in it, or the list that it is an entry of."""
    about = problem.partition(": ")[0]
    whole = path.rpartition("[")[0] if path.endswith("]") else path
    return about in (path, whole) or about.startswith((f"{path}.", f"{path}["))


def is_well(shape: Iterable[str], *options: str) -> bool:
    """Whether none of ``options``, and nothing in them, has a problem in ``shape``."""
    return not any(problem.startswith(f"{option}{end}") for problem in shape for option in options for end in ":.[")


def kind(value: Any) -> str:
    """The type of a value in words, without the value."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a mapping" if isinstance(value, Mapping) else "a list"


def no_string(value: Any) -> str:
    """Why something that is no string cannot be a secret or a variable, and the mend; without the value."""
    if value is None:
        return 'is empty; write "" in the inventory where that is meant'
    return f"must be a string, not {kind(value)}; quote it in the inventory"


def _value(value: Any, option: Mapping[str, Any], path: str, problems: list[str]) -> Any:
    wanted = option.get("type", "str")
    if option.get("no_log"):
        return value if isinstance(value, str) else _checked(value, False, "a string", path, problems) or ""
    if wanted == "dict":
        if "options" in option:
            return typed(value, option["options"], path, problems)
        return _checked(value, isinstance(value, Mapping), "a mapping", path, problems)
    if wanted == "list":
        if not isinstance(value, list | tuple):
            problems.append(f"{path}: must be a list, not {kind(value)}")
            return []
        item = {"type": option.get("elements", "str"), "options": option.get("options")}
        item = {key: part for key, part in item.items() if part is not None}
        return [_value(entry, item, f"{path}[{number}]", problems) for number, entry in enumerate(value)]
    return _SCALARS[wanted](value, path, problems)


def _text(value: Any, path: str, problems: list[str]) -> Any:
    if isinstance(value, int | float):
        problems.append(f"{path}: must be a string, not {kind(value)} ({value}); quote it")
        return ""
    if not isinstance(value, str):
        # Not its content: it may be a secret that stands one level too high.
        problems.append(f"{path}: must be a string, not {kind(value)}")
        return ""
    return str(value)


def _number(value: Any, path: str, problems: list[str], convert: Callable[[Any], Any], words: str) -> Any:
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        number = convert(value)
        if not math.isfinite(number) or number < 0 or (isinstance(value, float) and number != value):
            raise ValueError
    except (ValueError, OverflowError):
        seen = repr(value) if isinstance(value, int | float | str) else kind(value)
        problems.append(f"{path}: must be {words}, not {seen}")
        return None
    return number


def _whole(value: Any, path: str, problems: list[str]) -> Any:
    return _number(value, path, problems, int, "a whole number, 0 or more")


def _real(value: Any, path: str, problems: list[str]) -> Any:
    return _number(value, path, problems, float, "a number, 0 or more")


def _truth(value: Any, path: str, problems: list[str]) -> Any:
    return _checked(value, isinstance(value, bool), "true or false", path, problems)


def _checked(value: Any, fits: bool, words: str, path: str, problems: list[str]) -> Any:
    if not fits:
        problems.append(f"{path}: must be {words}, not {kind(value)}")
        return {}
    return value


def _sentence(option: Mapping[str, Any]) -> str:
    description = option.get("description", "")
    text = description if isinstance(description, str) else next(iter(description), "")
    said = _LINK.sub(r"\1", _MARKUP.sub(lambda found: re.sub(r"\\(.)", r"\1", found[1]), text))
    return said[:1].lower() + said[1:].rstrip(".")


_SCALARS: Mapping[str, Callable[[Any, str, list[str]], Any]] = {
    "str": _text,
    "path": _text,
    "int": _whole,
    "float": _real,
    "bool": _truth,
}
