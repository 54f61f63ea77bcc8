"""Runs all streams in one event loop, from the first request to the last answer."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Coroutine
from pathlib import Path

from tests.load import checks, paths, streams
from tests.load.report import Report
from tests.load.run import Run
from tests.load.settings import Settings
from tests.load.websocket import WebSocketStream

_STATUS_SECONDS = 0.25
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


async def generate(settings: Settings, *, status: Path | None = None, until_stdin_closes: bool = False) -> Report:
    """SIGTERM ends it in order, a second one at once; the report so far is written to `status` all the time."""
    run = Run(settings)
    _obey_signals(run)
    if until_stdin_closes:
        _watch_stdin(run)
    reporter = asyncio.create_task(_keep_reporting(run, status)) if status else None
    try:
        async with asyncio.TaskGroup() as group:
            for stream in _streams(run):
                group.create_task(stream)
    except asyncio.CancelledError:
        run.recorder.ended_by = "abort"
    finally:
        if reporter:
            reporter.cancel()
    report = run.recorder.report()
    if status:
        write(status, report)
    return report


def write(path: Path, report: Report) -> None:
    """Whole or not at all, since someone may be reading."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(report.as_json())
    draft.replace(path)


def _streams(run: Run) -> list[Coroutine[None, None, None]]:
    settings = run.settings
    asked = paths.parse(settings.paths)
    made: list[Coroutine[None, None, None]] = []
    if settings.rate_keepalive:
        reads = paths.reads(asked) if asked else checks.mixed()
        made.append(streams.pooled(run, "keepalive", settings.rate_keepalive, settings.connections, reads))
    if settings.rate_new:
        made.append(streams.new(run, paths.writes(asked) if asked else checks.small_echoes()))
    if settings.rate_slow:
        # Each connection rests for a second between two requests: less than what servers close idle ones after.
        size = int(settings.rate_slow * (settings.slow_seconds + 1))
        slows = paths.slow_reads(asked, settings.slow_seconds) if asked else checks.slows(settings.slow_seconds)
        made.append(streams.pooled(run, "slow", settings.rate_slow, max(2, size), slows))
    made.extend(WebSocketStream(run).run() for _ in range(settings.websockets))
    made.extend(streams.uploads(run) for _ in range(settings.uploads))
    return made


def _obey_signals(run: Run) -> None:
    loop, main = asyncio.get_running_loop(), asyncio.current_task()

    def obey(name: str) -> None:
        if run.recorder.ended_by and main:
            main.cancel()
        run.ask_to_end(name)

    for number in _SIGNALS:
        loop.add_signal_handler(number, obey, number.name)


def _watch_stdin(run: Run) -> None:
    """In a thread of its own, because an event loop can wait for a pipe, but not for every kind of file."""
    loop = asyncio.get_running_loop()

    def watch() -> None:
        while os.read(0, 1024):
            pass
        # The loop may be gone by now.
        if not loop.is_closed():
            loop.call_soon_threadsafe(run.ask_to_end, "stdin")

    threading.Thread(target=watch, daemon=True).start()


async def _keep_reporting(run: Run, path: Path) -> None:
    while True:
        write(path, run.recorder.report())
        await asyncio.sleep(_STATUS_SECONDS)
