"""Modules as Ansible runs them: what main() prints, and from which of its lines it ended."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.unit.module_run import run_module

TraceFunction = Callable[[FrameType, str, Any], Any]
BELOW = 0


def module(name: str) -> Any:
    return importlib.import_module(f"ansible_collections.morpheus.deploy.plugins.modules.{name}")


def run(name: str, capsys: pytest.CaptureFixture[str], options: dict[str, Any], *, check_mode: bool = False) -> dict[str, Any]:
    return run_module(module(name), capsys, options | {"_ansible_check_mode": check_mode})


def ends_of(name: str) -> set[int]:
    """Lines of the module's body from which it may end: each ``return`` and ``raise``."""
    tree = ast.parse(Path(module(name).__file__).read_text())
    bodies = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "body"]
    return {node.lineno for body in bodies for node in ast.walk(body) if isinstance(node, ast.Return | ast.Raise)}


@contextmanager
def watching(name: str) -> Iterator[set[int]]:
    """Lines of the module's body that have run meanwhile; ``BELOW`` where what it calls has failed."""
    body, seen, ends = getattr(module(name), "body", None), set[int](), ends_of(name)

    def inside(frame: FrameType, event: str, argument: Any) -> TraceFunction:
        raised = event == "exception" and not issubclass(argument[0], SystemExit)
        seen.add(BELOW if raised and frame.f_lineno not in ends else frame.f_lineno)
        return inside

    def entered(frame: FrameType, event: str, argument: Any) -> TraceFunction | None:
        return inside if body and frame.f_code is body.__code__ else None

    before = sys.gettrace()
    sys.settrace(entered)
    try:
        yield seen
    finally:
        sys.settrace(before)
