"""The HTTP streams: each sends by its own clock, whether earlier answers have come or not."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterator
from functools import partial

from tests.load import checks
from tests.load.checks import Call, Seen
from tests.load.client import Connection, Trace
from tests.load.pool import Pool
from tests.load.run import Run


async def pooled(run: Run, stream: str, rate: float, size: int, calls: Iterator[Call]) -> None:
    pool = Pool(run.target, size, run.recorder.idle_close)

    async def make(call: Call, trace: Trace) -> Seen:
        trace.phase = "waiting for a free connection, or connecting"
        async with pool.connection() as connection:
            answer = await connection.request(call.method, call.path, call.body, trace)
        return call.check(answer)

    async with asyncio.TaskGroup() as requests:
        async for due in run.ticks(rate):
            call = next(calls)
            requests.create_task(run.attempt(stream, due, call, partial(make, call)))
    pool.close()


async def new(run: Run, calls: Iterator[Call]) -> None:
    async with asyncio.TaskGroup() as requests:
        async for due in run.ticks(run.settings.rate_new):
            call = next(calls)
            requests.create_task(run.attempt("new", due, call, partial(_once, run, call, 0)))


async def uploads(run: Run) -> None:
    """One after the other, and always another body than the one before."""
    due = run.now()
    while await run.sleep_until(due):
        call = await asyncio.to_thread(_large_echo, run.settings.upload_bytes)
        await run.attempt("upload", run.now(), call, partial(_once, run, call, run.settings.upload_seconds))
        due = run.now() + run.settings.upload_pause


def _large_echo(size: int) -> Call:
    start = os.urandom(64)
    body = start + bytes(max(0, size - len(start)))
    return checks.echo(body, hashlib.sha256(body).hexdigest())


async def _once(run: Run, call: Call, seconds: float, trace: Trace) -> Seen:
    """On a connection of its own."""
    connection = await Connection.open(run.target)
    try:
        answer = await connection.request(call.method, call.path, call.body, trace, seconds)
    except BaseException:
        connection.abort()
        raise
    connection.close()
    return call.check(answer)
