from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import report as audit
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.html_page import html
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.pages import markdown, summary, verdict
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.secrets import MaximumAge
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.tables import proof

from tests.unit.audited import container, facts, proofs, recorded, secret_file, settings

VOID = {"br", "col", "meta"}


def report(**more: Any) -> dict[str, Any]:
    return audit.report({"app-1": facts(**more)}, settings(), recorded(), MaximumAge())


class Page(HTMLParser):
    """Checks that every element that opens is closed, and keeps texts by element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.tags: set[str] = set()
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and data.strip():
            self.texts.setdefault(self.open[-1], []).append(data.strip())


def test_the_page_stands_alone_and_is_whole() -> None:
    text = html(report())
    page = Page(text)
    assert page.texts["h1"] == ["Audit of staging"]
    assert page.texts["h2"][:2] == ["Can it touch another environment?", "Findings"]
    assert page.texts["strong"] == ["Passed: no finding of level high"]
    assert "script" not in page.tags
    assert "src=" not in text
    assert "http" not in text.replace("http://registry", "")
    assert "prefers-color-scheme:dark" in text
    assert "@media print" in text


def test_findings_are_told_by_level_with_what_to_do() -> None:
    page = Page(html(report(files=[secret_file(mode=0o644)], identity={})))
    assert page.texts["strong"] == ["Failed: 1 finding of level high"]
    headings = page.texts["span"]
    assert headings.index("High") < headings.index("Medium") < headings.index("Passed")
    assert "secret-readable" in headings
    assert any(text.startswith("chmod 0600 ") for text in page.texts["td"])


NASTY = "<script>alert(1)</script>|`x`"
HYPHENS = "<script>alert(1)-1"


def test_what_comes_from_a_host_cannot_become_markup() -> None:
    given = report(containers=[container(), container(name=NASTY, project=NASTY), container(name=HYPHENS)])
    assert "<script" not in html(given)
    assert html(given).count("&lt;script") == html(given).count("alert(1)")
    rows = [line for line in markdown(given).splitlines() if "alert(1)" in line]
    assert rows
    assert not [row for row in rows if re.search(r"(?<!\\)<script", re.sub(r"`[^`]*`", "", row.replace("\\`", "")))]


def test_every_row_of_markdown_has_as_many_cells_as_its_head() -> None:
    lines = markdown(report(containers=[container(name=NASTY), container(project="")])).splitlines()
    count = 0
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith("|"):
            bars = line.replace("\\|", "").count("|")
            assert not before.startswith("|") or bars == count, line
            count = bars
    assert count


def test_the_summary_names_the_worst_and_the_files() -> None:
    lines = summary(report(files=[secret_file(mode=0o644)], identity={}), ["audit.html", "audit.md"])
    assert lines[0] == "AUDIT of staging: Failed: 1 finding of level high"
    assert lines[2].startswith("  staging cannot touch what it must not: 1 target was tried from 2 places")
    assert lines[3] == (
        "  HIGH    secret-readable /var/lib/morpheus.deploy/stacks/shop/secrets/api.env on app-1: secret of mode 0644: open to "
        "group root, everybody"
    )
    assert lines[4] == "  MEDIUM  host-identity app-1: was never claimed"
    assert lines[5] == "  audit.html audit.md"


def test_a_summary_of_very_many_findings_stays_short() -> None:
    many = [secret_file(mode=0o644, path=f"/x/{number}") for number in range(40)]
    lines = summary(report(files=many), [])
    assert len(lines) < 20
    assert "          and 30 more of level high or medium" in lines


@pytest.mark.parametrize(
    ("given", "proved", "words"),
    [
        (proofs("", "api"), True, "staging cannot touch what it must not: 1 target was tried from 2 places"),
        ([], False, "Nothing shows that staging cannot touch another environment"),
        (proofs("", "api", forbidden="connected"), False, "staging reaches what it must not: production's database."),
        (proofs("", "api", wanted="refused"), False, "It is not proved that staging cannot touch"),
        (proofs(""), False, "It is not proved that staging cannot touch"),
        (proofs("", "api", forbidden="name unknown"), False, "It is not proved that staging cannot touch"),
    ],
    ids=["proved", "nothing tried", "reached", "void", "no container", "name unknown"],
)
def test_nothing_is_called_proved_that_is_not(given: list[dict[str, Any]], proved: bool, words: str) -> None:
    found = proof(report(proofs=given))
    assert found[0] is proved
    assert found[1].startswith(words)


def test_a_host_that_was_not_asked_could_do_anything() -> None:
    given = audit.report({"app-1": facts(), "app-2": {}}, settings(), recorded(), MaximumAge())
    assert proof(given) == (False, "It is not proved that staging cannot touch what it must not: app-2 could not be asked.")


def test_the_verdict_counts() -> None:
    assert verdict({"counts": {"high": 2}}) == "Failed: 2 findings of level high"
