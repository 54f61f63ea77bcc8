"""Prometheus, its tools and the exporters, as Debian's packages have them. `make monitoring` unpacks them, because their
installation would start services.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNPACKED = ROOT / ".cache" / "monitoring"
_PLACES = (UNPACKED / "usr" / "bin", UNPACKED / "usr" / "sbin")
_LIBRARIES = UNPACKED / "usr" / "lib" / f"{os.uname().machine}-linux-gnu"


def program(name: str) -> str:
    """Nothing is installed: without it the tests fail and say so."""
    found = next((str(place / name) for place in _PLACES if (place / name).is_file()), None) or shutil.which(name)
    if not found:
        pytest.fail(f"These tests need {name}: make monitoring", pytrace=False)
    return found


def environment() -> dict[str, str]:
    """For programs whose libraries were unpacked with them."""
    return {**os.environ, "LD_LIBRARY_PATH": str(_LIBRARIES)}


def run(name: str, *arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [program(name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), input=stdin)


def _at_its_place() -> list[str]:
    """Alertmanager finds its templates where its package would have them: for the program alone, in a namespace of its own."""
    share = UNPACKED / "usr" / "share"
    if not share.is_dir():
        return []
    alone = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    return [*alone, "sh", "-c", 'mount --bind "$0" /usr/share && exec "$@"', str(share)]


@contextmanager
def running(name: str, *arguments: object, log: Path, more: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """What it says goes into ``log``. It is ended, and its end awaited, however the block ends."""
    with log.open("wb") as stream:
        command = [*_at_its_place(), program(name), *map(str, arguments)]
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env={**environment(), **(more or {})})
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
