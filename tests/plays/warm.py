"""Runs ansible-playbook without the CPU of its start, most of which goes into reading modules that are the same each time.

A process that has read them (warm_process.py) forks for each run. What Ansible makes of its configuration and environment it has
not read: each run does that itself.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from tests.hangs import HANGS_AFTER_SECONDS

ROOT = Path(__file__).parents[2]
ANSIBLE = Path(sys.executable).with_name("ansible-playbook")


class Process:
    """As subprocess.Popen, as far as it goes. It is the first of a session of its own. ``output``: of both kinds."""

    def __init__(self, options: Sequence[str], *, cwd: Path, env: Mapping[str, str], output: IO[str], errors: IO[str]) -> None:
        self._said, theirs = socket.socketpair()
        with theirs, Path(os.devnull).open() as nothing:
            socket.send_fds(_warm(), [b"."], [one.fileno() for one in (theirs, nothing, output, errors)])
        wanted = {"argv": [str(ANSIBLE), *options], "cwd": str(cwd), "env": dict(env)}
        self._said.sendall(f"{json.dumps(wanted)}\n".encode())
        self._heard = b""
        self._code: int | None = None
        pid = self._line(HANGS_AFTER_SECONDS)
        assert pid, "no process was begun; what kept it from that stands in what the tests print themselves"
        self.pid = int(pid)

    def _line(self, seconds: float) -> bytes:
        """The next one, or none that is whole by then."""
        self._said.settimeout(seconds)
        with suppress(TimeoutError):
            while b"\n" not in self._heard and (more := self._said.recv(64)):
                self._heard += more
        line, end, rest = self._heard.partition(b"\n")
        if not end:
            return b""
        self._heard = rest
        return line

    def poll(self) -> int | None:
        """The exit status, negative for a signal; none while it runs."""
        if self._code is None and (line := self._line(0.001)):
            self._code = int(line)
        return self._code

    def wait(self, seconds: float = HANGS_AFTER_SECONDS) -> int:
        if self._code is None:
            line = self._line(seconds)
            if not line:
                raise subprocess.TimeoutExpired("ansible-playbook", seconds)
            self._code = int(line)
        return self._code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def run(options: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """To its end. ``options``: behind ansible-playbook."""
    with TemporaryFile("w+", encoding="utf-8") as output, TemporaryFile("w+", encoding="utf-8") as errors:
        process = Process(options, cwd=cwd, env=env, output=output, errors=errors)
        try:
            code = process.wait()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        said = []
        for stream in (output, errors):
            stream.seek(0)
            said.append(stream.read())
    return subprocess.CompletedProcess(["ansible-playbook", *options], code, *said)


@cache
def _warm() -> socket.socket:
    """What it is asked by. It ends with this process, which closes the other end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-m", "tests.plays.warm_process", str(theirs.fileno())]
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
    return ours
