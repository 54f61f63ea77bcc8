# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a health endpoint's answer says of what the service depends on. Pure.

A service may be well, and serve, while what it asks in turn is down: such an answer is good for every gate. There is no one way
to say it; those of Spring, ASP.NET, Terminus and the health+json draft are read, and a plain mapping of names to words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import others_json
from ansible_collections.morpheus.deploy.plugins.module_utils.words import said

# Under which a document names what it depends on, and what one of these says of itself.
_PLACES = ("dependencies", "components", "checks", "entries", "results", "details")
_STATES = ("status", "state", "healthy", "ok")
_REASONS = ("error", "message", "output", "description", "reason")
# Only what is plainly bad: a word that nobody knows here is no alarm.
_BAD = (
    "down",
    "fail",
    "error",
    "unhealthy",
    "unavailable",
    "unreachable",
    "out_of_service",
    "critical",
    "offline",
    "disconnected",
)
_CREDENTIALS = re.compile(r"(://)[^\s/@]+@")
LONGEST = 120
MOST = 20


def down(body: bytes) -> dict[str, str]:
    """Name of each dependency that ``body`` says is down -> its words, on one line and not too long."""
    try:
        document = others_json.loads(body)
    except ValueError:
        return {}
    found = dict(_down(document)) if isinstance(document, Mapping) else {}
    return {_line(name): _line(found[name]) for name in sorted(found)[:MOST]}


def _down(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for place in _PLACES:
        for name, told in _named(document.get(place)):
            words = _words(told)
            if words:
                yield name, words


def _named(found: Any) -> Iterator[tuple[str, Any]]:
    """Dependencies by name, as a mapping or as a list of those that say their own; in the health+json draft each has a list."""
    if isinstance(found, list):
        yield from ((str(one["name"]), one) for one in found if isinstance(one, Mapping) and "name" in one)
    for name, told in found.items() if isinstance(found, Mapping) else []:
        yield from ((str(name), one) for one in (told if isinstance(told, list) else [told]))


def _words(told: Any) -> str:
    """What is said of a dependency that is down; empty for any other."""
    if told is False:
        return "down"
    if isinstance(told, str):
        return told if told.strip().lower().startswith(_BAD) else ""
    if not isinstance(told, Mapping):
        return ""
    states = [_words(told[key]) for key in _STATES if key in told]
    reasons = [str(told[key]) for key in _REASONS if isinstance(told.get(key), str) and told[key]]
    bad = next((words for words in states if words), "")
    return ": ".join([bad, *reasons[:1]]) if bad else ""


def _line(text: str) -> str:
    words = _CREDENTIALS.sub(r"\1***@", said.beginning(text, 2 * LONGEST))
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"
