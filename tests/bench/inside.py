"""Scripts that run on the host: measured there, neither SSH nor `docker exec` counts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.world import on
from tests.bench.figures import Sample

HOST = "staging-app-1"
SCRIPTS = Path(__file__).parent / "scripts"


def floor() -> Sample:
    """Seconds of one container, by what it did."""
    seconds: Sample = json.loads(on(HOST, "python3", "-c", (SCRIPTS / "floor.py").read_text()))
    return seconds


@contextmanager
def peaks(*words: str) -> Iterator[Sample]:
    """Filled at its end: the most memory, in MiB, of any process with a word in its command line, by word."""
    with _meanwhile("peaks.py", *words) as found:
        yield found


@contextmanager
def parts() -> Iterator[Sample]:
    """Filled at its end: seconds of CPU, by who took them."""
    with _meanwhile("spent.py") as found:
        yield found


@contextmanager
def _meanwhile(script: str, *words: str) -> Iterator[Sample]:
    found: Sample = {}
    command = ["docker", "exec", "-i", HOST, "python3", "-c", (SCRIPTS / script).read_text(), *words]
    # The script ends when its input does, however this process ends.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield found
        found |= json.loads(process.communicate(timeout=30)[0])
