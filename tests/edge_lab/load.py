"""A steady load through the edge: requests leave by the clock, whatever became of those before, and none is tried again."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.edge_lab.toys import Loop

EDGE = ("127.0.0.1", 8080)
INTERVAL_SECONDS = 0.008
TIMEOUT_SECONDS = 60.0
SLOW_SECONDS = 0.3
BODY = "x" * 300


@dataclass(frozen=True)
class Place:
    """``host`` and ``path`` as users name them."""

    host: str
    path: str


@dataclass
class Request:
    """One request and what came of it. Times are monotonic; ``error`` is set when there was no whole answer."""

    number: int
    place: Place
    method: str
    kept: bool
    slow: bool
    began: float
    ended: float = 0.0
    # When its connection was opened, and when it was written to it to its end.
    opened: float = 0.0
    sent: float = 0.0
    status: int = 0
    error: str = ""
    said: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    # What the edge was to add for the route.
    tag: str = ""

    def __str__(self) -> str:
        how = f"{self.method} {self.place.host or '*'}{self.place.path}" + (" slow" if self.slow else "")
        how += " on a kept connection" if self.kept else ""
        who = (
            "{version} of {service} ({container})".format(**self.said)
            if "container" in self.said
            else " ".join(self.text.split())[:60]
        )
        return f"#{self.number} {how}: {self.error or f'{self.status} {who}'}"


class _Pipe:
    """A connection of a user to the edge."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.opened = time.monotonic()

    async def ask(self, request: Request) -> bool:
        """Send and read one request; whether the connection may be used again."""
        place = request.place
        body = f"{request.number} {BODY}" if request.method == "POST" else ""
        lines = [f"{request.method} {place.path}?n={request.number} HTTP/1.1", f"Host: {place.host or 'any.example.org'}"]
        lines += [f"X-Slow: {SLOW_SECONDS}", f"X-Early: {request.number % 2}"] if request.slow else []
        lines += [f"Content-Length: {len(body)}"] if body else []
        lines += [] if request.kept else ["Connection: close"]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        await self.writer.drain()
        request.sent = time.monotonic()
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *headers = head.split("\r\n")
        known = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in headers)}
        answer = await self.reader.readexactly(int(known.get("content-length", 0)))
        request.status = int(status.split(" ")[1])
        request.text = answer.decode("utf-8", "replace")
        request.tag = known.get("x-tag", "")
        if known.get("content-type") == "application/json":
            request.said = json.loads(answer)
            _check_echo(request, body)
        return known.get("connection", "").lower() != "close"


class Load:
    def __init__(self, loop: Loop, places: Sequence[Place], interval: float = INTERVAL_SECONDS) -> None:
        self._loop, self._interval = loop, interval
        self._places = list(places)
        self._numbers = itertools.count(1)
        self._idle: list[_Pipe] = []
        self._pending: set[asyncio.Task[None]] = set()
        self._going = False
        self._runner: asyncio.Task[None] | None = None
        self.requests: list[Request] = []

    def start(self) -> None:
        async def begin() -> None:
            self._going = True
            self._runner = asyncio.create_task(self._run())

        self._loop.run(begin())

    def stop(self) -> None:
        async def end() -> None:
            self._going = False
            if self._runner:
                await self._runner
            await asyncio.gather(*self._pending)
            for pipe in self._idle:
                pipe.writer.close()

        self._loop.run(end())

    async def _run(self) -> None:
        # Each place in turn; the kinds have another period than any number of places, so each place sees each kind.
        kinds = itertools.cycle(
            [("GET", True, False), ("GET", False, False), ("POST", True, False), ("GET", True, True), ("POST", False, False)] * 7
            + [("POST", False, True)]
        )
        due = time.monotonic()
        for place, (method, kept, slow) in zip(itertools.cycle(self._places), kinds, strict=False):
            if not self._going:
                return
            request = Request(next(self._numbers), place, method, kept, slow, time.monotonic())
            self.requests.append(request)
            task = asyncio.create_task(self._ask(request))
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)
            due += self._interval
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _ask(self, request: Request) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                kept = self._idle.pop(0) if request.kept and self._idle else None
                pipe = kept or _Pipe(*await asyncio.open_connection(*EDGE))
                request.opened = pipe.opened
                again = await pipe.ask(request)
            if request.kept and again:
                self._idle.append(pipe)
            else:
                pipe.writer.close()
        except TimeoutError:
            request.error = f"no answer within {TIMEOUT_SECONDS:g} s"
        except (OSError, EOFError, ValueError) as exc:
            request.error = f"{type(exc).__name__}: {exc}"
        request.ended = time.monotonic()


def _check_echo(request: Request, body: str) -> None:
    """The answer must be that to this very request."""
    said = request.said
    if said.get("body") != body or not str(said.get("path", "")).endswith(f"?n={request.number}"):
        request.error = f"the answer is that to another request: {said.get('path')}"
