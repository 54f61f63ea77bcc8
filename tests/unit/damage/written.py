"""Where the code writes files, which of these places a prepared host has been to, and what the code calls files."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base import atomic

from tests.unit.test_places import texts

ROOT = Path(__file__).parents[3]
_CODE = [ROOT / "plugins" / "module_utils", ROOT / "plugins" / "modules"]
_WRITERS = ("write_atomically", "put_right")
_METHODS = ("write_text", "write_bytes", "touch")
# They write what they are told by all the others.
_OWN = "plugins/module_utils/base/atomic.py"
_KINDS = (
    *(
        "cfg",
        "conf",
        "env",
        "gz",
        "html",
        "json",
        "jsonl",
        "key",
        "list",
        "lock",
        "map",
        "pem",
        "prom",
        "py",
        "pyz",
        "sql",
        "tar",
    ),
    *("v4", "v6", "yaml", "yml"),
)
_FILE = re.compile(rf"(?:[\w.<>*-]*/)*[\w.<>*-]*\.(?:{'|'.join(_KINDS)})\Z")


def sources() -> dict[str, str]:
    """Path below the repository -> what runs on hosts."""
    paths = sorted(path for directory in _CODE for path in directory.rglob("*.py"))
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths}


def places(sources: dict[str, str]) -> dict[tuple[str, int], str]:
    """File and line of every call that may write a file -> the function around it, as ``file: function``."""
    found: dict[tuple[str, int], str] = {}
    for name, source in sources.items():
        if name == _OWN or not re.search(r"write_|put_right|open\(|\.touch\(", source):
            continue
        # Each with the innermost function around it.
        left: list[tuple[ast.AST, str]] = [(ast.parse(source), "")]
        while left:
            node, function = left.pop()
            if function and isinstance(node, ast.Call) and _writes(node):
                for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                    found[name, line] = f"{name.removeprefix('plugins/')}: {function}"
            within = node.name if isinstance(node, ast.FunctionDef) else function
            left += [(child, within) for child in ast.iter_child_nodes(node)]
    return found


def _writes(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name):
        return call.func.id in _WRITERS or (call.func.id == "open" and _for_writing(call.args[1:2]))
    if isinstance(call.func, ast.Attribute):
        return call.func.attr in _METHODS or (call.func.attr == "open" and _for_writing(call.args[:1]))
    return False


def _for_writing(mode: list[ast.expr]) -> bool:
    return any(isinstance(one, ast.Constant) and isinstance(one.value, str) and {*one.value} & {*"awx+"} for one in mode)


@cache
def _ours(filename: str) -> str:
    """Its path below the repository; empty for a file of somebody else's."""
    path = Path(filename).resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else ""


@contextmanager
def watched() -> Iterator[set[tuple[str, int]]]:
    """File and line of everything of ours that writes a file meanwhile."""
    seen: set[tuple[str, int]] = set()

    def note() -> None:
        frame = sys._getframe(2)
        if name := _ours(frame.f_code.co_filename):
            seen.add((name, frame.f_lineno))

    def noting(original: Any) -> Any:
        def writer(*arguments: Any, **options: Any) -> Any:
            note()
            return original(*arguments, **options)

        return writer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builtins, "open", noting(builtins.open))
        for name in _WRITERS:
            original = getattr(atomic, name)
            for module in [one for one in sys.modules.values() if getattr(one, name, None) is original]:
                patch.setattr(module, name, noting(original))
        yield seen


def names(sources: dict[str, str]) -> set[str]:
    """What the code calls files: texts that end like one."""
    # Parsing takes most of the time: such a text ends with a quote, or where a value is put into it.
    ends = re.compile(rf"\.(?:{'|'.join(_KINDS)})[\"'{{]")
    found = (text for source in sources.values() if ends.search(source) for text in texts(source))
    return {text.rpartition("/")[2] for text in found if _FILE.match(text)}


def laid_by_roles() -> set[str]:
    """Files below /var/lib/morpheus.deploy in tasks and templates of roles, and files that they give to a module by name."""
    found: set[str] = set()
    for path in [one for one in (ROOT / "roles").rglob("*") if one.is_file() and one.parts[-2] in ("tasks", "templates")]:
        text = path.read_text()
        found |= {name.rpartition("/")[2] for name in re.findall(r"/var/lib/morpheus\.deploy/([\w./-]+)", text)}
        found |= set(re.findall(r"{'([\w./-]+)': __\w+}", text))
    return {name for name in found if _FILE.match(name)}
