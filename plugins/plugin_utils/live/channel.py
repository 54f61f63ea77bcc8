# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the process of a task to the callback that shows it: a line of JSON for each event, over a pipe that every task inherits.

Nobody ever waits here: what does not fit into the pipe is lost.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

# What is written at once arrives in one piece up to this length (PIPE_BUF of Linux), whoever else writes.
LONGEST = 4096
_SHORT = 40

_reader = _writer = -1
_rest = b""


def begin() -> int:
    """The end to read from; every process that is forked later can ``send``."""
    global _reader, _writer
    if _reader < 0:
        _reader, _writer = os.pipe()
        os.set_blocking(_reader, False)
        os.set_blocking(_writer, False)
    return _reader


def is_watched() -> bool:
    return _writer >= 0


def send(host: str, event: Mapping[str, Any]) -> None:
    line = _line(host, event)
    if len(line) > LONGEST:
        line = _line(host, {key: _shortened(value) for key, value in event.items()})
    with suppress(OSError):
        if is_watched() and len(line) <= LONGEST:
            os.write(_writer, line)


def wake() -> None:
    """Whoever waits at the end to read from looks, and finds nothing."""
    with suppress(OSError):
        os.write(_writer, b"\n")


def arrived() -> list[dict[str, Any]]:
    """What has been sent since the last call, in order, with the key ``host``."""
    global _rest
    data = _rest
    with suppress(BlockingIOError):
        while _reader >= 0 and (more := os.read(_reader, 65_536)):
            data += more
    *lines, _rest = data.split(b"\n")
    found = []
    for line in lines:
        with suppress(ValueError):
            found.append(json.loads(line))
    return found


def _line(host: str, event: Mapping[str, Any]) -> bytes:
    return json.dumps({**event, "host": host}).encode() + b"\n"


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return value[:_SHORT]
    return [_shortened(one) for one in value[:3]] if isinstance(value, list) else value
