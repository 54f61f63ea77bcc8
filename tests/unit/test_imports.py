"""What a module reaches on a host must be there: Python's own library, and what roles/docker_engine installs."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OWN = "ansible_collections.morpheus.deploy.plugins."
# Beside Python's library and what Ansible brings itself.
INSTALLED = {"docker", "jmespath", "yaml"}
# What docker needs itself; and what the module says in words when it is missing.
INSTALLED |= {"urllib3", "psycopg2"}
MODULES = sorted((ROOT / "plugins" / "modules").glob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Names of modules, those that are imported in functions or for types only included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (f"{node.module}.{name.name}" for name in node.names)


def own(name: str) -> Path | None:
    path = ROOT / "plugins" / Path(*name.removeprefix(OWN).split(".")).with_suffix(".py") if name.startswith(OWN) else None
    return path if path and path.is_file() else None


def reached(path: Path) -> dict[str, Path]:
    """Name of everything that is imported on the way -> the file that does it."""
    found: dict[str, Path] = {}
    waiting, seen = [path], {path}
    while waiting:
        here = waiting.pop()
        for name in imported(here):
            found.setdefault(name, here)
            if (other := own(name)) and other not in seen:
                seen.add(other)
                waiting.append(other)
    return found


def foreign(path: Path) -> dict[str, str]:
    """What neither Python nor Ansible brings -> who imports it."""
    known = {*sys.stdlib_module_names, "ansible", "ansible_collections", *INSTALLED}
    return {name.split(".")[0]: one.stem for name, one in reached(path).items() if name.split(".")[0] not in known}


@pytest.mark.parametrize("path", MODULES, ids=[path.stem for path in MODULES])
def test_a_module_needs_nothing_that_hosts_lack(path: Path) -> None:
    assert foreign(path) == {}


def test_a_library_of_the_controller_is_found_wherever_it_is_imported() -> None:
    assert foreign(ROOT / "plugins" / "plugin_utils" / "audit" / "report.py") == {"cryptography": "certificate"}
