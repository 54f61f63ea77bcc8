from __future__ import annotations

import sys
import unicodedata

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.words.plain_text import plain
from hypothesis import given
from hypothesis import strategies as st

from tests.unit import characters

# Signs of Arabic, Syriac, Kaithi that stand before numbers, and are seen.
SEEN = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m, \x9b1;32mgreen", "red, green"),
        ("\x1b]0;title\x07 \x1b]8;;https://evil\x1b\\link", "\\x1b]0;title\\x07 \\x1b]8;;https://evil\\x1b\\link"),
        ("\x1b[2J\x1b[1;1Hgone", "\\x1b[2J\\x1b[1;1Hgone"),
        ("all is lost\rall is well\r\nnext", "all is lost\nall is well\nnext"),
        ("abc\b\b\bxyz\0\x7f\x85", "abc\\x08\\x08\\x08xyz\\x00\\x7f\\x85"),
        (
            "user\u202enimda\u202c \u2066x\u2069 a\u200bb\ufeff\u2028",
            "user\\u202enimda\\u202c \\u2066x\\u2069 a\\u200bb\\ufeff\\u2028",
        ),
        ("\U000e0041\udc80", "\\U000e0041\\udc80"),
        ("tab\tümläut ✓ 漢字 🗝\n", "tab\tümläut ✓ 漢字 🗝\n"),
    ],
)
def test_nothing_acts_on_a_terminal(text: str, shown: str) -> None:
    assert plain(text) == shown


@given(text=st.text(characters.of("Cc", "Cf", "Zl", "Zp", "Cs", "L", "N", "P")))
def test_what_was_made_plain_is_plain(text: str) -> None:
    assert plain(plain(text)) == plain(text)
    plain(text).encode()


def test_every_character_that_is_not_seen_stands_as_its_number() -> None:
    unseen = {code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in ("Cc", "Cf", "Zl", "Zp", "Cs")}
    left = {code for code in unseen - SEEN - {0x09, 0x0A, 0x0D} if plain(chr(code)) == chr(code)}
    assert {hex(code) for code in left} == set()
