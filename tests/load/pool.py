"""Connections that are kept open between requests, all of them in use in turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.load.client import Connection, Target


class Pool:
    """At most `size` connections; grows to that size first, then the one that has been idle longest is next."""

    def __init__(self, target: Target, size: int, on_idle_close: Callable[[], None]) -> None:
        self._target, self._size, self._on_idle_close = target, size, on_idle_close
        self._free = asyncio.Semaphore(size)
        self._idle: deque[Connection] = deque()
        self._busy = 0

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for one request; after an exception it is not used again."""
        async with self._free:
            self._busy += 1
            try:
                connection = await self._next()
                try:
                    yield connection
                except BaseException:
                    connection.abort()
                    raise
                if connection.is_ended:
                    connection.close()
                else:
                    self._idle.append(connection)
            finally:
                self._busy -= 1

    async def _next(self) -> Connection:
        while len(self._idle) + self._busy > self._size:
            connection = self._idle.popleft()
            if await connection.is_usable():
                return connection
            self._on_idle_close()
            connection.close()
        return await Connection.open(self._target)

    def close(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()
