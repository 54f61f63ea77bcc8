#!/usr/bin/env python3
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a file is and under which licence, in the head of each that is read apart from the others: plugins and scripts.

Writes the three lines below the shebang, the handle behind the authors of a plugin's documentation, and the licence of each
role, as ansible-test and galaxy-importer ask for them. Run again it changes nothing. With --check it writes nothing, names
the files that differ, and ends with 1.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LICENCE = "GPL-3.0-or-later"
_AUTHORS = "The morpheus.deploy maintainers"
_HANDLE = "@morpheus-deploy"
_OURS = "# Copyright (c) The morpheus.deploy authors\n"
_TERMS = (
    "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)\n"
    f"# SPDX-License-Identifier: {LICENCE}\n"
)
_PYTHON = ("plugins/**/*.py", "scripts/*.py", "inventories/vault-client.py")
_ROLES = "roles/*/meta/main.yml"


def headed(text: str) -> str:
    """``text`` below its head. Lines with the copyright of others stay where they are."""
    lines = text.splitlines(keepends=True)
    shebang = [lines.pop(0)] if text.startswith("#!") else []
    holders: list[str] = []
    while lines and re.match(r"# (Copyright|GNU General Public License|SPDX-License-Identifier:)", lines[0]):
        line = lines.pop(0)
        if line.startswith("# Copyright") and line != _OURS:
            holders.append(line)
    return "".join([*shebang, *holders, _OURS, _TERMS, *lines])


def authored(text: str) -> str:
    """``text`` with authors in the form that ansible-test asks for: a name, and the handle by which GitHub knows it."""
    return re.sub(rf"^(  - {re.escape(_AUTHORS)})$", rf"\1 ({_HANDLE})", text, flags=re.MULTILINE)


def licensed(text: str) -> str:
    """``text`` of a role's meta with the licence of the collection."""
    return re.sub(r"^(  license:).*$", rf"\1 {LICENCE}", text, flags=re.MULTILINE)


def wanted(root: Path) -> Iterator[tuple[Path, str]]:
    """Every file that must say it -> its text as it should be."""
    for pattern in _PYTHON:
        for path in sorted(root.glob(pattern)):
            yield path, authored(headed(path.read_text()))
    for path in sorted(root.glob(_ROLES)):
        yield path, licensed(path.read_text())


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes the licence into the head of plugins and scripts.")
    parser.add_argument("--check", action="store_true", help="write nothing; name the files that differ, and end with 1")
    only_check = parser.parse_args().check
    differ = [(path, text) for path, text in wanted(ROOT) if path.read_text() != text]
    for path, text in differ:
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
        if not only_check:
            path.write_text(text)
    return 1 if differ and only_check else 0


if __name__ == "__main__":
    sys.exit(main())
