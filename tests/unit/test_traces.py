"""What watches for a marked secret reads the command line of each process, also of one that becomes another program."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.acceptance import sentinel

BECOMES = "import os, sys; mark = sys.stdin.readline().strip(); os.execv('/bin/sh', ['sh', '-c', 'read _', mark])"


def seen(ages: dict[str, int]) -> set[str]:
    return {process for process, line in sentinel._command_lines(ages) if sentinel.holds(line)}


def await_its_line(process: int) -> None:
    """A process that has just become a program has no command line for a moment."""
    line, deadline = Path(f"/proc/{process}/cmdline"), time.monotonic() + 60
    while not sentinel.holds(line.read_bytes()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_new_process_is_seen_at_once() -> None:
    ages: dict[str, int] = {}
    assert seen(ages) == set()
    with subprocess.Popen(["sh", "-c", "read _", sentinel.MARK], stdin=subprocess.PIPE) as process:
        await_its_line(process.pid)
        assert seen(ages) == {str(process.pid)}
    assert seen(ages) == set()


def test_a_process_that_becomes_another_program_later_is_seen() -> None:
    ages: dict[str, int] = {}
    with subprocess.Popen([sys.executable, "-c", BECOMES], stdin=subprocess.PIPE, text=True) as process:
        for _ in range(sentinel._NEW_LOOKS):
            assert seen(ages) == set()
        assert process.stdin is not None
        print(sentinel.MARK, file=process.stdin, flush=True)
        await_its_line(process.pid)
        looks = [seen(ages) for _ in range(sentinel._EVERY_LOOKS)]
    assert [found for found in looks if found] == [{str(process.pid)}]
