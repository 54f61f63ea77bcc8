"""What may befall a machine while a release goes out: others take its CPU, or the application stands still for a while."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from tests.acceptance.world import eventually, on
from tests.changes.host import HOST, containers, journal
from tests.hangs import HANGS_AFTER_SECONDS

LOOPS = 8
QUOTA_MICROSECONDS = 50_000
STOPPED_SECONDS = 3.0
# Ends with its input, so with the process that began it.
_BUSY = f"""
import os, signal, sys
loops = []
for _ in range({LOOPS}):
    child = os.fork()
    if not child:
        while True: pass
    loops.append(child)
print("busy", flush=True)
sys.stdin.read()
for loop in loops: os.kill(loop, signal.SIGKILL)
"""


def strained(how: str) -> AbstractContextManager[None]:
    return STRAINS[how]() if how else nullcontext()


@contextmanager
def busy() -> Iterator[None]:
    """Eight loops that never wait, on the host."""
    command = ["docker", "exec", "-i", HOST, "python3", "-c", _BUSY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as loops:
        assert loops.stdin
        assert loops.stdout
        try:
            assert loops.stdout.readline() == "busy\n"
            yield
        finally:
            loops.stdin.close()
            loops.wait(timeout=HANGS_AFTER_SECONDS)


@contextmanager
def quota() -> Iterator[None]:
    """The whole host, engine and edge included, gets half of one CPU."""
    limit = ["docker", "update", "--cpu-period", "100000", "--cpu-quota"]
    subprocess.run([*limit, str(QUOTA_MICROSECONDS), HOST], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run([*limit, "-1", HOST], check=True, capture_output=True)


@contextmanager
def stopped() -> Iterator[None]:
    """No process of the application does anything for three seconds, while candidates are gated."""
    over = threading.Event()
    problems: list[BaseException] = []
    known = len(journal())

    def is_gating() -> bool:
        return any('"action": "gate"' in line for line in journal(known))

    def stop_once() -> None:
        try:
            eventually(lambda: over.is_set() or is_gating(), "candidates are gated")
            processes = [str(one["State"]["Pid"]) for one in containers()]
            on(HOST, "kill", "-STOP", *processes)
            try:
                time.sleep(STOPPED_SECONDS)
            finally:
                on(HOST, "kill", "-CONT", *processes, check=False)
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=stop_once)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert not problems, problems


STRAINS: dict[str, Callable[[], AbstractContextManager[None]]] = {"busy": busy, "quota": quota, "stopped": stopped}
