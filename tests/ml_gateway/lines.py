"""python -m tests.ml_gateway.lines: how long the gateway is, in lines that are no comment, no docstring and not empty."""

from __future__ import annotations

import ast
from pathlib import Path

SERVICE = Path(__file__).parents[2] / "services" / "ml-gateway"
_HOLDERS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def lines(text: str) -> int:
    documented: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, _HOLDERS) and ast.get_docstring(node) is not None:
            documented.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    told = enumerate(map(str.strip, text.splitlines()), 1)
    return sum(bool(line) and not line.startswith("#") and number not in documented for number, line in told)


def of_files() -> dict[str, int]:
    return {path.name: lines(path.read_text()) for path in sorted(SERVICE.glob("*.py"))}


def main() -> None:
    found = of_files()
    for name, number in found.items():
        print(f"{number:4} {name}")
    print(f"{sum(found.values()):4} the gateway")


if __name__ == "__main__":
    main()
