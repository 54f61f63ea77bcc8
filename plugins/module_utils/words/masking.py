# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text without secrets that are known: the whole value, what of it counts by itself, and each in its usual encodings. Pure.

Which values are masked everywhere, and which are not: see ``strength``. What the work costs grows with the length of the text,
and not with the number of secrets.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from enum import Enum

from ansible_collections.morpheus.deploy.plugins.module_utils.words.spellings import (
    MINIMUM_LENGTH,
    encoded,
    parts,
    passwords,
    shown,
    views,
)

STARS = "***"
# Of a longer value so much is looked for, and as far as the text goes on with it that is masked, too.
_ANCHOR = 512
# Words that stand in every other line of a log. As a secret they protect nothing.
_ORDINARY = frozenset(
    {
        *("administrator", "application", "configuration", "database", "default", "development", "disabled", "enabled"),
        *("localhost", "password", "postgres", "postgresql", "production", "required", "staging", "username"),
    }
)
_WORD = re.compile(r"[A-Za-z]{1,15}\Z|[0-9]{1,11}\Z")
_WORD_BYTE = re.compile(rb"[A-Za-z0-9_]")
# Without any knowledge: a URL's password is one.
_LOGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/?#@:\"']*:)([^\s/?#@]+)(?=@)")
_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")


class Strength(Enum):
    """How a value is masked."""

    # Wherever it stands, in whatever encoding.
    ANYWHERE = "anywhere"
    # Where it is a word of its own.
    AS_A_WORD = "as a word"
    # After the name of its variable, and as the password of a URL.
    NAMED = "named"


def strength(value: str, open_words: Collection[str] = ()) -> Strength:
    """How much of the output a value may cost.

    What has fewer than 8 characters, is an ordinary word, or stands in what the project says openly (its names, its hosts, its
    images) repeats by chance: "1", "true". A single word of up to 15 letters, or up to 11 digits, may be part of others.
    """
    word = value.lower()
    if len(value) < MINIMUM_LENGTH or word in _ORDINARY or any(word in one for one in open_words):
        return Strength.NAMED
    return Strength.AS_A_WORD if _WORD.match(value) else Strength.ANYWHERE


class Masker:
    """``secrets``: (name of the variable, value); ``open_words``: names that everybody may see, in lower case."""

    def __init__(self, secrets: Iterable[tuple[str, str]] = (), open_words: Collection[str] = ()) -> None:
        self._open = open_words
        # What is looked for -> whether it must be a word of its own.
        self._needles: dict[bytes, bool] = {}
        # What stands in base64: all of it goes, because its edges hold bits of the value.
        self._encoded: set[bytes] = set()
        self._named: list[re.Pattern[str]] = []
        for name, value in sorted(set(secrets)):
            self._learn(name, value)
        # First characters -> (what is looked for, all of it) of each that begins so.
        self._index: dict[bytes, list[tuple[bytes, bytes]]] = {}
        for needle in sorted(self._needles, key=len, reverse=True):
            self._index.setdefault(needle[:MINIMUM_LENGTH], []).append((needle[:_ANCHOR], needle))

    def _learn(self, name: str, value: str) -> None:
        weak = set()
        for part in dict.fromkeys(filter(None, parts(value))):
            how = strength(part, self._open)
            if how is Strength.NAMED:
                weak.add(part)
                continue
            raw = part.encode("utf-8", "surrogatepass")
            is_word = how is Strength.AS_A_WORD
            # What is a word here may be a whole value elsewhere.
            self._needles[raw] = self._needles.get(raw, True) and is_word
            self._needles.setdefault(shown(part).encode("utf-8", "surrogatepass"), is_word)
            for needle in encoded(part):
                self._needles.setdefault(needle, False)
                self._encoded.add(needle)
        if value in weak and name:
            self._named.append(_after(re.escape(name), value))
        self._named += [_after(r"\w*(?:pass|passwd|password|pwd)", one) for one in weak & set(passwords(value))]

    def mask(self, text: str) -> str:
        """``text`` with three stars in the place of each secret. Text without one comes back as it is."""
        for pattern in self._named:
            text = pattern.sub(rf"\1{STARS}", text)
        return _LOGIN.sub(rf"\1{STARS}", self._without_needles(text) if self._index else text)

    def _without_needles(self, text: str) -> str:
        data = text.encode("utf-8", "surrogatepass")
        spans = _merged(self._spans(data))
        if not spans:
            return text
        kept, last = [], 0
        for start, end in spans:
            kept += [data[last:start], STARS.encode()]
            last = end
        return b"".join([*kept, data[last:]]).decode("utf-8", "surrogatepass")

    def mask_lines(self, lines: Sequence[str]) -> list[str]:
        """Each of them, as ``mask`` has it; a value that is broken over several is masked in each."""
        encoded_lines = [line.encode("utf-8", "surrogatepass") for line in lines]
        spans = _merged(self._spans(b"\n".join(encoded_lines))) if self._index else []
        found, begin, number = [], 0, 0
        for line in encoded_lines:
            end = begin + len(line)
            kept, last = [], begin
            while number < len(spans) and spans[number][0] < end:
                start, stop = max(spans[number][0], begin), min(spans[number][1], end)
                kept += [line[last - begin : start - begin], STARS.encode()] if stop > start else []
                last = max(last, stop)
                if spans[number][1] > end:
                    # It goes on in the next line.
                    break
                number += 1
            found.append(b"".join([*kept, line[last - begin :]]).decode("utf-8", "surrogatepass"))
            begin = end + 1
        return [self.mask(line) for line in found]

    def finds(self, text: str) -> bool:
        """Whether ``text`` holds a secret."""
        return bool(self._index) and any(True for _ in self._spans(text.encode("utf-8", "surrogatepass")))

    def _spans(self, data: bytes) -> Iterator[tuple[int, int]]:
        if len(data) < MINIMUM_LENGTH:
            return
        for view in views(data):
            for start, end in self._hits(view.data):
                yield view.origin(start, end)

    def _hits(self, data: bytes) -> Iterator[tuple[int, int]]:
        index = self._index
        # Needle -> how far it was found, so that one that repeats itself is not followed again and again.
        reached: dict[bytes, int] = {}
        for start in range(len(data) - MINIMUM_LENGTH + 1):
            for anchor, needle in index.get(data[start : start + MINIMUM_LENGTH], ()):
                if not data.startswith(anchor, start):
                    continue
                end = start + len(needle)
                if len(needle) > _ANCHOR:
                    end = start + _ANCHOR
                    if end > reached.get(needle, 0):
                        end = start + _common(needle, data, start)
                        reached[needle] = end
                if self._needles[needle] and _is_inside_a_word(data, start, end):
                    continue
                yield _whole(data, start, end) if needle in self._encoded else (start, end)


def _after(name: str, value: str) -> re.Pattern[str]:
    # NAME=value, "NAME": "value", also in JSON that stands in JSON, and {"name": "NAME", "value": "value"}.
    quote, blank = r"""(?:\\{0,3}["'])?""", r"\s{0,3}"
    between = rf"{quote}{blank}(?:[=:]|,{blank}(?:{quote}value{quote}{blank}[=:])?){blank}{quote}"
    return re.compile(rf"((?<!\w){name}{between}){re.escape(value)}(?!\w)", re.IGNORECASE)


def _common(needle: bytes, data: bytes, start: int) -> int:
    """How far ``data`` from ``start`` is what ``needle`` is."""
    low, high = _ANCHOR, min(len(needle), len(data) - start)
    while low < high:
        middle = (low + high + 1) // 2
        if data[start + low : start + middle] == needle[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _is_inside_a_word(data: bytes, start: int, end: int) -> bool:
    return bool((start and _WORD_BYTE.match(data, start - 1)) or _WORD_BYTE.match(data, end))


def _whole(data: bytes, start: int, end: int) -> tuple[int, int]:
    """One character more on each side, which holds some bits of the value, and what fills base64 up."""
    start -= 1 if start and data[start - 1] in _BASE64 else 0
    end += 1 if end < len(data) and data[end] in _BASE64 else 0
    while end < len(data) and data[end : end + 1] == b"=":
        end += 1
    return start, end


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found
