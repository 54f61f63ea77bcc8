"""What is wrong with a file of feature flags, and what of it is out of date."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.flags import official
from ansible_collections.morpheus.deploy.plugins.plugin_utils.flags.checked import FlagSet
from hypothesis import given
from hypothesis import strategies as st

from tests.unit import characters
from tests.unit.flags_file import TEN, TEN_KNOWN, TEN_SAID, boolean, document, share, text, theme

TODAY = datetime.date(2026, 11, 27)
STAFF = {"if": [{"ends_with": [{"var": "email"}, "@example.com"]}, "on", {"fractional": [["on", 10], ["off", 90]]}]}


def problems(content: str, known: dict[str, str] | None = None) -> list[str]:
    return FlagSet(content, known, TODAY).problems


def test_ten_mistakes_are_told_at_once_each_with_its_path() -> None:
    assert problems(text(TEN), TEN_KNOWN) == TEN_SAID


@pytest.mark.parametrize(
    "flag",
    [
        boolean(),
        boolean(defaultVariant=None),
        boolean(state="DISABLED"),
        boolean(targeting={}),
        boolean(targeting=STAFF),
        boolean(targeting={"if": [{"$ref": "staff"}, "on", "off"]}),
        boolean(
            targeting={"if": [{"==": [{"var": "plan"}, "paid"]}, True, False]},
            variants={"true": True, "false": False},
            defaultVariant="true",
        ),
        theme(targeting={"fractional": [{"cat": [{"var": "$flagd.flagKey"}, {"var": "team"}]}, ["day"], ["night", 3]]}),
        theme(targeting={"sem_ver": [{"var": "version"}, "^", "2.0.0"]}),
        {"state": "ENABLED", "variants": {"few": 3, "many": 4.5}, "defaultVariant": "few"},
        {"state": "ENABLED", "variants": {"a": {"size": 3}, "b": {}}, "defaultVariant": "a"},
        boolean(metadata={"owner": "web", "expires": "2027-01-01", "ticket": 7, "kill": True}),
    ],
)
def test_what_flagd_takes_is_taken(flag: dict[str, Any]) -> None:
    whole = {"$schema": "https://flagd.dev/schema/v0/flags.json", **document({"x": flag}), "$evaluators": {"staff": STAFF}}
    found = FlagSet(json.dumps(whole), None, TODAY)
    assert (found.problems, found.notes, found.flags) == ([], [], {"x": flag})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", ["is no JSON: line 1: Expecting property name enclosed in double quotes"]),
        ("", ["is no JSON: line 1: Expecting value"]),
        ("[]", ["must be a mapping, not a list"]),
        ("{}", ["flags: required"]),
        ('{"flags": []}', ["flags: must be a mapping, not a list"]),
        ('{"flags": {"x": NaN}}', ["is no JSON: NaN is no number of JSON"]),
        ('{"flags": {"x": {}, "x": {}}}', ['"x" stands twice in one mapping, and only the last would count']),
        (text({}, flag={}), ['flag: unknown key; did you mean "flags"?']),
        (
            '{"flags": {}, "metadata": {"version": 7}}',
            [
                "metadata.version: 7 must be a whole number in quotes, which playbooks/flags.yml counts up",
            ],
        ),
        ('{"flags": {}, "metadata": {"team": []}}', ["metadata.team: [] is not of type 'string', 'number', 'boolean'"]),
        (text({"x": 5}), ["flags.x: must be a mapping, not a number"]),
        (text({"": boolean()}), ["flags: a name is empty"]),
        (text({"x": boolean(variants={})}), ["flags.x.variants: required; name at least one, with its value"]),
        (text({"x": boolean(state=None)}), ["flags.x.state: null is not one of ENABLED, DISABLED"]),
        (
            text({"x": {"variants": {"on": True}}}),
            [
                "flags.x.state: (missing) is not one of ENABLED, DISABLED",
                "flags.x.defaultVariant: required; null leaves it to the application",
            ],
        ),
        (
            text({"x": boolean(targeting={"$ref": "staff"})}),
            ['flags.x.targeting: "staff" is none of the $evaluators (there are none)'],
        ),
        (
            text({"x": boolean(targeting={"fractional": [["on", 0], ["off", 0]]})}),
            ["flags.x.targeting: fractional: all weights are 0, so nobody would get a variant by it"],
        ),
        (
            text({"x": boolean(targeting={"fractional": [["on", -1], ["off", 1]]})}),
            ["flags.x.targeting: fractional: the weight -1 must be a whole number, 0 or more"],
        ),
        (text({"x": boolean(targeting={"sem_ver": [1, "~", "2.0.0"]})}), ["flags.x.targeting.sem_ver[0]: "]),
        (text({"x": boolean(metadata={"expires": "2026-13-01"})}), ['flags.x.metadata.expires: "2026-13-01" is no date;']),
        (text({"x": boolean(metadata={"owner": ["web"]})}), ["flags.x.metadata.owner: ['web'] is not of type"]),
    ],
)
def test_what_is_wrong_is_said_with_its_path(content: str, said: list[str]) -> None:
    found = problems(content)
    assert len(found) == len(said)
    assert [one[: len(expected)] for one, expected in zip(found, said, strict=True)] == said


def test_a_flag_past_its_date_and_one_that_is_missing_are_told_and_stop_nobody() -> None:
    flags = {
        "old": boolean(metadata={"expires": "2026-11-26", "owner": "web"}),
        "older": boolean(metadata={"expires": "2020-01-01"}),
        "today": boolean(metadata={"expires": "2026-11-27"}),
    }
    found = FlagSet(text(flags), dict.fromkeys([*flags, "missing"], "boolean"), TODAY)
    assert found.problems == []
    assert found.notes == [
        "flags.old: has expired on 2026-11-26; take it out of the application, and of the file (owner: web)",
        "flags.older: has expired on 2020-01-01; take it out of the application, and of the file",
        "flags.missing: is not in the file, so the application goes by its own default",
    ]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | characters.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["fractional", "if", "$ref", "variants", "state", "targeting", "metadata", "x"]),
                inner,
                max_size=3,
            )
        ),
        max_leaves=8,
    )
)
def test_whatever_stands_there_is_refused_in_words_or_taken(value: Any) -> None:
    for content in (json.dumps(value), text({"x": value}), text({"x": boolean(targeting=value)})):
        found = FlagSet(content, {"x": "boolean"}, TODAY)
        assert all(isinstance(one, str) and one for one in found.problems)
        if not found.problems:
            assert not official.problems(json.loads(content))


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(official, "is_missing", lambda: True)
    assert problems(text({"x": share(5)})) == [official.MISSING]
