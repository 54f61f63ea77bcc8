"""What roles and playbooks say once: an expression in many files belongs into a filter, or among the variables of a role."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = {
    str(path.relative_to(ROOT)): path.read_text()
    for directory in ("playbooks", "roles")
    for path in sorted((ROOT / directory).rglob("*.yml"))
}
# A shorter expression names a variable or two; what is as long as this decides something.
LONGEST = 60
MOST_FILES = 2
# What has a filter of its own -> the filter.
HAS_A_FILTER = {
    r"join\(['\"]\\n +- ['\"]\)": "bullets",
    r"serial:.*hosts_at_once": "batches",
}


def expressions(text: str) -> set[str]:
    """What stands in double braces, whatever its line breaks. Comments do not count."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {" ".join(found.split()) for found in re.findall(r"\{\{(.+?)\}\}(?!\})", lines, re.DOTALL)}


def repeated(files: Mapping[str, str]) -> list[str]:
    places: dict[str, list[str]] = {}
    for name, text in files.items():
        for expression in expressions(text):
            places.setdefault(expression, []).append(name)
    return [
        f"{expression} ({', '.join(names)})"
        for expression, names in sorted(places.items())
        if len(expression) > LONGEST and len(names) > MOST_FILES
    ]


def written_out(files: Iterable[tuple[str, str]]) -> list[str]:
    return [
        f"{name} writes out what the filter {known} does"
        for name, text in files
        for pattern, known in HAS_A_FILTER.items()
        if re.search(pattern, text)
    ]


def test_no_long_expression_stands_in_three_files() -> None:
    assert repeated(FILES) == []


def test_what_has_a_filter_is_not_written_out() -> None:
    assert written_out(FILES.items()) == []


def test_an_expression_that_stands_in_three_files_is_found() -> None:
    long = "hostvars[groups['app'][0]]['stack']['hosts_at_once'] | default(1)"
    files = {"a.yml": f'serial: "{{{{ {long} }}}}"', "b.yml": f"serial: >-\n  {{{{ {long.replace(' | ', chr(10) + '  | ')} }}}}"}
    assert repeated(files) == []
    assert repeated({**files, "c.yml": f"# {{{{ {long} }}}}"}) == []
    assert repeated({**files, "c.yml": f'x: "{{{{ {long} }}}}"'}) == [f"{long} (a.yml, b.yml, c.yml)"]


@pytest.mark.parametrize(
    ("line", "known"),
    [
        (r"""fail_msg: "{{ ([heading] + problems) | join('\n  - ') }}" """, ["bullets"]),
        ("""serial: "{{ hostvars['a']['stack']['hosts_at_once'] }}" """, ["batches"]),
        (r"""msg: "{{ lines | join('\n') }}" """, []),
    ],
    ids=["a list", "batches", "lines"],
)
def test_what_is_written_out_is_found(line: str, known: list[str]) -> None:
    assert written_out([("a.yml", line)]) == [f"a.yml writes out what the filter {name} does" for name in known]
