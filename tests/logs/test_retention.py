"""Files of logs that are too old are deleted by the real systemd-tmpfiles, each environment's by its own age."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from tests.hangs import HANGS_AFTER_SECONDS
from tests.logs.world import FILES, PACKAGES

DAY = 86_400
LIBRARIES = PACKAGES / "usr" / "lib" / "x86_64-linux-gnu"


def written(root: Path, environment: str, days_ago: int) -> str:
    """A file whose last line is so old, and which has been read just now."""
    path = root / environment / f"api-{days_ago}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}\n")
    os.utime(path, (time.time(), time.time() - days_ago * DAY))
    return str(path.relative_to(root))


def test_each_environments_files_are_deleted_by_the_age_of_their_last_line(tmp_path: Path) -> None:
    root = tmp_path / "deploy"
    ages = {"staging": (0, 13, 15, 89, 91), "production": (0, 13, 15, 89, 91), "elsewhere": (400,)}
    every = {written(root, environment, days) for environment, of_it in ages.items() for days in of_it}
    text = (FILES / "log-retention.conf").read_text()
    (tmp_path / "log-retention.conf").write_text(text.replace("/var/log/deploy", str(root)))
    command = [str(PACKAGES / "bin" / "systemd-tmpfiles"), "--clean", str(tmp_path / "log-retention.conf")]
    paths = os.pathsep.join(str(path) for path in (LIBRARIES, LIBRARIES / "systemd"))
    subprocess.run(command, check=True, env={**os.environ, "LD_LIBRARY_PATH": paths}, timeout=HANGS_AFTER_SECONDS)
    left = {str(path.relative_to(root)) for path in root.rglob("*.jsonl")}
    gone = {f"staging/api-{days}.jsonl" for days in (15, 89, 91)} | {"production/api-91.jsonl"}
    assert every - left == gone
