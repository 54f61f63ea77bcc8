# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of an application made harmless for a terminal: nothing in it moves the cursor, colours, hides or turns round. Pure."""

from __future__ import annotations

import re

# Colours alone are left out. Every other sequence is shown, so that none hides what it does.
_COLOUR = re.compile("(?:\x1b\\[|\x9b)[0-9;:]*m")
# A line that was written over, as a progress bar does it, becomes several.
_RETURN = re.compile("\r+\n|\r")
# Control characters but tab and newline, what turns the direction of writing, what takes no room, line ends of other kinds, and
# halves of surrogate pairs, which no terminal takes.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)


def plain(text: str) -> str:
    """``text`` without colours; other characters that a terminal acts on, or does not show, stand as their numbers."""
    return _UNSEEN.sub(_number, _RETURN.sub("\n", _COLOUR.sub("", text)))


def _number(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
