# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables in the text of a Compose file, as Compose itself reads them: ``$X``, ``${X}``, ``$$`` and every operator. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

# Every release has these, given by the deploy.
GIVEN = ("STACK_RELEASE", "STACK_ENVIRONMENT")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")


@dataclass(frozen=True)
class Missing:
    """A variable that nobody gives. ``text``: how it is written; ``words``: what ``:?`` says; None where nothing demands it."""

    name: str
    text: str
    words: str | None = None


@dataclass
class Interpolated:
    """``names``: every variable that the text mentions, used or not. ``invalid``: what Compose refuses as no variable."""

    text: str = ""
    names: set[str] = field(default_factory=set)
    missing: list[Missing] = field(default_factory=list)
    invalid: str = ""


def interpolated(text: str, known: Mapping[str, str]) -> Interpolated:
    """``text`` with its variables in place. What nobody gives is empty there, as Compose has it."""
    found = Interpolated()
    found.text = _read(text, known, found, used=True)
    return found


def names(text: str) -> set[str]:
    """Every variable that ``text`` mentions."""
    return interpolated(text, {}).names


def substituted(text: str, known: Mapping[str, str]) -> str:
    """``text`` with these variables in place and everything else as it is written."""
    return "".join(
        _read(written, known, Interpolated(), used=True) if name in known else written for written, name in _pieces(text)
    )


def _read(text: str, known: Mapping[str, str], found: Interpolated, *, used: bool) -> str:
    parts = []
    for written, name in _pieces(text):
        if name:
            parts.append(_value(name, written, known, found, used=used))
            continue
        # A lone dollar sign stands for itself; a brace that is no variable is an error.
        parts.append("$" if written == "$$" else written)
        if written.startswith("${"):
            found.invalid = found.invalid or written
    return "".join(parts)


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """``text`` cut where a dollar sign begins something and where that ends: (as it is written, variable's name or empty)."""
    position = 0
    while (start := text.find("$", position)) >= 0:
        yield text[position:start], ""
        position, name = _end(text, start)
        yield text[start:position], name
    yield text[position:], ""


def _end(text: str, start: int) -> tuple[int, str]:
    """Where what begins with the dollar sign at ``start`` ends, and the variable's name; empty when it is none."""
    following = text[start + 1 : start + 2]
    if following == "$":
        return start + 2, ""
    if following != "{":
        match = _NAME.match(text, start + 1)
        return (match.end(), match[0]) if match else (start + 1, "")
    depth, end = 0, len(text)
    for position in range(start + 1, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            end = position + 1
            break
    match = _NAME.match(text, start + 2)
    closed = depth == 0 and match is not None
    if match and closed and (match.end() == end - 1 or text.startswith(_OPERATORS, match.end())):
        return end, match[0]
    return end, ""


def _value(name: str, written: str, known: Mapping[str, str], found: Interpolated, *, used: bool) -> str:
    found.names.add(name)
    inner = written[2 + len(name) : -1] if written.startswith("${") else ""
    operator = next((one for one in _OPERATORS if inner.startswith(one)), "")
    is_given = name in known and (bool(known[name]) or not operator.startswith(":"))
    needs_words = is_given if operator.endswith("+") else not is_given
    # Compose reads what stands after an operator in any case, so what is demanded there is demanded.
    words = _read(inner[len(operator) :], known, found, used=used and needs_words) if operator else ""
    if operator.endswith("?") and not is_given:
        found.missing.append(Missing(name, written, words))
        return ""
    if operator.endswith("+"):
        return words if is_given else ""
    if operator and not is_given:
        return words
    if name not in known:
        if used:
            found.missing.append(Missing(name, written))
        return ""
    return known[name]
