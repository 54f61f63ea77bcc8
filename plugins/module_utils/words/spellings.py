# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways in which a value stands in text: what of it counts by itself, and how programs encode it. Pure, in bytes.

What has escapes is undone in the text (``views``), because every program escapes other characters than the next one does. What is
encoded as a whole is looked for as it would stand there (``encoded``), because its beginning is not known.
"""

from __future__ import annotations

import base64
import html
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote, unquote_plus

# Shorter ones repeat by chance. The same as for fingerprints.
MINIMUM_LENGTH = 8

_LOGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30})://([^/?#\s]*)@")
# Of a URL's query, of a driver's list of options, of a program's arguments.
_ASSIGNED = re.compile(
    r"(?i)(?:^|[\s?&;,])[\w.-]*(?:password|passwd|pwd|passphrase|secret|token|signature|sig|credential|key)\s*="
    r"\s*('(?:[^'\\]|\\.)*'|[^\s;&,]+)"
)
_SECRET_NAME = re.compile(r"(?i)pass|pwd|secret|token|key|credential|private|signature")
_FRAME = re.compile(r"-----(BEGIN|END) [A-Z0-9 ]+-----\Z")


def parts(value: str) -> Iterator[str]:
    """``value``, and what in it is a secret by itself: lines, passwords of URLs and of drivers' options, members of JSON."""
    yield value
    stripped = value.strip()
    yield stripped
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if not _FRAME.match(line))
    yield from passwords(value)
    if stripped.startswith(("{", "[")):
        yield from _members(stripped)


def passwords(value: str) -> Iterator[str]:
    """Passwords in a connection URL or a driver's options, as they stand there and as they are meant."""
    for found in _LOGIN.finditer(value):
        login = found[2]
        password = login.partition(":")[2]
        # Some web services take a token for a user's name.
        token = login if not password and found[1].lower().startswith("http") else ""
        for one in (login if password else "", password, token):
            yield one
            yield unquote(one)
    for found in _ASSIGNED.finditer(value):
        word = found[1]
        inner = re.sub(r"\\(.)", r"\1", word[1:-1]) if word.startswith("'") else word
        yield inner
        yield unquote_plus(inner)


def _members(text: str) -> Iterator[str]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return
    waiting: list[tuple[str, Any]] = [("", document)]
    while waiting:
        name, found = waiting.pop()
        if isinstance(found, Mapping):
            waiting += [(str(key), one) for key, one in found.items()]
        elif isinstance(found, list):
            waiting += [(name, one) for one in found]
        elif isinstance(found, str) and _SECRET_NAME.search(name):
            yield found
            yield from (line.strip() for line in found.splitlines() if not _FRAME.match(line.strip()))


def shown(part: str) -> str:
    """As Python shows a text: it alone writes one byte for what are two in UTF-8."""
    return repr(part)[1:-1]


def encoded(part: str) -> set[bytes]:
    """What stands in text for ``part`` where it, or what a program made of it, was encoded as a whole: base64 and hexadecimal."""
    found: set[bytes] = set()
    for spelling in _spelled(part):
        raw = spelling.encode("utf-8", "surrogatepass")
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found |= {_aligned(encode, raw, shift) for shift in range(3)}
        for separator in ("", ":", "-", " "):
            text = raw.hex(separator) if separator else raw.hex()
            found |= {text.encode(), text.upper().encode()}
    return {one for one in found if len(one) >= MINIMUM_LENGTH}


def _spelled(part: str) -> set[str]:
    try:
        quoted = {quote(part), quote(part, safe=""), quote_plus(part)}
    except UnicodeEncodeError:
        quoted = set()
    inner = {json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1], html.escape(part)}
    return {part, *quoted, *inner}


def _aligned(encode: Callable[[bytes], bytes], raw: bytes, shift: int) -> bytes:
    """The characters that ``raw`` alone determines, ``shift`` bytes after the beginning of a group."""
    text = encode(b"\0" * shift + raw)
    return text[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]


class View:
    """Text with escapes undone, and where each part of it stands in the text itself."""

    def __init__(self, data: bytes, parent: View | None = None, pieces: list[tuple[int, int, int, int]] | None = None) -> None:
        """``pieces``: (place here, length here, place in the parent, length there), without a gap."""
        self.data = data
        self._parent = parent
        self._pieces = pieces or []
        self._places = [piece[0] for piece in self._pieces]

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Where in the text itself stands what is here from ``start`` to ``end``. An escape counts whole."""
        if self._parent is None:
            return start, end
        here, length, there, length_there = self._pieces[bisect_right(self._places, start) - 1]
        first = there + (start - here) if length == length_there else there
        here, length, there, length_there = self._pieces[bisect_right(self._places, end - 1) - 1]
        last = there + (end - here) if length == length_there else there + length_there
        return self._parent.origin(first, last)


def views(data: bytes) -> list[View]:
    """The text itself, and what it says with escapes undone: each kind, each after each, and JSON's once more.

    A line of JSON in a line of JSON has its escapes twice, and what a program printed of that thrice.
    """
    seen = {data}
    first = [View(data)]
    second = [one for view in first for kind in _ESCAPES if (one := _undone(view, *kind, seen))]
    third = [(one, kind) for view in second for kind in _ESCAPES if (one := _undone(view, *kind, seen))]
    json_s = _ESCAPES[0]
    fourth = [one for view, kind in third if kind is json_s and (one := _undone(view, *json_s, seen))]
    return [*first, *second, *(view for view, _ in third), *fourth]


def _undone(view: View, pattern: re.Pattern[bytes], undo: Callable[[re.Match[bytes]], bytes], seen: set[bytes]) -> View | None:
    """None when that is nothing new."""
    pieces: list[tuple[int, int, int, int]] = []
    texts: list[bytes] = []
    place = last = 0
    for found in pattern.finditer(view.data):
        meant = undo(found)
        between = found.start() - last
        if between:
            pieces.append((place, between, last, between))
            texts.append(view.data[last : found.start()])
        place += between
        pieces.append((place, len(meant), found.start(), found.end() - found.start()))
        texts.append(meant)
        place += len(meant)
        last = found.end()
    if not pieces:
        return None
    rest = len(view.data) - last
    if rest:
        pieces.append((place, rest, last, rest))
        texts.append(view.data[last:])
    data = b"".join(texts)
    if data in seen:
        return None
    seen.add(data)
    return View(data, view, pieces)


_LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f", b"v": b"\v", b"a": b"\a", b"e": b"\x1b", b"0": b"\0"}
_NAMED = {b"amp": b"&", b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'", b"nbsp": b"\xc2\xa0"}


def _character(code: int) -> bytes:
    return chr(code).encode("utf-8", "surrogatepass") if code < 0x110000 else b""


def _backslash(found: re.Match[bytes]) -> bytes:
    pair, braced, code, byte, octal, letter = found.groups()
    if pair:
        return chr(0x10000 + ((int(pair[2:6], 16) & 0x3FF) << 10) + (int(pair[8:12], 16) & 0x3FF)).encode()
    if braced or code:
        return _character(int(braced or code[1:], 16))
    if byte or octal:
        return bytes([int(byte, 16) if byte else int(octal, 8) & 0xFF])
    return _LETTERS.get(letter, letter)


def _entity(found: re.Match[bytes]) -> bytes:
    decimal, digits, name = found.groups()
    return _NAMED[name] if name else _character(int(decimal) if decimal else int(digits, 16))


_ESCAPES: list[tuple[re.Pattern[bytes], Callable[[re.Match[bytes]], bytes]]] = [
    # JSON, Python, Go, Rust, C, printf %q.
    (
        re.compile(
            rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u\{([0-9a-fA-F]{1,6})\}"
            rb"|\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})|\\x([0-9a-fA-F]{2})|\\([0-7]{3})|\\([\s\S])"
        ),
        _backslash,
    ),
    # URLs, and what forms send.
    (re.compile(rb"%([0-9a-fA-F]{2})"), lambda found: bytes([int(found[1], 16)])),
    (re.compile(rb"%([0-9a-fA-F]{2})|\+"), lambda found: bytes([int(found[1], 16)]) if found[1] else b" "),
    # HTML and XML.
    (re.compile(rb"&(?:#([0-9]{1,7})|#[xX]([0-9a-fA-F]{1,6})|(amp|lt|gt|quot|apos|nbsp));?"), _entity),
    # A shell's quote in quotes.
    (re.compile(rb"'\\''|'\"'\"'"), lambda found: b"'"),
    # YAML, SQL, CSV, Compose, printf.
    (re.compile(rb"''|\"\"|\$\$|%%"), lambda found: found[0][:1]),
    # What a terminal obeys and nobody sees: colours as grep writes them, links, what is written over, signs without width.
    (
        re.compile(
            rb"\x1b(?:\[[0-9:;<=>?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[ -/]*[0-~])|[^\n\x80-\xff]\x08"
            rb"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2\xad|\xe2\x80[\x8b-\x8f\xaa-\xae]|\xe2\x81[\xa0-\xaf]|\xef\xbb\xbf"
        ),
        lambda found: b"",
    ),
    # What was broken into lines.
    (re.compile(rb"[ \t]*\r?\n[ \t]*"), lambda found: b""),
]
