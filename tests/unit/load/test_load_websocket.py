"""Which ends of a WebSocket are a farewell, and which a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from tests.load.report import Report
from tests.load.websocket import WebSocketStream
from tests.unit.load.server import free_port, run_against

Handler = Callable[[ServerConnection], Awaitable[None]]


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


def talk_to(handler: Handler, *, refusal: HTTPStatus | None = None, ws_timeout: float = 5, requests: int = 10) -> Report:
    """So many requests, handshakes among them."""

    def refuse(connection: ServerConnection, _: Request) -> Response | None:
        if refusal is None:
            return None
        response = connection.respond(refusal, "")
        response.headers["Location"] = "/elsewhere"
        return response

    async def scenario() -> Report:
        server: Server
        async with serve(handler, "127.0.0.1", 0, process_request=refuse, close_timeout=0.1) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            run = run_against(port, ws_interval=0.01, ws_timeout=ws_timeout, max_requests=requests)
            await WebSocketStream(run).run()
            return run.recorder.report()

    return asyncio.run(scenario())


def once(handler: Handler) -> Handler:
    """Do this with the first connection, and serve the next ones well."""
    left = [handler]

    async def handle(connection: ServerConnection) -> None:
        await (left.pop() if left else echo)(connection)

    return handle


def test_good() -> None:
    report = talk_to(echo)
    assert (report.failed, report.ws_reconnects, report.unfinished) == (0, 0, 0)
    assert report.ok == 10


@pytest.mark.parametrize("code", [1001, 1012])
def test_farewell_between_messages(code: int) -> None:
    async def leave(connection: ServerConnection) -> None:
        await connection.send(await connection.recv())
        await connection.close(code)

    report = talk_to(once(leave))
    assert (report.failed, report.ws_reconnects, report.unfinished) == (0, 1, 0)


def test_message_that_met_the_farewell_is_sent_again() -> None:
    got: list[str | bytes] = []

    async def leave(connection: ServerConnection) -> None:
        got.append(await connection.recv())
        await connection.close(1012)

    async def then_echo(connection: ServerConnection) -> None:
        got.append(await connection.recv())
        await connection.send(got[-1])
        await echo(connection)

    handlers: list[Handler] = [then_echo, leave]
    report = talk_to(lambda connection: handlers.pop()(connection) if handlers else echo(connection))
    assert (report.failed, report.ws_reconnects) == (0, 1)
    assert got[0] == got[1]


async def cut(connection: ServerConnection) -> None:
    await connection.send(await connection.recv())
    await asyncio.sleep(0.01)
    connection.transport.abort()


async def cut_before_echo(connection: ServerConnection) -> None:
    await connection.recv()
    connection.transport.abort()


async def leave_in_error(connection: ServerConnection) -> None:
    await connection.close(1011)


async def stay_silent(connection: ServerConnection) -> None:
    await connection.recv()
    await connection.wait_closed()


async def distort(connection: ServerConnection) -> None:
    await connection.recv()
    await connection.send("something else")
    await connection.wait_closed()


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (cut, "ws_abnormal"),
        (cut_before_echo, "ws_abnormal"),
        (leave_in_error, "ws_abnormal"),
        (distort, "bad_body"),
    ],
)
def test_failure(handler: Handler, kind: str) -> None:
    report = talk_to(once(handler))
    assert (report.by_kind, report.ws_reconnects, report.unfinished) == ({kind: 1}, 0, 0)
    assert report.ok > 2


def test_no_answer() -> None:
    # Nothing after the handshake and the unanswered message: on a busy machine good echoes would be late for this timeout too.
    report = talk_to(stay_silent, ws_timeout=0.1, requests=2)
    assert (report.by_kind, report.ws_reconnects, report.unfinished, report.ok) == ({"timeout": 1}, 0, 0, 1)


def test_server_that_always_leaves_is_not_flooded_and_is_a_failure_in_the_end() -> None:
    async def leave(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.close(1012)

    # Long enough for a busy machine to try at least twice; 12 times in a tenth of a second would be a flood.
    report = talk_to(leave, ws_timeout=0.5)
    assert report.by_kind == {"timeout": 1}
    assert 2 <= report.ws_reconnects <= 60


@pytest.mark.parametrize(("status", "kind"), [(503, "status_5xx"), (404, "status_4xx"), (302, "status_other")])
def test_handshake_refused(status: int, kind: str) -> None:
    report = talk_to(echo, refusal=HTTPStatus(status))
    assert set(report.by_kind) == {kind}
    assert (report.ok, report.unfinished) == (0, 0)


def test_nobody_listens() -> None:
    async def scenario() -> Report:
        run = run_against(free_port(), ws_interval=0.02, max_requests=3)
        await WebSocketStream(run).run()
        return run.recorder.report()

    report = asyncio.run(scenario())
    assert report.by_kind == {"refused": 3}
