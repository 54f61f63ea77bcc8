"""The generator as a context manager: in a process of its own, which pytest and Ansible do not slow down."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from tests.load.recorder import Recorder
from tests.load.report import Report
from tests.load.settings import Settings

_ROOT = Path(__file__).parents[2]
_POLL_SECONDS = 0.1


class LoadError(Exception):
    """The generator did not run as it should; this says nothing about the server."""


class Load:
    """`with Load(settings) as load:` begins when every stream has been answered once; `load.report` is there at its end."""

    report: Report

    def __init__(self, settings: Settings, *, ready_seconds: float = 60) -> None:
        self._settings, self._ready_seconds = settings, ready_seconds

    def __enter__(self) -> Load:
        self._directory = tempfile.TemporaryDirectory(prefix="load-")
        self._status = Path(self._directory.name, "status.json")
        self._log = Path(self._directory.name, "log")
        command = [sys.executable, "-m", "tests.load", *self._settings.as_arguments()]
        command += ["--until-stdin-closes", "--status", str(self._status)]
        with self._log.open("wb") as log:
            # The pipe ends with this process, however that ends, and the load with it.
            self._process = subprocess.Popen(
                command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self.wait_until(lambda report: not report.silent_streams, self._ready_seconds, "a first answer in every stream")
        except BaseException:
            self._kill()
            raise
        return self

    def snapshot(self) -> Report:
        """What has been seen up to now, a quarter of a second old at most."""
        if self._process.poll() is not None:
            raise LoadError(f"The load generator ended too early, with status {self._process.returncode}: {self._tail()}")
        try:
            return Report.from_json(self._status.read_text())
        except FileNotFoundError:
            # It has only just begun.
            return Recorder(self._settings.streams).report()

    def wait_until(self, condition: Callable[[Report], bool], seconds: float, what: str) -> Report:
        deadline = time.monotonic() + seconds
        while not condition(report := self.snapshot()):
            if time.monotonic() > deadline:
                seen = [failure.detail for failure in report.failures[-3:]]
                raise LoadError(f"{seconds:g} s went by without {what}; silent: {report.silent_streams}, failures: {seen}")
            time.sleep(_POLL_SECONDS)
        return report

    def wait_for_release(self, release: str, seconds: float = 60) -> Report:
        return self.wait_until(lambda report: release in report.by_release, seconds, f"an answer of release {release}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._finish()
        except LoadError:
            # What went wrong inside the block matters more.
            if error is None:
                raise
        finally:
            self._kill()

    def _finish(self) -> None:
        self.snapshot()
        if self._process.stdin:
            self._process.stdin.close()
        try:
            # Every request that has begun may take its whole timeout.
            self._process.wait(self._settings.timeout + self._settings.ws_timeout + 10)
        except subprocess.TimeoutExpired:
            raise LoadError("The load generator did not end when asked to") from None
        self.report = Report.from_json(self._status.read_text())
        if self.report.ended_by is None:
            raise LoadError(f"The load generator broke off: {self._tail()}")

    def _kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        self._directory.cleanup()

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-2000:].strip()
