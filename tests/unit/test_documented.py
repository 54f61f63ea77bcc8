"""Commands of a page of docs can be read out of it, and what a test types is there to be typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documented import DOCS, Command, commands, section

ROOT = Path(__file__).parents[2]
REBUILD = commands("deployment.md", "### All hosts are lost")


def test_the_way_back_from_nothing_has_its_steps_in_their_order() -> None:
    playbooks = ["provision", "fingerprint", "supabase", "claim", "backup", "restore", "deploy", "status", "audit"]
    assert [Path(one.playbook).stem for one in REBUILD] == playbooks
    assert {one.environment for one in REBUILD} == {"production"}
    assert [name for one in REBUILD for name in sorted(one.placeholders)] == ["name", "release"]
    assert [one.playbook for one in REBUILD if not (ROOT / one.playbook).is_file()] == []


def test_previews_are_set_up_made_removed_and_listed_by_playbooks_that_are_there() -> None:
    found = [*commands("previews.md", "## Set it up"), *commands("previews.md", "## Make one, and remove it")]
    assert [Path(one.playbook).stem for one in found] == ["provision", "claim", "preview", "preview", "preview"]
    assert {one.environment for one in found} == {"preview"}
    assert [one.playbook for one in found if not (ROOT / one.playbook).is_file()] == []


def test_machines_that_are_new_are_recorded_in_the_place_of_those_that_were_lost() -> None:
    """Without it a baseline that the repository knows, and that no host has, is refused: somebody may have removed it."""
    [claim] = [one for one in REBUILD if one.playbook == "playbooks/claim.yml"]
    assert claim.options == ("-e", "audit_renew_baseline=true")


def test_placeholders_are_filled_and_one_without_a_value_is_no_command() -> None:
    command = Command.of("ansible-playbook deploy.yml -i inventories/staging -e stack_release=<release> --limit '!app-1'")
    assert command.filled({"release": "1.1.0"}) == ("-e", "stack_release=1.1.0", "--limit", "!app-1")
    with pytest.raises(KeyError, match="release"):
        command.filled({})


def test_a_section_ends_at_the_next_heading_that_is_not_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.documented.DOCS", tmp_path)
    (tmp_path / "page.md").write_text("# Page\n\n## One\n\n### Part\n\ntext\n\n## Two\n\nother\n")
    assert section("page.md", "## One").split() == ["###", "Part", "text"]
    assert section("page.md", "### Part").split() == ["text"]
    with pytest.raises(AssertionError, match=r"page\.md has no ## Three"):
        section("page.md", "## Three")
    assert DOCS.is_dir()
