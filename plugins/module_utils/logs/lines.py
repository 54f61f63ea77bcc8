# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's log as the engine sends it, in lines. Pure.

With time stamps, every piece begins with one. A line that is longer than the engine's buffer comes in several pieces, and only
the last of them ends with a line end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) ?")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([1-9]\d{0,5})([smhd])")
# Nobody reads one that is longer, and every one is held in memory.
LONGEST = 262_144
# What a request's id looks like, as the edge takes it from those it believes (roles/edge).
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


def seconds(duration: str) -> int:
    """Of 90s, 10m, 2h or 1d; 0 for what is none."""
    found = _DURATION.fullmatch(duration)
    return int(found[1]) * _UNITS[found[2]] if found else 0


def split(pieces: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Time, as the engine says it, and text of each line."""
    rest = b""
    for piece in pieces:
        # The time of the rest of a line is no part of it.
        whole = rest + (_STAMP.sub(b"", piece, count=1) if rest and _STAMP.match(piece) else piece)
        # Each is cut by itself: the end of one that is too long is seen, or those after it would be lost with it.
        *lines, rest = (line[:LONGEST] for line in whole.split(b"\n"))
        yield from map(_line, filter(None, lines))
    if rest:
        yield _line(rest)


def _line(line: bytes) -> tuple[str, str]:
    found = _STAMP.match(line)
    text = line[found.end() :] if found else line
    return (found[1].decode() if found else ""), text.rstrip(b"\r").decode(errors="replace")
