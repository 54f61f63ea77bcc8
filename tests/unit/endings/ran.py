"""Modules as Ansible runs them: what main() prints, and from which of its calls it ended."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from ansible.module_utils.basic import AnsibleModule

from tests.unit.module_run import run_module

ENDS = ("exit_json", "fail_json")


def module(name: str) -> Any:
    return importlib.import_module(f"ansible_collections.morpheus.deploy.plugins.modules.{name}")


def run(name: str, capsys: pytest.CaptureFixture[str], options: dict[str, Any], *, check_mode: bool = False) -> dict[str, Any]:
    return run_module(module(name), capsys, options | {"_ansible_check_mode": check_mode})


def ends_of(name: str) -> set[tuple[int, int]]:
    """First and last line of each call by which the module may end."""
    tree = ast.parse(Path(module(name).__file__).read_text())
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute))
    return {(node.lineno, node.end_lineno or node.lineno) for node in calls if node.func.attr in ENDS}  # type: ignore[attr-defined]


@contextmanager
def watching(name: str) -> Iterator[set[int]]:
    """Lines of the module from which it has ended meanwhile."""
    path, seen = module(name).__file__, set[int]()

    def noting(end: Callable[..., None]) -> Callable[..., None]:
        def noted(self: AnsibleModule, *arguments: Any, **keywords: Any) -> None:
            caller = sys._getframe(1)
            if caller.f_code.co_filename == path:
                seen.add(caller.f_lineno)
            end(self, *arguments, **keywords)

        return noted

    with ExitStack() as patched:
        for end in ENDS:
            patched.enter_context(patch.object(AnsibleModule, end, noting(getattr(AnsibleModule, end))))
        yield seen
