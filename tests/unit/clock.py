"""A clock for tests, which nobody has to wait by."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Clock:
    """Time that moves only when somebody sleeps; ``ticks`` are done one by one meanwhile."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.ticks: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        with self._lock:
            self.seconds += seconds
        for tick in self.ticks:
            tick()
