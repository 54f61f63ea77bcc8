"""What a document points at is there: every relative link leads to a file, and its anchor to a heading in it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"(?:\]\(|(?:href|src|srcset)=\")([^)\"\s]+)")
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]+`")


def documents() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines()]


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of a document's headings, and those that stand in it."""
    found = set(re.findall(r"<a id=\"([^\"]+)\">", text))
    for heading in re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(name if name not in found else f"{name}-1")
    return found


def broken(path: Path, text: str) -> Iterator[str]:
    """Each link of the text that leads nowhere, with the reason."""
    for target in _LINK.findall(_CODE.sub("", _FENCE.sub("", text))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        if name and not there.exists():
            yield f"{target}: there is no {name}"
        elif anchor and anchor not in anchors(there.read_text() if name else text):
            yield f"{target}: {there.name} has no heading #{anchor}"


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    assert list(broken(path, path.read_text())) == []


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        pytest.param("[a](b.md)", ["b.md: there is no b.md"], id="no file"),
        pytest.param("[a](#c)", ["#c: page.md has no heading #c"], id="no heading here"),
        pytest.param("[a](other.md#c)", ["other.md#c: other.md has no heading #c"], id="no heading there"),
        pytest.param('<img src="b.svg">', ["b.svg: there is no b.svg"], id="no picture"),
        pytest.param("## What is said\n[a](#what-is-said) [b](other.md#a-1) [c](https://example.com/x)", [], id="all there"),
        pytest.param('<a id="c"></a>\n## Else\n<a href="#c">c</a> [d](#else)', [], id="an anchor that stands there"),
        pytest.param("`[a](b.md)`\n```\n[a](b.md)\n```\n", [], id="code is no link"),
    ],
)
def test_what_leads_nowhere_is_named(tmp_path: Path, text: str, reasons: list[str]) -> None:
    (tmp_path / "other.md").write_text("# A\n## A\n")
    assert list(broken(tmp_path / "page.md", text)) == reasons


@cache
def known_tests() -> frozenset[str]:
    """Names of all tests and of the files that they are in."""
    sources = [path for where in ("tests", "molecule") for path in (ROOT / where).rglob("*.py")]
    functions = (name for path in sources for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE))
    return frozenset(functions) | {path.name for path in sources}


def missing_proofs(text: str) -> list[str]:
    """Tests and files of tests that the text names and that are not there."""
    named = {name for name in re.findall(r"`(test_\w+(?:\.py)?)`", text) if name not in known_tests()}
    paths = re.findall(r"\b(?:tests|molecule)/[\w/.-]*[\w/]", re.sub(r"https?://\S+", "", text))
    return sorted(named | {path for path in paths if not (ROOT / path).exists()})


# What a version brought names tests as they were.
CHANGELOG = ROOT / "CHANGELOG.md"


@pytest.mark.parametrize(
    "path", [path for path in documents() if path != CHANGELOG], ids=lambda path: str(path.relative_to(ROOT))
)
def test_every_test_that_a_document_names_is_there(path: Path) -> None:
    assert missing_proofs(path.read_text()) == []


def test_a_proof_that_is_not_there_is_named() -> None:
    text = "`test_no_such_proof`, `test_contracts.py`, `tests/unit/test_gone.py`, `pytest tests/acceptance/test_crashes.py -s`"
    assert missing_proofs(text) == ["test_no_such_proof", "tests/unit/test_gone.py"]
