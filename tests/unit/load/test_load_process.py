"""The generator as others start it: from the command line, and as a context manager."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hangs import HANGS_AFTER_SECONDS
from tests.load import Load, LoadError, Report, Settings
from tests.unit.load.server import free_port, good_answer, read_request, serving

ROOT = Path(__file__).parents[3]


class App(threading.Thread):
    """A small application in a loop of its own, whose release can change."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.release = "1.0.0"
        self.status = b"200"
        self.port = 0
        self.is_ready, self.is_done = threading.Event(), threading.Event()

    def run(self) -> None:
        asyncio.run(self.serve())

    async def serve(self) -> None:
        async with serving(self.handle) as self.port:
            self.is_ready.set()
            await asyncio.to_thread(self.is_done.wait)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(good_answer(await read_request(reader), self.release).replace(b"200", self.status, 1))


@pytest.fixture
def app() -> Iterator[App]:
    thread = App()
    thread.start()
    assert thread.is_ready.wait(5)
    yield thread
    thread.is_done.set()
    thread.join(5)


def settings(port: int) -> Settings:
    return Settings(
        url="http://app.test",
        connect=f"127.0.0.1:{port}",
        websockets=0,
        upload_bytes=100_000,
        upload_seconds=0.05,
        upload_pause=0.1,
        rate_slow=10,
        slow_seconds=0,
        rate_new=20,
    )


def test_load_sees_the_releases_change(app: App) -> None:
    with Load(settings(app.port), ready_seconds=10) as load:
        assert not load.snapshot().silent_streams
        app.release = "1.1.0"
        load.wait_for_release("1.1.0", 5)
    report = load.report
    assert report.is_clean, report.failures
    assert (report.ended_by, list(report.by_release)) == ("stdin", ["1.0.0", "1.1.0"])
    assert report.by_release["1.0.0"].last <= report.by_release["1.1.0"].last
    assert report.by_release["1.1.0"].replicas == ["a"]
    assert set(report.by_stream) == {"keepalive", "new", "slow", "upload"}
    assert Report.from_json(report.as_json()) == report


def test_load_reports_though_the_block_failed(app: App) -> None:
    load = Load(settings(app.port), ready_seconds=10)
    with pytest.raises(ZeroDivisionError), load:
        raise ZeroDivisionError
    assert load.report.is_clean


def test_load_that_nobody_answers_does_not_begin() -> None:
    with pytest.raises(LoadError, match="without a first answer"), Load(settings(free_port()), ready_seconds=0.3):
        pytest.fail("it began")


def command(app: App, out: Path, *more: str) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "tests.load", *settings(app.port).as_arguments(), "--json", str(out), *more]
    return subprocess.Popen(words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)


def test_command_line_ends_in_order_on_sigterm(app: App, tmp_path: Path) -> None:
    out, status = tmp_path / "out.json", tmp_path / "status.json"
    with command(app, out, "--status", str(status)) as process:
        while not status.exists():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=HANGS_AFTER_SECONDS)
    data = json.loads(out.read_text())
    assert (data["ended_by"], data["failed"]) == ("SIGTERM", 0)


def test_command_line_fails_when_anything_failed(app: App, tmp_path: Path) -> None:
    app.status = b"500"
    with command(app, tmp_path / "out.json", "--seconds", "0.1") as process:
        output = process.communicate(timeout=HANGS_AFTER_SECONDS)[0].decode()
    assert process.returncode == 1
    assert "FAILED" in output
    assert "status_5xx" in output
