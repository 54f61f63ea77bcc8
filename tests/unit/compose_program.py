"""Compose itself, asked what it makes of files: no daemon is needed. CI has it; a machine without it cannot judge these tests."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from tests.hangs import HANGS_AFTER_SECONDS


class Said(NamedTuple):
    model: dict[str, Any]
    error: str


def config(directory: Path, *options: str) -> Said:
    """What ``docker compose config`` says in ``directory``, of all profiles; ``error`` where it refuses."""
    command = ["docker", "compose", *options, "--profile", "*", "config", "--format", "json"]
    environment = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=HANGS_AFTER_SECONDS, check=False
    )
    if done.returncode:
        return Said({}, done.stderr.strip())
    model: dict[str, Any] = json.loads(done.stdout)
    return Said(model, "")
