"""Every place on a host that is ours, and every name that parts must agree on, stands in one file."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = ROOT / "plugins" / "module_utils" / "base" / "places.py"
OURS = re.compile(r"/(?:var/lib|etc)/morpheus|/run/haproxy|/usr/local/etc/haproxy|^/run/secrets/?$|^/etc/docker/daemon")
# What ansible-doc reads must stand in the file of the plugin.
DOCUMENTATION = {"DOCUMENTATION", "EXAMPLES", "RETURN"}


def texts(source: str) -> list[str]:
    """Texts in the code, without documentation."""
    found: list[str] = []
    left: list[ast.AST] = [node for node in ast.parse(source).body if not _documents(node)]
    while left:
        node = left.pop()
        if isinstance(node, ast.Constant):
            found += [node.value] if isinstance(node.value, str) else []
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            left += ast.iter_child_nodes(node)
    return found


def _documents(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id in DOCUMENTATION for to in node.targets)


def strays(source: str) -> list[str]:
    # Most files have none, and what is parsed costs a thousand times as much.
    if not any(OURS.search(line) for line in re.split(r"[\"'\n{}]", source)):
        return []
    return [text for text in texts(source) if OURS.search(text)]


def test_no_place_of_ours_stands_anywhere_else() -> None:
    directories = ("module_utils", "plugin_utils", "modules", "action", "callback", "filter", "lookup")
    files = [path for name in directories for path in (ROOT / "plugins" / name).rglob("*.py") if path != PLACES]
    assert {str(path.relative_to(ROOT)): found for path in files if (found := strays(path.read_text()))} == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('A = Path("/var/lib/morpheus.deploy/edge")', ["/var/lib/morpheus.deploy/edge"]),
        ('"""See /etc/morpheus.deploy."""\nA = 1', []),
        ('DOCUMENTATION = """C(/etc/morpheus.deploy)"""', []),
        ('def a():\n    return f"{b}:/run/haproxy"', [":/run/haproxy"]),
        ('A = "/etc/localtime"', []),
    ],
)
def test_a_place_that_stands_elsewhere_is_found(source: str, found: list[str]) -> None:
    assert strays(source) == found
