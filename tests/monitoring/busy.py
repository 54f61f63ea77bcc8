"""What makes this very machine short of something: only in tests that are marked deep."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_MARGIN_PERCENT = 4
# On a machine that is busier than this the alert fires anyway, and its test waits until there is less to do.
_MOST_PERCENT = 98.0
_MEGABYTE = 1 << 20
_LIMIT = 16 * _MEGABYTE
_LOOK_SECONDS = 2.0


def thresholds() -> dict[str, float]:
    """Of this machine as it is now, so that it need not be brought to its end."""
    busy = min((busy_percent() + 100) / 2, _MOST_PERCENT)
    return {"memory_free_percent": available_percent() - _MARGIN_PERCENT, "cpu_percent": busy}


def available_percent() -> float:
    told = _memory()
    return told["MemAvailable"] / told["MemTotal"] * 100


def busy_percent() -> float:
    idle, every = _idle()
    time.sleep(_LOOK_SECONDS)
    now, all_now = _idle()
    return 100 - (now - idle) / (all_now - every) * 100


def _memory() -> dict[str, int]:
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return {name.rstrip(":"): int(kilobytes) << 10 for name, kilobytes, *_ in lines}


def _idle() -> tuple[int, int]:
    times = [int(one) for one in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return times[3], sum(times)


@contextmanager
def processors() -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(os.cpu_count() or 1):
            stack.enter_context(_running("while True: pass"))
        yield


@contextmanager
def memory_taken() -> Iterator[None]:
    """Twice the margin, because others give some back meanwhile. Every page is written to, or it would not be taken."""
    size = int(_memory()["MemTotal"] * 2 * _MARGIN_PERCENT / 100)
    code = f"import sys; taken = bytearray(b'x') * {size}; print(flush=True); sys.stdin.read()"
    with _running(code) as process:
        assert process.stdout
        assert process.stdout.readline() == b"\n"
        yield


@contextmanager
def killed_for_memory() -> Iterator[None]:
    with _group() as procs:
        code = f"import os; open({str(procs)!r}, 'w').write(str(os.getpid())); taken = bytearray(b'x') * {4 * _LIMIT}"
        done = subprocess.run([sys.executable, "-c", code], check=False)
        assert done.returncode == -9, "nobody has killed it"
        yield


@contextmanager
def _group() -> Iterator[Path]:
    """A control group with a limit, in either version of the kernel's; whoever is written into the file is in it."""
    unified = (_GROUPS / "cgroup.controllers").exists()
    group = Path(tempfile.mkdtemp(prefix="tests-monitoring-", dir=_GROUPS if unified else _GROUPS / "memory"))
    limits = {"memory.max": _LIMIT, "memory.swap.max": 0} if unified else {"memory.limit_in_bytes": _LIMIT}
    try:
        for name, limit in limits.items():
            if (group / name).exists() or "swap" not in name:
                (group / name).write_text(str(limit))
        yield group / "cgroup.procs"
    finally:
        group.rmdir()


@contextmanager
def _running(code: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()
