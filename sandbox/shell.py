"""Run a command; when it fails, say which one, how it ended and what to do."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_TAIL_LINES = 15


class SandboxError(Exception):
    """Something the user has to know: what failed, what was seen, what to do."""


def run(
    *command: str | Path,
    what: str,
    hint: str = "",
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Return standard output of a command that ended with 0; anything else is a SandboxError."""
    words = [str(word) for word in command]
    try:
        done = _start(words, stdin=stdin, env=env)
    except FileNotFoundError:
        raise SandboxError(_message(what, words, "the program is not installed", "", hint)) from None
    if done.returncode != 0:
        output = (done.stdout + done.stderr).decode(errors="replace")
        raise SandboxError(_message(what, words, f"exit status {done.returncode}", output, hint))
    return done.stdout.decode(errors="replace")


def succeeds(*command: str | Path, timeout_seconds: float = 30) -> bool:
    """Ask a question whose answer is an exit status; a missing program or no answer in time is a no."""
    try:
        done = _start([str(word) for word in command], timeout_seconds=timeout_seconds)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def comes(question: Callable[[], bool], seconds: float) -> bool:
    """Whether the answer is yes in time; asked at least once."""
    deadline = time.monotonic() + seconds
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _start(
    words: Sequence[str],
    *,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    timeout_seconds: float | None = None,
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        words,
        input=stdin if stdin is not None else b"",
        capture_output=True,
        env={**os.environ, **env} if env else None,
        timeout=timeout_seconds,
        check=False,
    )


def _message(what: str, words: Sequence[str], ending: str, output: str, hint: str) -> str:
    tail = output.strip().splitlines()[-_TAIL_LINES:]
    lines = [f"{what}: {ending}", f"  command: {shlex.join(words)}", *(f"  | {line}" for line in tail)]
    if hint:
        lines.append(f"  what to do: {hint}")
    return "\n".join(lines)
