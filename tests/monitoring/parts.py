"""What a watched world is made of: servers that can be killed and come back where they were."""

from __future__ import annotations

import errno
import http.server
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.programs import running

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class Part:
    """``start`` gives a process, which is killed, or something else, which is left."""

    def __init__(self, start: Callable[[], AbstractContextManager[Any]]) -> None:
        self._start = start
        self._life = ExitStack()
        self.begin()

    def begin(self) -> None:
        self._found = self._life.enter_context(self._start())

    def is_there(self) -> bool:
        return not isinstance(self._found, subprocess.Popen) or self._found.poll() is None

    def end(self) -> None:
        if isinstance(self._found, subprocess.Popen):
            self._found.kill()
        self._life.close()

    @contextmanager
    def gone(self) -> Iterator[None]:
        self.end()
        try:
            yield
        finally:
            self.begin()


def program(name: str, *arguments: object, log: Path, more: dict[str, str] | None = None) -> Part:
    return Part(lambda: running(name, *arguments, log=log, more=more))


def answering(answer: Answer, port: int) -> Part:
    return Part(lambda: _serving(answer, port))


@contextmanager
def _serving(answer: Answer, port: int) -> Iterator[None]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def do_POST(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            """Into no log."""

    class Server(http.server.ThreadingHTTPServer):
        # Python's own lets five connections wait.
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            """Who asks may go before there is an answer."""

    found = Server(("127.0.0.1", port), Handler)
    threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield
    finally:
        found.shutdown()
        found.server_close()


def well(request: http.server.BaseHTTPRequestHandler, body: bytes = b"ok") -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


class Disk:
    """A disk of its own with a real file system, so small that it can be filled."""

    _BYTES = 16 << 20

    def __init__(self) -> None:
        # Not below pytest's directories, which it removes: when this process is killed the disk stays.
        self._directory = Path(tempfile.mkdtemp(prefix="tests-monitoring-"))
        image, self._at = self._directory / "disk.img", self._directory / "disk"
        self._at.mkdir()
        with image.open("wb") as file:
            file.truncate(self._BYTES)
        try:
            # Nothing is kept back for root, so it can be filled to its end.
            for command in (["mkfs.ext4", "-q", "-m", "0", str(image)], ["mount", "-o", "loop", str(image), str(self._at)]):
                subprocess.run(command, check=True, capture_output=True, text=True)
        except subprocess.CalledProcessError as exc:
            pytest.fail(f"A disk that can be filled needs root, a loop device and mkfs.ext4: {exc.stderr}", pytrace=False)

    @property
    def device(self) -> str:
        lines = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
        return next(device for device, place, *_ in lines if place == str(self._at))

    @contextmanager
    def filled_but(self, free_percent: float) -> Iterator[None]:
        """Until what is left of it is so much, as the node exporter counts it."""
        seen, file = os.statvfs(self._at), self._at / f"all-but-{free_percent:g}"
        try:
            with file.open("wb", buffering=0) as stream:
                _write(stream, int((seen.f_bavail - seen.f_blocks * free_percent / 100) * seen.f_frsize))
                os.fsync(stream.fileno())
            yield
        finally:
            file.unlink()

    @contextmanager
    def filled(self, percent: float) -> Iterator[None]:
        """Until the file is gone again. Up to 100 the kernel lets it; what is above ends at the last block."""
        file = self._at / "file"
        try:
            with file.open("wb", buffering=0) as stream:
                _write(stream, int(self._BYTES * percent / 100))
            yield
        finally:
            file.unlink()

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", self._at], check=True)
        shutil.rmtree(self._directory)


def _write(stream: Any, size: int) -> None:
    """As much of it as the disk takes."""
    try:
        while size > 0:
            size -= stream.write(b"x" * min(size, 1 << 16))
    except OSError as exc:
        if exc.errno != errno.ENOSPC:
            raise
