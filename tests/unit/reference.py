"""The tables of docs/reference.md, from argument specs and documentation. Regenerate: python -m tests.unit.reference"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from tests.unit import quick_yaml

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference.md"
_BETWEEN = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- /\2 -->)", re.DOTALL)


def roles(directory: Path) -> list[str]:
    """A row for each entry point of each role: what includes the role, and what it does."""
    rows = ["| role | `tasks_from` | does |", "|---|---|---|"]
    for path in sorted(directory.glob("*/meta/argument_specs.yml")):
        role = path.parents[1].name
        specs: dict[str, Any] = quick_yaml.load(path.read_text())["argument_specs"]
        for entry in sorted(specs, key=lambda name: (name != "main", name)):
            shown = f"[{role}](../roles/{role}/README.md)" if entry == "main" else role
            rows.append(f"| {shown} | {'' if entry == 'main' else f'`{entry}`'} | {specs[entry]['short_description']} |")
    return rows


def plugins(directory: Path, kind: str) -> list[str]:
    """A row for each plugin of the directory."""
    rows = [f"| {kind} | does |", "|---|---|"]
    rows += [f"| `{path.stem}` | {_short_description(path)} |" for path in sorted(directory.glob("*.py"))]
    return rows


def _short_description(path: Path) -> str:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "DOCUMENTATION":
            return str(quick_yaml.load(ast.literal_eval(node.value))["short_description"])
    raise LookupError(f"{path.name} has no DOCUMENTATION")


def tables() -> dict[str, str]:
    """What stands between the markers of the page, by the markers' name."""
    found = {"roles": roles(ROOT / "roles")}
    for name, directory, kind in (
        ("modules", "modules", "module"),
        ("filters", "filter", "filter"),
        ("lookups", "lookup", "lookup"),
        ("callbacks", "callback", "callback"),
    ):
        found[name] = plugins(ROOT / "plugins" / directory, kind)
    return {name: "\n".join(rows) + "\n" for name, rows in found.items()}


def written(page: str, texts: dict[str, str]) -> str:
    return _BETWEEN.sub(lambda found: f"{found[1]}{texts[found[2]]}{found[3]}", page)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(), tables()))
