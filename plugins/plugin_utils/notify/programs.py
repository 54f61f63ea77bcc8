# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that a run starts on the controller: each with a line on its standard input, a time, and a group of its own.

Whatever it has started ends with it when its time is over or the run is interrupted.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.words.said import Knowledge

_SEND = Path(__file__).with_name("send.py")
# What of a program's words is shown, when it fails.
_LINES, _CHARACTERS, _BYTES = 3, 500, 65_536
# Beside its own timer: for an interpreter that starts slowly.
_GRACE_SECONDS = 5.0


class Program:
    """One that has begun. ``line`` is all that it reads; what it says goes into a file, so that nobody has to listen."""

    def __init__(self, command: Sequence[str], line: str, seconds: float) -> None:
        self.seconds = seconds
        self._until = time.monotonic() + seconds
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - its end is the object's
        with tempfile.TemporaryFile() as given:
            given.write(line.encode() + b"\n")
            given.seek(0)
            # Not a pipe: one that nobody reads would hold up the run.
            self._process = subprocess.Popen(
                command, stdin=given, stdout=self._said, stderr=subprocess.STDOUT, start_new_session=True
            )

    def ended(self) -> int | None:
        """Its exit status; None when its time was over, and it was ended with all that it has started."""
        try:
            return self._process.wait(max(0.0, self._until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.kill()
            return None
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        self.strike()
        self._process.wait()

    def strike(self) -> None:
        """Without waiting for its end: for a handler of signals, which a second one may interrupt in the middle of it."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def words(self, known: Knowledge) -> str:
        """The last of what it has said, without what is ``known`` to be secret."""
        self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, self._said.tell() - _BYTES))
        text = known.near_ending(self._said.read().decode("utf-8", "replace"), _CHARACTERS)
        lines = [line for line in text.splitlines() if line.strip()]
        return "\n".join(lines[-_LINES:])[-_CHARACTERS:]


def sender(line: str, seconds: float) -> Program:
    """Of one message. It ends by itself in time."""
    return Program([sys.executable, "-I", str(_SEND)], line, seconds + _GRACE_SECONDS)


def not_sent(program: Program) -> str:
    """Why its message was not sent; empty when it was."""
    code = program.ended()
    if code == 0:
        return ""
    if code is None or code == -signal.SIGALRM:
        return "it did not answer in time"
    return program.words(Knowledge()) or f"the program that sends ended with {code}"


def called(
    name: str,
    hook: Mapping[str, Any],
    line: str,
    known: Knowledge,
    while_it_runs: Callable[[Program], AbstractContextManager[Any]] = nullcontext,
) -> str:
    """What went wrong with a hook; empty when it ended well. ``known``: secrets that it may repeat. ``while_it_runs``: a context
    for as long as it does.
    """
    command = [str(word) for word in hook["command"]]
    try:
        program = Program(command, line, float(hook["timeout_seconds"]))
    except OSError as exc:
        return f"the hook {name} ({command[0]}) could not be run: {exc.strerror}"
    with while_it_runs(program):
        code = program.ended()
    if code == 0:
        return ""
    how = f"did not end within {program.seconds:g} s and was stopped"
    if code is not None:
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit status {code}"
    said = program.words(known)
    return f"the hook {name} ({command[0]}) {how}" + (f"; it said:\n{said}" if said else "")


@contextmanager
def ends_with_this_process(program: Program) -> Iterator[None]:
    """In a process of a task: when Ansible ends that one, the program ends, too."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def end(number: int, frame: Any) -> None:
        program.strike()
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        raise KeyboardInterrupt

    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
