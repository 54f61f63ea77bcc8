"""The WebSocket stream: an echo every 200 ms, over a connection that only the server's clean farewell may end."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.load.failures import EXPECTED, Kind, WrongAnswerError
from tests.load.run import Run
from tests.load.settings import LOOPBACK

_FAREWELLS = (1001, 1012)
_STREAM = "websocket"
_PATH = "/api/ws"


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        """A redirect is an unexpected answer, not a second try."""
        return exc


@dataclass
class _Message:
    due: float
    text: str = field(default_factory=lambda: os.urandom(50).hex())


class WebSocketStream:
    def __init__(self, run: Run) -> None:
        self._run = run
        self._unanswered: _Message | None = None
        self._next_due = run.now()

    async def run(self) -> None:
        """Until the end of the run; a message that is unanswered then is still awaited."""
        run = self._run
        while self._unanswered or not run.is_over:
            began = run.now()
            connection = await self._open()
            if connection is not None:
                await self._use(connection)
            if self._unanswered and run.now() >= self._unanswered.due + run.settings.ws_timeout:
                self._fail(TimeoutError("no connection in time"))
            # At once, but not in a tight loop with a server that takes nobody.
            if (self._unanswered or not run.is_over) and run.now() < began + run.settings.ws_interval:
                await asyncio.sleep(began + run.settings.ws_interval - run.now())

    async def _open(self) -> ClientConnection | None:
        """A handshake is a request of its own: it is counted, and it is not made twice."""
        run, began = self._run, self._run.now()
        uri = f"{'wss' if run.target.tls else 'ws'}://{run.target.authority}{_PATH}"
        name = run.target.server_name if run.target.tls else None
        run.recorder.begin(_STREAM)
        try:
            connection = await _Connect(
                uri,
                host=LOOPBACK,
                port=run.target.port,
                ssl=run.target.tls,
                server_hostname=name,
                proxy=None,
                compression=None,
                open_timeout=run.settings.timeout,
                close_timeout=2,
                ping_interval=None,
            )
        except EXPECTED as error:
            run.recorder.failed(_STREAM, f"GET {_PATH}", error, "in the WebSocket handshake")
            return None
        run.recorder.ok(_STREAM, run.now() - began)
        return connection

    async def _use(self, connection: ClientConnection) -> None:
        try:
            while self._unanswered or await self._take_next(connection):
                await self._echo(connection)
            await connection.close()
        except ConnectionClosed as closed:
            if closed.sent and closed.rcvd and closed.rcvd.code in _FAREWELLS:
                self._run.recorder.ws_reconnects += 1
            else:
                self._fail(closed)
        except EXPECTED as error:
            self._fail(error)
        finally:
            connection.transport.abort()

    async def _take_next(self, connection: ClientConnection) -> bool:
        """Wait for the next message to be due, and notice meanwhile when the connection ends."""
        run = self._run
        closed = asyncio.ensure_future(connection.wait_closed())
        try:
            while not run.is_over and (rest := self._next_due - run.now()) > 0:
                await asyncio.wait({closed}, timeout=min(rest, 0.2))
                if closed.done():
                    await connection.recv()
        finally:
            closed.cancel()
        if run.is_over:
            return False
        self._unanswered = _Message(self._next_due)
        run.recorder.begin(_STREAM)
        self._next_due = max(self._next_due + run.settings.ws_interval, run.now())
        return True

    async def _echo(self, connection: ClientConnection) -> None:
        message = self._unanswered
        if message is None:
            return
        async with asyncio.timeout_at(message.due + self._run.settings.ws_timeout):
            await connection.send(message.text)
            answer = await connection.recv()
        if answer != message.text:
            raise WrongAnswerError(Kind.BAD_BODY, f"another echo than what was sent: {answer[:100]!r}")
        self._run.recorder.ok(_STREAM, self._run.now() - message.due)
        self._unanswered = None

    def _fail(self, error: BaseException) -> None:
        """Charged to the message that waits for its echo; a connection lost between two messages counts as one."""
        if self._unanswered is None:
            self._run.recorder.begin(_STREAM)
        self._unanswered = None
        self._run.recorder.failed(_STREAM, f"WebSocket {_PATH}", error)
