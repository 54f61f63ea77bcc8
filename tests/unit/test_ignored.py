"""What ansible-test is told to ignore is still there, and has its reason: ansible-test itself ends only after many minutes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.test_versions import pinned

ROOT = Path(__file__).parents[2]
IGNORED = sorted((ROOT / "tests" / "sanity").glob("ignore-*.txt"))
# A line of a comment alone is an error of ansible-test.
LINE = re.compile(r"(?P<path>\S+) [a-z][a-z0-9.-]+(:[a-z-]+)? # \S")


def test_each_supported_ansible_core_has_a_file() -> None:
    assert [path.name for path in IGNORED] == sorted(f"ignore-{version.rpartition('.')[0]}.txt" for version in pinned())


@pytest.mark.parametrize("path", IGNORED, ids=lambda path: path.stem)
def test_each_line_names_a_file_and_says_why(path: Path) -> None:
    found = [(line, LINE.match(line)) for line in path.read_text().splitlines()]
    assert [line for line, match in found if not match or not (ROOT / match["path"]).is_file()] == []
