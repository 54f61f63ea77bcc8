# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a route may be. What is accepted here, the edge matches as it is written; all else is refused with what to write. Pure.

A request's host is compared without its case, its port and a dot at its end; "*" as the first label of a route's host stands for
any one label. Its path is compared as it is sent, by whole segments: nothing is decoded, and a slash at the end makes no
difference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from ansible_collections.morpheus.deploy.plugins.module_utils.service.route import Route

# What people write for any host, and the map has.
ANY_HOST = "*"
_WILDCARD = "*."
LONGEST_HOST = 253
LONGEST_LABEL = 63
LONGEST_PATH = 1024
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\Z")
_PARTS = "each part between dots holds letters, digits, - and _, and does not begin or end with -"
_PORT = re.compile(r":[0-9]*\Z")
# Those of RFC 3986 without "%", "*" and ";", which ends a command of HAProxy's.
_OTHERS = "-._~!$&'()+,=:@"
_FOREIGN = re.compile(rf"[^A-Za-z0-9/{re.escape(_OTHERS)}]")
# What would make two entries of a line in the map, a comment, or two commands of one.
_UNWRITABLE = re.compile(r"[\s\0;\\]|^#")


def problems(path: str, routes: Sequence[Route]) -> list[str]:
    """Of the routes of one service, which stand at ``path``: each with its path, the value and what to write."""
    found = []
    for number, route in enumerate(routes):
        here = f"{path}.routes[{number}]"
        problem = host_problem(route.host)
        found += [f"{here}.host: {problem}"] if problem else []
        if not route.paths:
            found.append(f'{here}.paths: is empty, so the route would match nothing; leave it out for all paths, as ["/"]')
        for index, prefix in enumerate(route.paths):
            problem = path_problem(prefix)
            found += [f"{here}.paths[{index}]: {problem}"] if problem else []
    return found


def folded(host: str) -> str:
    """A host as requests' hosts are compared with it; empty for any."""
    return "" if host == ANY_HOST else host.lower().removesuffix(".")


def writable(keys: Iterable[str]) -> list[str]:
    """Those keys that the edge's map can hold. Versions before there was a grammar accepted others, which matched nothing."""
    return [key for key in keys if not _UNWRITABLE.search(key)]


def host_problem(text: str) -> str:
    """Why ``text`` is no host of a route, in words; empty when it is one, or none is given."""
    host = folded(text)
    if not text or text == ANY_HOST:
        return ""
    if "*" in text and not re.search(r"[/:\s]", text):
        return _wildcard_problem(text, host)
    if "/" in text:
        bare, _, path = re.sub(r"^.*?://", "", text).partition("/")
        bare = _PORT.sub("", bare)
        mend = f"write host: {_quoted(bare)}" if bare and not host_problem(bare) else "write the host alone"
        mend += f" and paths: [{_quoted(f'/{path}')}]" if path and not path_problem(f"/{path}") else ""
        return f"{_quoted(text)} is more than a host; {mend}"
    if text.startswith("[") or text.count(":") > 1:
        return f"{_quoted(text)} is an IPv6 address, which routes do not support; leave host out for requests to any host"
    if ":" in text:
        bare = _PORT.sub("", text)
        mend = "leave it out" if ":" in bare or host_problem(bare) or not bare else f"write host: {_quoted(bare)}"
        return f"{_quoted(text)} has a port, and routes are compared without it; {mend}"
    if not text.isascii():
        return f"{_quoted(text)} is not as browsers send it; write {_as_sent(host)}"
    if re.search(r"\s", text):
        return f"{_quoted(text)} contains white space; write one host without it"
    labels = host.split(".")
    if len(host) > LONGEST_HOST or any(len(label) > LONGEST_LABEL for label in labels):
        return f"{_quoted(text)} is too long: at most {LONGEST_HOST} characters, and {LONGEST_LABEL} between two dots"
    if not all(map(_LABEL.match, labels)):
        return f"{_quoted(text)} is not a host name; {_PARTS}"
    return ""


def _wildcard_problem(text: str, host: str) -> str:
    rest = host.removeprefix(_WILDCARD)
    if host == rest or "*" in rest or not rest:
        return (
            f'{_quoted(text)} has a wildcard that no route can have; "*" may stand in the place of the first label, as in '
            '"*.shop.example", or alone for any host'
        )
    return host_problem(f"x.{rest}").replace(_quoted(f"x.{rest}"), _quoted(text))


def path_problem(text: str) -> str:
    """Why ``text`` is no path of a route, in words; empty when it is one."""
    if not text.startswith("/"):
        return f'{_quoted(text)} must start with "/"'
    if len(text) > LONGEST_PATH:
        return f"{_quoted(text[:40])}... has {len(text)} characters; a route's path has {LONGEST_PATH} at most"
    for sign, what in (("?", "a query"), ("#", "a fragment")):
        if sign in text:
            return f'{_quoted(text)} holds {what}, and only paths are compared; leave out what begins with "{sign}"'
    if "*" in text:
        return f"{_quoted(text)} has a wildcard, and a route matches all paths below its own anyway; {_shorter(text, '*')}"
    if "%" in text:
        return (
            f"{_quoted(text)} is percent-encoded, and the edge does not decode paths, so only this spelling would match; "
            f"{_shorter(text, '%')}"
        )
    foreign = _FOREIGN.search(text)
    if foreign:
        return (
            f"{_quoted(text)} holds {_quoted(foreign[0])}; a path may hold letters, digits, / and {_OTHERS}; "
            f"{_shorter(text, foreign[0])}"
        )
    if {".", ".."} & set(text.split("/")):
        return f'{_quoted(text)} holds "." or "..", which clients resolve before they ask; write the path that they ask for'
    if "//" in text:
        return f"{_quoted(text)} holds an empty segment; write {_quoted(re.sub('/+', '/', text))}"
    return ""


def _quoted(text: str) -> str:
    """On one line, whatever it holds."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _shorter(text: str, sign: str) -> str:
    """The path up to the segment that holds ``sign``."""
    before = re.sub("/+", "/", text.partition(sign)[0].rpartition("/")[0]) or "/"
    return "write the path above it, " + _quoted("/" if path_problem(before) else before)


def _as_sent(host: str) -> str:
    """The name in punycode, where there is no doubt which it is."""
    try:
        sent = host.encode("idna").decode()
        if sent.encode().decode("idna") == host and not host_problem(sent):
            return f"host: {_quoted(sent)}"
    except UnicodeError:
        pass
    return "what its registrar shows for it, which begins with xn--"
