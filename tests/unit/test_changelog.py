"""Fragments of the changelog are read as they are meant: known sections, sentences, reStructuredText."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

CHANGELOGS = Path(__file__).parents[2] / "changelogs"
CONFIG = yaml.safe_load((CHANGELOGS / "config.yaml").read_text())
SECTIONS = {name for name, _ in CONFIG["sections"]}
SUMMARY = CONFIG["prelude_section_name"]


def slips(fragment: Any) -> Iterator[str]:
    """What antsibull-changelog would refuse, or print as nobody means it."""
    if not isinstance(fragment, dict) or not fragment:
        yield "is no mapping of sections"
        return
    for section, entries in fragment.items():
        if section not in SECTIONS | {SUMMARY}:
            yield f"{section}: is no section; there are {', '.join(sorted(SECTIONS))}"
        elif isinstance(entries, list) == (section == SUMMARY):
            yield f"{section}: must be {'one text' if section == SUMMARY else 'a list'}"
        else:
            for text in [entries] if section == SUMMARY else entries:
                if not isinstance(text, str):
                    yield f"{section}: {text!r} is no text; put it behind >-"
                elif "`" in re.sub(r"``[^`]+``|`[^`]+ <[^`]+>`__?", "", text):
                    yield f"{section}: code stands in two backticks: {text[:60]}"


@pytest.mark.parametrize("path", sorted((CHANGELOGS / CONFIG["notesdir"]).glob("*")), ids=lambda path: str(path.name))
def test_every_fragment_is_read_as_it_is_meant(path: Path) -> None:
    assert path.suffix in (".yml", ".yaml")
    assert list(slips(yaml.safe_load(path.read_text()))) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("bugfixes: [The till counts ``money``.]", [], id="well"),
        pytest.param("release_summary: The first release.", [], id="a summary is one text"),
        pytest.param("", ["is no mapping of sections"], id="empty"),
        pytest.param("bugfixes: The till counts.", ["bugfixes: must be a list"], id="no list"),
        pytest.param("bugfixes: [Till: counts]", ["bugfixes: {'Till': 'counts'} is no text; put it behind >-"], id="a colon"),
        pytest.param(
            "bugfixes: ['The `till` counts.']", ["bugfixes: code stands in two backticks: The `till` counts."], id="Markdown"
        ),
        pytest.param("bugfixes: ['`The till <https://example.com>`__ counts.']", [], id="a link"),
    ],
)
def test_a_slip_in_a_fragment_is_named(text: str, said: list[str]) -> None:
    assert list(slips(yaml.safe_load(text))) == said


def test_a_section_that_is_not_there_is_named() -> None:
    [said] = slips({"fixed": ["The till counts."]})
    assert said.startswith("fixed: is no section; there are breaking_changes, bugfixes, ")
