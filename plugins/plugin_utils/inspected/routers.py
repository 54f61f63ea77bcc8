# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of Traefik's routers, as far as the edge has the same: host names, and beginnings of paths. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(r"\s*(?:(?P<sign>\|\||&&|[()])|(?P<name>[A-Za-z]+)\((?P<values>[^()]*)\))")
_VALUE = re.compile(r"""[`"']([^`"']*)[`"']""")


@dataclass(frozen=True)
class Match:
    """Requests that reach a service. ``host``: with variables as they are written, empty for any; ``path``: how theirs begins."""

    host: str = ""
    path: str = ""


class _UnreadError(Exception):
    """The rule asks for more than a host name and a path."""


def matches(rule: str) -> list[Match]:
    """What a rule lets in, each once; nothing when it says more than the edge can look at."""
    try:
        return list(dict.fromkeys(_Rule(rule).read()))
    except _UnreadError:
        return []


class _Rule:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while text[position:].strip():
            found = _TOKEN.match(text, position)
            if not found:
                raise _UnreadError
            self._tokens.append((found["sign"] or found["name"], found["values"] or ""))
            position = found.end()

    def read(self) -> list[Match]:
        found = self._either()
        if self._tokens:
            raise _UnreadError
        return found

    def _either(self) -> list[Match]:
        found = self._both()
        while self._next("||"):
            found += self._both()
        return found

    def _both(self) -> list[Match]:
        found = self._one()
        while self._next("&&"):
            other = self._one()
            found = [_joined(one, two) for one in found for two in other]
        return found

    def _one(self) -> list[Match]:
        if self._next("("):
            found = self._either()
            if not self._next(")"):
                raise _UnreadError
            return found
        name, text = self._tokens.pop(0) if self._tokens else ("", "")
        values = _VALUE.findall(text)
        if name not in ("Host", "PathPrefix") or not values:
            raise _UnreadError
        return [Match(host=one) if name == "Host" else Match(path=_path(one)) for one in values]

    def _next(self, sign: str) -> bool:
        if self._tokens and self._tokens[0][0] == sign:
            self._tokens.pop(0)
            return True
        return False


def _path(text: str) -> str:
    if not text.startswith("/") or re.search(r"[{}^*]", text):
        raise _UnreadError
    return "" if text == "/" else text.rstrip("/")


def _joined(one: Match, two: Match) -> Match:
    if (one.host and two.host) or (one.path and two.path):
        raise _UnreadError
    return Match(one.host or two.host, one.path or two.path)
