from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import DamagedError
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import (
    Kind,
    Lineage,
    Rolling,
    Schema,
    Status,
    read_lineage,
    write_lineage,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.effort import examples


def lived(*ids: str) -> Lineage:
    lineage = Lineage()
    for identity in ids:
        lineage.prepared(identity)
        lineage.went_live(identity, Kind.DEPLOY)
    return lineage


def test_the_last_to_go_live_is_live_and_the_one_before_is_the_previous() -> None:
    lineage = lived("a", "b", "c")
    assert (lineage.live, lineage.previous()) == ("c", "b")
    assert [lineage.status(one) for one in "abc"] == [Status.SUPERSEDED, Status.SUPERSEDED, Status.LIVE]


def test_nothing_comes_before_the_first_release() -> None:
    assert (Lineage().live, Lineage().previous(), lived("a").previous()) == ("", "", "")


def test_a_release_that_failed_is_never_the_previous_one() -> None:
    lineage = lived("a", "b", "c")
    lineage.failed("b", "it failed its gate when it was deployed again", unfinished=False)
    assert lineage.previous() == "a"


def test_what_a_rollback_leaves_counts_as_failed_and_is_never_gone_back_to() -> None:
    lineage = lived("a", "b", "c")
    lineage.went_live("b", Kind.ROLLBACK)
    assert (lineage.live, lineage.previous(), lineage.status("c")) == ("b", "a", Status.FAILED)
    lineage.went_live("d", Kind.DEPLOY)
    assert lineage.previous() == "b"


def test_a_release_that_failed_and_is_deployed_well_later_is_good_again() -> None:
    lineage = lived("a", "b")
    lineage.went_live("a", Kind.ROLLBACK)
    lineage.went_live("b", Kind.DEPLOY)
    lineage.went_live("c", Kind.DEPLOY)
    assert lineage.previous() == "b"


def test_a_failed_deploy_of_what_is_live_leaves_it_live() -> None:
    lineage = lived("a", "b")
    lineage.failed("b", "new secrets", unfinished=False)
    assert lineage.status("b") is Status.LIVE


def test_a_rollout_that_left_a_host_mixed_still_counts_as_begun() -> None:
    lineage = lived("a")
    lineage.begin("b", Kind.DEPLOY)
    lineage.failed("b", "gate", unfinished=True)
    assert lineage.rolling == Rolling("b", Kind.DEPLOY)
    lineage.failed("b", "gate", unfinished=False)
    assert lineage.rolling is None


DOOMED = [
    pytest.param("abcdefg", 5, (), "ab", id="the oldest go"),
    pytest.param("abcdefg", 5, ("a-1",), "bc", id="a pinned one stays and counts"),
    pytest.param("abc", 5, (), "", id="there are few"),
    pytest.param("abcd", 1, (), "ab", id="the one before the live one always stays"),
]


@pytest.mark.parametrize(("ids", "retain", "pinned", "doomed"), DOOMED)
def test_releases_beyond_the_number_go(ids: str, retain: int, pinned: tuple[str, ...], doomed: str) -> None:
    lineage = lived(*(f"{one}-1" for one in ids))
    assert lineage.doomed([f"{one}-1" for one in ids], retain, pinned) == [f"{one}-1" for one in doomed]


def test_a_release_can_be_pinned_by_its_name() -> None:
    lineage = lived("1.0-a", "2.0-b", "3.0-c")
    assert lineage.doomed(["1.0-a", "2.0-b", "3.0-c"], 1, ["1.0"]) == []


@settings(max_examples=examples(100))
@given(st.lists(st.sampled_from("abcdef"), max_size=12), st.lists(st.sampled_from("abcdef")), st.integers(1, 6))
def test_live_previous_rolling_and_pinned_releases_are_never_doomed(history: list[str], pinned: list[str], retain: int) -> None:
    lineage = lived(*history)
    lineage.begin("f", Kind.DEPLOY)
    doomed = lineage.doomed(list("abcdef"), retain, pinned)
    assert not {lineage.live, lineage.previous(list("abcdef")), "f", *pinned} & set(doomed)
    assert len(doomed) == len(set(doomed))


def test_the_schema_only_ever_goes_up_and_numbers_are_compared_as_numbers() -> None:
    schema = Schema()
    assert schema.migrated({"head": "9", "compatible_since": ""})
    assert schema.migrated({"head": "10", "compatible_since": "9"})
    assert not schema.migrated({"head": "2", "compatible_since": ""})
    assert (schema.head, schema.compatible_since) == ("10", "9")


@pytest.mark.parametrize(
    ("release", "known"),
    [
        ({"head": "9", "compatible_since": ""}, True),
        ({"head": "8", "compatible_since": "2"}, True),
        ({"head": "10", "compatible_since": ""}, False),
        ({"head": "9", "compatible_since": "3"}, False),
    ],
)
def test_a_schema_that_was_told_before_is_known_and_asking_tells_nothing(release: dict[str, str], known: bool) -> None:
    schema = Schema("9", "2")
    assert schema.knows(release) is known
    assert schema == Schema("9", "2")


def test_what_was_applied_is_remembered_and_what_comes_later_counts() -> None:
    schema = Schema()
    assert schema.applied({"1": "a", "2": "b"})
    assert not schema.applied({"1": "a"})
    assert schema.applied({"2": "c"})
    assert schema.files == {"1": "a", "2": "c"}


def test_a_lineage_from_before_applied_files_were_remembered_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "lineage.json"
    path.write_text('{"trail": ["a"], "rolling": null, "fates": {}, "schema": {"head": "3", "compatible_since": ""}}')
    assert read_lineage(path) == Lineage(["a"], schema=Schema("3", "", {}))


def test_a_lineage_comes_back_as_it_was_written(tmp_path: Path) -> None:
    lineage = lived("a", "b")
    lineage.failed("c", "why", unfinished=False)
    lineage.begin("d", Kind.ROLLBACK)
    lineage.schema.migrated({"head": "3", "compatible_since": "1"})
    lineage.schema.applied({"3": "c0ffee"})
    write_lineage(tmp_path / "lineage.json", lineage)
    again = read_lineage(tmp_path / "lineage.json")
    assert again == lineage
    assert list(again.fates) == list(lineage.fates)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"trail": ["a"], "rolling": "x", "fates": {}, "schema": {}}', '{"trail"'])
def test_a_lineage_that_cannot_be_read_is_named_with_the_mend(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lineage.json"
    path.write_text(text)
    with pytest.raises(DamagedError) as caught:
        read_lineage(path)
    assert str(caught.value).startswith(f"{path} cannot be read (it ")
    assert str(caught.value).endswith(
        "): deploy the running release again to restore it from the journal, the manifests and the containers"
    )
