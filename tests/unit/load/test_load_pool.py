"""What a closed connection means: for a client that could know, nothing; for one that could not, a failure."""

from __future__ import annotations

import asyncio

import pytest

from tests.load.client import Trace
from tests.load.failures import EndedError
from tests.load.pool import Pool
from tests.unit.load.server import Request, good_answer, read_request, run_against, serving


class Closing:
    """Serves one answer a connection, then does something else."""

    def __init__(self, then: str) -> None:
        self.then = then
        self.connections = 0
        self.requests: list[Request] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.requests.append(await read_request(reader))
        good = good_answer(self.requests[-1])
        if self.then == "announce":
            good = good.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        writer.write(good)
        await writer.drain()
        if self.then == "close when used":
            self.requests.append(await read_request(reader))
        if self.then == "408":
            writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        if self.then.startswith("unasked"):
            await asyncio.sleep(0.01 if self.then == "unasked later" else 0)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await reader.read()
        if self.then == "stay":
            while True:
                self.requests.append(await read_request(reader))
                writer.write(good_answer(self.requests[-1]))


async def two_requests(server: Closing, size: int = 1) -> int:
    """Two requests with a pause; the number of idle connections that were found closed."""
    async with serving(server) as port:
        run = run_against(port)
        pool = Pool(run.target, size, run.recorder.idle_close)
        try:
            for _ in range(2):
                async with pool.connection() as connection:
                    assert (await connection.request("POST", "/api/echo", b"x", Trace())).status == 200
                await asyncio.sleep(0.02)
        finally:
            pool.close()
        return run.recorder.idle_closed


@pytest.mark.parametrize(
    ("then", "connections", "idle_closed"),
    [("stay", 1, 0), ("announce", 2, 0), ("close idle", 2, 1), ("408", 2, 1), ("unasked", 2, 1), ("unasked later", 2, 1)],
)
def test_no_failure(then: str, connections: int, idle_closed: int) -> None:
    server = Closing(then)
    assert asyncio.run(two_requests(server)) == idle_closed
    assert (server.connections, len(server.requests)) == (connections, 2)


def test_grows_before_it_reuses() -> None:
    server = Closing("stay")
    asyncio.run(two_requests(server, size=2))
    assert server.connections == 2


def test_connection_closed_as_it_is_used_is_a_failure_and_nothing_is_sent_again() -> None:
    server = Closing("close when used")
    with pytest.raises(EndedError, match="before the answer"):
        asyncio.run(two_requests(server))
    assert (server.connections, len(server.requests)) == (1, 2)


def test_half_closed_connection_is_a_failure_only_when_it_was_not_seen_in_time() -> None:
    """The server's FIN comes in while the request is on its way out."""

    async def scenario() -> None:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(good_answer(await read_request(reader)))
            await read_request(reader)
            writer.write_eof()
            await asyncio.sleep(1)

        async with serving(handle) as port:
            run = run_against(port)
            pool = Pool(run.target, 1, run.recorder.idle_close)
            async with pool.connection() as connection:
                await connection.request("GET", "/api/version", None, Trace())
            trace = Trace()
            with pytest.raises(EndedError):
                async with pool.connection() as connection:
                    await connection.request("GET", "/api/version", None, trace)
            assert "request 2 of the connection" in str(trace)

    asyncio.run(scenario())


def test_waits_for_a_free_connection() -> None:
    async def scenario() -> int:
        server = Closing("stay")
        async with serving(server) as port:
            run = run_against(port)
            pool = Pool(run.target, 3, run.recorder.idle_close)

            async def use() -> None:
                async with pool.connection() as connection:
                    await connection.request("GET", "/", None, Trace())

            await asyncio.gather(*(use() for _ in range(20)))
            pool.close()
            return server.connections

    assert asyncio.run(scenario()) == 3
