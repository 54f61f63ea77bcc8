"""The process that has GitHub's own parser and expressions, as functions."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TOOLS = Path(os.environ.get("WORKFLOW_TOOLS") or ROOT / ".cache" / "workflows")


class WorkflowError(Exception):
    """What GitHub itself would refuse, or what the runner does not know."""


class Bridge:
    def __init__(self) -> None:
        words = ["node", str(Path(__file__).with_suffix(".mjs")), str(TOOLS)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, does: str, **said: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"does": does, **said}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise WorkflowError("node has ended: were its packages installed (make workflows)?")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkflowError(f"{said.get('expression') or said.get('path')}: {answer['error']}")
        return answer


@cache
def bridge() -> Bridge:
    return Bridge()


def parsed(kind: str, path: str, text: str, files: Mapping[str, str]) -> Any:
    """The tree of a workflow or action, in which {"$": ...} is an expression; every error of GitHub's parser at once."""
    answer = bridge().ask(kind, path=path, text=text, files=dict(files))
    if answer["errors"]:
        raise WorkflowError("\n".join(f"{path}: {error}" for error in answer["errors"]))
    return answer["tree"]


def evaluated(expression: str, contexts: Mapping[str, Any], status: str) -> Any:
    return bridge().ask("evaluate", expression=expression, contexts=dict(contexts), status=status)["value"]
