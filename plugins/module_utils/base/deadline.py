# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A limit for the whole of what asks somebody else. The timeout of a socket counts each read alone, so an answer that trickles
would hold a run for ever; and it does not count how long a name server takes.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread, Timer
from typing import Any, TypeVar

Found = TypeVar("Found")


def within(seconds: float, ask: Callable[[], Found]) -> Found:
    """What ``ask`` returns or raises; TimeoutError when it has done neither by then. It may go on beside, and nobody listens."""
    ended = Event()
    found: list[Found] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            found.append(ask())
        except BaseException as exc:
            raised.append(exc)
        ended.set()

    Thread(target=run, daemon=True).start()
    if not ended.wait(seconds):
        raise TimeoutError(f"no whole answer within {seconds:g} s")
    if raised:
        raise raised[0]
    return found[0]


@contextmanager
def cut_off(answer: Any, seconds: float) -> Iterator[Event]:
    """The connection of ``answer``, a socket or what reads one, is shut when it has not been left by then, and the event is set:
    whoever reads it meets its end. By a handle of its own, because TLS takes a socket's away.
    """
    cut = Event()
    with socket.socket(fileno=os.dup(answer.fileno())) as handle:

        def shut() -> None:
            cut.set()
            with suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)

        timer = Timer(seconds, shut)
        timer.daemon = True
        timer.start()
        try:
            yield cut
        finally:
            timer.cancel()
            timer.join()
