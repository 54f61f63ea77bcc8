from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base import formats
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import DamagedError, Format, NewerFormatError

ROOT = Path(__file__).parents[5]
THIRD = Format(
    "lists of colours",
    mend="paint {path} anew",
    otherwise="remove {path}",
    number=3,
    steps={1: lambda old: {"colours": [old["colour"]]}, 2: lambda old: {"colours": sorted(old["colours"]), "count": 1}},
)
FIRST = Format("lists of colours", mend="paint it anew", silent=True)
KINDS = {name: found for name, found in vars(formats).items() if isinstance(found, Format)}


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_what_is_written_carries_its_number_and_is_read_without_it(tmp_path: Path) -> None:
    content = {"colours": ["red"], "count": 1}
    assert THIRD.numbered(content) == {"format": 3, **content}
    assert THIRD.load(write(tmp_path / "a", THIRD.numbered(content))) == content


def test_where_older_versions_refuse_what_they_do_not_know_format_1_is_written_without_a_number(tmp_path: Path) -> None:
    assert FIRST.numbered({"colour": "red"}) == {"colour": "red"}
    assert FIRST.load(write(tmp_path / "a", {"colour": "red"})) == {"colour": "red"}


def test_a_document_that_older_versions_read_rightly_is_written_for_them(tmp_path: Path) -> None:
    kind = replace(FIRST, number=2, steps={1: lambda old: old}, least=lambda found: 2 if "new" in found else 1)
    assert kind.numbered({"colour": "red"}) == {"colour": "red"}
    assert kind.numbered({"new": "red"}) == {"format": 2, "new": "red"}
    assert kind.load(write(tmp_path / "a", kind.numbered({"new": "red"}))) == {"new": "red"}


@pytest.mark.parametrize(
    "old", [{"colour": "red"}, {"format": 1, "colour": "red"}, {"format": 2, "colours": ["red"]}], ids=["none", "1", "2"]
)
def test_older_formats_are_brought_to_the_one_of_this_version(old: dict[str, Any], tmp_path: Path) -> None:
    assert THIRD.load(write(tmp_path / "a", old)) == {"colours": ["red"], "count": 1}


def test_a_newer_format_is_refused_in_one_sentence_with_path_both_numbers_and_the_ways_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a", {"format": 4})
    with pytest.raises(NewerFormatError) as caught:
        THIRD.load(path)
    assert str(caught.value) == (
        f"{path} has format 4, and this version of morpheus.deploy knows lists of colours only up to format 3: run this with the "
        f"newer version that wrote it, or remove {path}"
    )


DAMAGED = [
    pytest.param("", "it is empty", id="empty"),
    pytest.param(" \n", "it is empty", id="blank"),
    pytest.param('{"colour": "re', "it ends in the middle", id="torn in a word"),
    pytest.param('{"colour": ', "it ends in the middle", id="torn after a colon"),
    pytest.param('{"colour": "red"\n', "it ends in the middle", id="torn before its end"),
    pytest.param("colour", "it is no JSON, line 1: Expecting value", id="text"),
    pytest.param("[1]", "it holds a list where a mapping belongs", id="a list"),
    pytest.param("null", "it holds nothing where a mapping belongs", id="null"),
    pytest.param("7", "it holds a number where a mapping belongs", id="a number"),
    pytest.param('{"format": "1"}', "it has the format '1' where a number belongs", id="a number that is a string"),
    pytest.param('{"format": 0}', "it has the format 0 where a number belongs", id="zero"),
    pytest.param('{"format": true}', "it has the format True where a number belongs", id="true"),
]


@pytest.mark.parametrize(("text", "what"), DAMAGED)
def test_what_cannot_be_read_is_named_with_what_is_wrong_and_the_mend(text: str, what: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a", text)
    with pytest.raises(DamagedError) as caught:
        THIRD.load(path)
    assert str(caught.value) == f"{path} cannot be read ({what}): paint {path} anew"


def test_bytes_that_are_no_text_and_a_directory_in_its_place_are_named_too(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b'{"colour": "\xff"}')
    with pytest.raises(DamagedError, match=r"\(it holds bytes that are no text \(at 12\)\): paint"):
        THIRD.load(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(DamagedError) as caught:
        THIRD.load(path)
    assert str(caught.value) == (
        f"{path} cannot be read (it is a directory): move it away (mv {path} {path}.damaged); then paint {path} anew"
    )


def test_a_file_of_haproxy_has_its_number_in_a_comment_and_none_is_the_first(tmp_path: Path) -> None:
    text = "# Backends of the stack shop.\nbackend shop.api\n"
    assert FIRST.commented(write(tmp_path / "a", text)) == text
    assert FIRST.commented(write(tmp_path / "a", f"# morpheus.deploy format 1\n{text}")).endswith(text)
    with pytest.raises(NewerFormatError, match=r"has format 2, and this version of morpheus\.deploy knows lists of col"):
        FIRST.commented(write(tmp_path / "a", f"{text}# morpheus.deploy format 2\n"))


def test_a_file_that_is_not_there_is_another_matter(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        THIRD.load(tmp_path / "a")


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_has_a_step_from_each_number_to_the_next_and_names_its_mends(name: str) -> None:
    kind = KINDS[name]
    assert sorted(kind.steps) == list(range(1, kind.number))
    assert kind.mend
    # What has no number is read by others too: it is theirs to say what it means.
    assert kind.otherwise or name in ("SECRETS", "FINGERPRINT_KEY")


@pytest.mark.parametrize("name", KINDS)
def test_the_table_in_the_design_says_what_number_each_kind_has(name: str) -> None:
    kind = KINDS[name]
    rows = [line for line in (ROOT / "docs/design.md").read_text().splitlines() if f"| `{name}` |" in line]
    assert len(rows) == 1, f"docs/design.md needs one row for {name}"
    assert rows[0].split("|")[3].strip() == str(kind.number)
