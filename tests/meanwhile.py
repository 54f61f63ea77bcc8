"""What is done again and again beside a test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def meanwhile(do: Callable[[], object], pause_seconds: float) -> Iterator[None]:
    """Call ``do`` after each pause, in a thread of its own; after the last line of the block it is not called any more."""
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(pause_seconds):
            do()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
