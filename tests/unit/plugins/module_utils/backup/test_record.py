# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of backups: what is kept, what is not one, and how two differ."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import contents, record
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.record import Held, Record, Table
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from hypothesis import given
from hypothesis import strategies as st

from tests.unit import characters

DAY = 86400
NOW = 1_790_000_000.0
ONE = Record("one", "backup", "production", record.said(NOW), "by hand", "17", "0" * 64, 4711, verified=record.said(NOW))


def aged(days: float, *, verified: bool = True) -> Record:
    at = record.said(NOW - days * DAY)
    return replace(ONE, name=f"{days:g}".replace(".", "-"), at=at, verified=at if verified else "")


def test_what_is_written_is_read_again() -> None:
    found = replace(ONE, tables={'"a"."b"': Table(3, "17")}, roles=["app"], schemas=["public"], versions=["1"])
    assert record.parse(found.text(), "one.json") == found
    objects = replace(ONE, kind="objects", roles=[], schemas=[], versions=[], buckets={"pictures": Held(3, 17, "0" * 64)})
    assert record.parse(objects.text(), "one.json") == objects


def test_backups_of_buckets_are_kept_beside_those_of_the_database() -> None:
    """The youngest of each kind, however many there are of the other."""
    records = [aged(days) for days in (1, 2, 3)]
    objects = [replace(one, name=f"{one.name}-objects", kind="objects") for one in (aged(20), aged(30))]
    found = record.expired([*records, *objects], NOW, keep_days=14, keep_at_least=1)
    assert [one.name for one in found] == ["30-objects"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "one.json is not the record of a backup: "),
        ("[]", "one.json is not the record of a backup; remove it together with its archive"),
        ('{"format": 1}', "one.json is not the record of a backup; remove"),
        (json.dumps({**json.loads(ONE.text()), "name": "../x"}), '"../x" is not the name of a backup'),
        (json.dumps({**json.loads(ONE.text()), "format": 2}), "one.json has format 2, and this version of morpheus.deploy knows"),
    ],
)
def test_what_is_no_record_is_refused(text: str, said: str) -> None:
    with pytest.raises(DeployError) as refused:
        record.parse(text, "one.json")
    assert said in str(refused.value)


TABLE = {"rows": 1, "digest": "1"}
HELD = {"objects": 1, "bytes": 1, "sha256": "0"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("buckets", {"pictures": {**HELD, **one}}) for one in ({"objects": -1}, {"bytes": "1"}, {"sha256": 1}, {"more": 1})),
        *(("buckets", one) for one in ([1], {"../x": HELD}, {"pictures": 1})),
        *(
            ("tables", {name: TABLE})
            for name in ("a", "pg_class", '"a"."b" as t; drop table c; --', '"a"."b"\n\\! id', '"a".b', '""."b"')
        ),
        *(
            ("tables", {'"a"."b"': one})
            for one in ({**TABLE, "rows": "1"}, {**TABLE, "digest": "1'"}, {"rows": 1}, 1, {**TABLE, "x": 1})
        ),
        ("tables", [1]),
        ("tables", {'"a"."b"': {**TABLE, "rows": -1}}),
        *((key, value) for key in ("roles", "schemas", "versions") for value in ("app", [1], [""], {"a": 1}, ["a\0"])),
        *(("size", size) for size in ("1", -1, 1.5, True, None)),
        *((key, 1) for key in ("at", "sha256", "environment", "kind", "why", "verified", "of", "server")),
        ("at", ["x"]),
        ("why", {}),
    ],
)
def test_what_a_stranger_wrote_into_the_store_becomes_no_part_of_a_statement(key: str, value: Any) -> None:
    with pytest.raises(DeployError) as refused:
        record.parse(json.dumps({**json.loads(ONE.text()), key: value}), "one.json")
    assert str(refused.value).startswith(f"one.json is not a record as backups are written: {key} cannot be read")


@given(st.lists(characters.text(min_size=1, without="\0"), min_size=2, max_size=2))
def test_every_name_that_a_database_can_have_is_read(names: list[str]) -> None:
    found = replace(ONE, tables={contents.quoted(*names): Table(3, "-17")})
    assert record.parse(found.text(), "one.json").tables == found.tables


FOREIGN: dict[str, tuple[str, Record, str]] = {
    "of another backup": ("two.json", ONE, "two.json is the record of one"),
    "of another place": ("one.json", replace(ONE, name="two"), "one.json is the record of two"),
    "of no time": ("one.json", replace(ONE, at="soon"), "at cannot be read"),
    "verified at no time": ("one.json", replace(ONE, verified="true"), "verified cannot be read"),
    "of tomorrow": ("one.json", replace(ONE, at=record.said(NOW + 2 * DAY)), "one.json is of 2026-09-23T"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_record_that_would_stand_for_others_is_refused(name: str) -> None:
    """One of tomorrow would for ever be the last backup, and one of another name could make that go."""
    where, found, words = FOREIGN[name]
    with pytest.raises(DeployError) as refused:
        record.listed([(f"production/{where}", found.text())], NOW)
    assert words in str(refused.value)


def test_records_are_listed_oldest_first() -> None:
    texts = [(f"production/{one.name}.json", one.text()) for one in (aged(1), aged(3), aged(0.5))]
    assert [one.name for one in record.listed(texts, NOW)] == ["3", "1", "0-5"]


@pytest.mark.parametrize(
    ("records", "gone"),
    [
        pytest.param([aged(1), aged(20)], [], id="too few to remove one"),
        pytest.param([aged(1), aged(2), aged(13), aged(15)], ["15"], id="old, and enough are left"),
        pytest.param([aged(20, verified=False), aged(30, verified=False)], [], id="none is verified"),
        pytest.param([aged(1, verified=False), aged(15), aged(16), aged(17)], ["17"], id="what is not verified does not count"),
        pytest.param([aged(1), aged(2), aged(3), aged(15, verified=False)], ["15"], id="old and not verified"),
    ],
)
def test_old_backups_go_and_the_last_verified_ones_stay(records: list[Record], gone: list[str]) -> None:
    assert [one.name for one in record.expired(records, NOW, keep_days=14, keep_at_least=2)] == gone


@given(st.lists(st.tuples(st.integers(0, 90), st.booleans()), max_size=12), st.floats(0, 60), st.integers(1, 5))
def test_whatever_there_is_the_youngest_verified_ones_stay(ages: list[tuple[int, bool]], days: float, least: int) -> None:
    records = [replace(aged(age, verified=verified), name=str(number)) for number, (age, verified) in enumerate(ages)]
    gone = {one.name for one in record.expired(records, NOW, keep_days=days, keep_at_least=least)}
    verified = sorted((one for one in records if one.verified), key=lambda one: one.seconds, reverse=True)
    left = [one for one in verified if one.name not in gone]
    assert len(left) >= min(least, len(verified))
    assert not verified or verified[0].seconds == max((one.seconds for one in left), default=0)


@pytest.mark.parametrize("name", ["", "../x", "A", "a/b", "a" * 200, ".hidden", "a b", "a..b"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    assert "is not the name of a backup" in record.name_problem(name)
    assert record.name_problem("20261127t020000z") == ""


def test_tables_that_differ_are_told_each_once() -> None:
    wanted = {"a": Table(1, "1"), "b": Table(2, "1"), "c": Table(3, "1"), "same": Table(4, "4")}
    seen = {"a": Table(1, "2"), "b": Table(5, "1"), "d": Table(6, "1"), "same": Table(4, "4")}
    assert record.differences(wanted, seen, now="now", then="in the backup") == [
        "a: 1 rows now and in the backup, with other content",
        "b: 5 rows now, 2 rows in the backup",
        "c: no such table now, and 3 rows in the backup",
        "d: 6 rows now, and no such table in the backup",
    ]
