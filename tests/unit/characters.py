"""Texts for property tests. Hypothesis' own begin with its tables of Unicode, for which the first test that asks pays."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Collection

from hypothesis import strategies as st

_ASCII = st.integers(0x20, 0x7E)
# Without the halves of pairs, which no encoding writes: the first of each range, and whatever else it has.
_FIRST, _SECOND = st.integers(0, 0xD7FF), st.integers(0xE000, 0x10FFFF)
CHARACTERS = (_ASCII | _FIRST | _SECOND).map(chr)


def text(min_size: int = 0, max_size: int | None = None, without: Collection[str] = ()) -> st.SearchStrategy[str]:
    """Any text that can be written. ``without``: characters that are not in it."""
    own = CHARACTERS.filter(lambda character: character not in without) if without else CHARACTERS
    return st.text(own, min_size=min_size, max_size=max_size)


def of(*categories: str) -> st.SearchStrategy[str]:
    """A character whose category begins with one of these ("Cc", "L"), halves of pairs included."""
    return st.deferred(lambda: st.sampled_from(_in(categories)))


def _in(categories: tuple[str, ...]) -> list[str]:
    return [one for one in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(one).startswith(categories)]
