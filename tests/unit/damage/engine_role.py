"""What the role docker_engine brings beside the engine, and its own words where it cannot."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

_ROLE = Path(__file__).parents[3] / "roles" / "docker_engine"
METRICS_TASKS = _ROLE / "tasks" / "metrics.yml"
ENGINE_METRICS = _ROLE / "files" / "engine_metrics.py"


def refusal_of_a_directory(path: str) -> str:
    """Where the program belongs that hands the engine's metrics on."""
    tasks = yaml.safe_load(METRICS_TASKS.read_text())
    words: str = next(one["ansible.builtin.assert"]["fail_msg"] for one in tasks if "ansible.builtin.assert" in one)
    return re.sub(r"{{.*?}}", path, words)
