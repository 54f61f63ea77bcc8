# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that a run starts on the controller: each with a line on its standard input, a time, and a group of its own.

Whatever it has started ends with it when its time is over or the run is interrupted.
"""

from __future__ import annotations

import os
import select
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
# What of a program's words is shown, when it fails, and what is kept of them until then.
_LINES, _CHARACTERS, _BYTES = 3, 500, 65_536
# What a pipe holds at most. More comes only from what the program has left behind.
_LEFT_BYTES = 1 << 20
# How long nobody looks whether it has ended, when it says nothing.
_LOOK_SECONDS = 0.05
# Beside its own timer: for an interpreter that starts slowly.
_GRACE_SECONDS = 5.0


class Program:
    """One that has begun. ``line`` is all that it reads. Of what it says the last is kept, however much that is: one that says
    more than a pipe holds goes on when somebody waits for its end.
    """

    def __init__(self, command: Sequence[str], line: str, seconds: float) -> None:
        self.seconds = seconds
        self._until = time.monotonic() + seconds
        # What was said last, and how many bytes were said in all.
        self._kept, self.said = b"", 0
        with tempfile.TemporaryFile() as given:
            given.write(line.encode() + b"\n")
            given.seek(0)
            # Not a pipe: one that nobody reads would hold up the run.
            self._process = subprocess.Popen(
                command, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
            )

    def ended(self) -> int | None:
        """Its exit status; None when its time was over, and it was ended with all that it has started."""
        try:
            while self._process.poll() is None:
                left = self._until - time.monotonic()
                if left <= 0:
                    self.kill()
                    return None
                self._listen(min(left, _LOOK_SECONDS))
        except BaseException:
            self.kill()
            raise
        self._hear_out()
        return self._process.returncode

    def kill(self) -> None:
        self.strike()
        self._process.wait()
        self._hear_out()

    def _listen(self, seconds: float) -> bool:
        """Whether it has said something within ``seconds``."""
        stream = self._process.stdout
        if stream is None or stream.closed:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
            return False
        # Not select.select(): it takes no descriptor above 1023.
        poll = select.poll()
        poll.register(stream, select.POLLIN)
        if not poll.poll(seconds * 1000):
            return False
        found = os.read(stream.fileno(), _BYTES)
        self.said += len(found)
        self._kept = (self._kept + found)[-_BYTES:]
        if not found:
            stream.close()
        return bool(found)

    def _hear_out(self) -> None:
        """When it has ended: what it has left behind, and may go on to speak, is not waited for."""
        until = self.said + _LEFT_BYTES
        while self._listen(0) and self.said < until:
            pass
        if self._process.stdout:
            self._process.stdout.close()

    def strike(self) -> None:
        """Without waiting for its end: for a handler of signals, which a second one may interrupt in the middle of it."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def words(self, known: Knowledge) -> str:
        """The last of what it has said, without what is ``known`` to be secret."""
        text = known.near_ending(self._kept.decode("utf-8", "replace"), _CHARACTERS)
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
    much = f"{program.said} bytes, at last" if program.said > _BYTES else ""
    return f"the hook {name} ({command[0]}) {how}" + (f"; it said {much}".rstrip() + f":\n{said}" if said else "")


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
