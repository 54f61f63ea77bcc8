"""A minimal HTTP/1.1 client that never sends anything twice: one connection, one request at a time."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import SupportsIndex

from tests.load.answer import Answer, read_answer
from tests.load.failures import EndedError
from tests.load.settings import LOOPBACK, Settings

_CHUNK_BYTES = 65_536


@dataclass(frozen=True)
class Target:
    port: int
    server_name: str
    authority: str
    tls: ssl.SSLContext | None

    @classmethod
    def of(cls, settings: Settings) -> Target:
        return cls(settings.port, settings.server_name, settings.authority, settings.tls())


@dataclass
class Trace:
    """How far a request has come, for the message when it gets no further."""

    phase: str = "connecting"
    uses: int = 0
    port: int | None = None

    def __str__(self) -> str:
        return (
            f"while {self.phase}, request {self.uses} of the connection from port {self.port}"
            if self.port
            else f"while {self.phase}"
        )


class _Reader(asyncio.StreamReader):
    """Notices what happens to a connection that nobody reads from just now."""

    _buffer: bytearray
    is_idle = False
    is_spoilt = False

    def rest(self) -> None:
        """From now on nothing is expected; what has come beyond the last answer was not either."""
        self.is_idle = True
        self.is_spoilt |= bool(self._buffer)

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        self.is_spoilt |= self.is_idle
        super().feed_data(data)

    def feed_eof(self) -> None:
        self.is_spoilt = True
        super().feed_eof()

    def set_exception(self, exc: Exception) -> None:
        self.is_spoilt = True
        super().set_exception(exc)


class Connection:
    def __init__(self, target: Target, reader: _Reader, writer: asyncio.StreamWriter) -> None:
        self._target, self._reader, self._writer = target, reader, writer
        self.uses = 0
        self.is_ended = False
        self.port = int(writer.get_extra_info("sockname")[1])

    @classmethod
    async def open(cls, target: Target) -> Connection:
        loop = asyncio.get_running_loop()
        reader = _Reader(limit=_CHUNK_BYTES, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        name = target.server_name if target.tls else None
        try:
            transport, _ = await loop.create_connection(
                lambda: protocol, LOOPBACK, target.port, ssl=target.tls, server_hostname=name
            )
        except ConnectionError as error:
            # Without a number it is asyncio's own word for an end of file.
            raise error if error.errno else EndedError("the server closed in the TLS handshake") from None
        return cls(target, reader, asyncio.StreamWriter(transport, protocol, reader, loop))

    async def is_usable(self) -> bool:
        """Whether the server is known to have closed: any client looks, before it sends on an idle connection."""
        # One turn of the loop to poll the sockets, one to run what the poll found.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return not self._reader.is_spoilt and not self._writer.is_closing()

    async def request(self, method: str, path: str, body: bytes | None, trace: Trace, seconds: float = 0) -> Answer:
        """Send and read the answer; a body is spread over `seconds`, unless the answer comes earlier."""
        self._reader.is_idle = False
        self.uses += 1
        trace.uses, trace.port, trace.phase = self.uses, self.port, "sending"
        length = f"Content-Length: {len(body)}\r\n" if body is not None else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._target.authority}\r\n{length}\r\n".encode()
        if body is None or not seconds:
            self._writer.write(head + (body or b""))
            trace.phase = "waiting for the answer"
            answer = await self._read()
        else:
            self._writer.write(head)
            answer = await self._upload(body, seconds, trace)
        trace.phase = "judging the answer"
        self._reader.rest()
        self.is_ended = answer.is_last
        return answer

    async def _read(self) -> Answer:
        try:
            return await read_answer(self._reader)
        except asyncio.IncompleteReadError as error:
            raise EndedError(f"the server closed {'in the middle of' if error.partial else 'before'} the answer") from None

    async def _upload(self, body: bytes, seconds: float, trace: Trace) -> Answer:
        # Read meanwhile: a server may refuse before it has seen everything.
        reading = asyncio.create_task(self._read())
        try:
            await self._send_slowly(body, seconds, reading)
            trace.phase = "waiting for the answer"
            return await reading
        finally:
            reading.cancel()

    async def _send_slowly(self, body: bytes, seconds: float, reading: asyncio.Task[Answer]) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for start in range(0, len(body), _CHUNK_BYTES):
            await asyncio.wait({reading}, timeout=max(0.0, begin + seconds * start / len(body) - loop.time()))
            if reading.done():
                return
            self._writer.write(body[start : start + _CHUNK_BYTES])
            try:
                await self._writer.drain()
            except OSError:
                # The reason, if the server gave one, is on its way in.
                await asyncio.wait({reading}, timeout=1)
                if not reading.done():
                    raise
                return

    def close(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        self._writer.transport.abort()
