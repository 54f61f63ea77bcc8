"""What all streams of one run share: the clock, the end, and how one request is made and counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from tests.load.checks import Call, Seen
from tests.load.client import Target, Trace
from tests.load.failures import EXPECTED
from tests.load.recorder import Recorder
from tests.load.settings import Settings

_LOOK_SECONDS = 0.2


class Run:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.target = Target.of(settings)
        self.recorder = Recorder(settings.streams)
        self.now = asyncio.get_running_loop().time
        self._end = self.now() + settings.seconds

    def ask_to_end(self, reason: str) -> None:
        """Begin nothing new; what has begun is awaited."""
        self.recorder.ended_by = self.recorder.ended_by or reason

    @property
    def is_over(self) -> bool:
        if self.now() >= self._end:
            self.ask_to_end("time")
        elif self.recorder.sent >= self.settings.max_requests:
            self.ask_to_end("max_requests")
        return self.recorder.ended_by is not None

    async def sleep_until(self, due: float) -> bool:
        """Whether the time has come before the end of the run."""
        while not self.is_over:
            rest = due - self.now()
            if rest <= 0:
                return True
            await asyncio.sleep(min(rest, _LOOK_SECONDS))
        return False

    async def ticks(self, rate: float) -> AsyncIterator[float]:
        """The times at which requests are due: kept up with whatever the server does, and made up for when missed."""
        begin, count = self.now(), 0
        while await self.sleep_until(due := begin + count / rate):
            self.recorder.max_lag = max(self.recorder.max_lag, self.now() - due)
            yield due
            count += 1

    async def attempt(self, stream: str, due: float, call: Call, make: Callable[[Trace], Awaitable[Seen]]) -> None:
        """Once, and never again: latency and timeout count from when the request was due."""
        trace = Trace()
        self.recorder.begin(stream)
        try:
            async with asyncio.timeout_at(due + self.settings.timeout):
                seen = await make(trace)
        except EXPECTED as error:
            self.recorder.failed(stream, str(call), error, trace)
        else:
            self.recorder.ok(stream, self.now() - due, *seen)
