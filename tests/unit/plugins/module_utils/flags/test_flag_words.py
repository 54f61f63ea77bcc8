"""Feature flags in words."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.flags import words

from tests.unit.flags_file import boolean, share, text, theme


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        (boolean(), "off"),
        (boolean(defaultVariant=None), "the application's own default"),
        (boolean(state="DISABLED"), "disabled"),
        (boolean(targeting={}), "off"),
        (share(25), "on 25 %, off 75 %"),
        (theme(targeting={"fractional": [{"var": "team"}, ["day"], ["night"], ["dusk", 2]]}), "day 25 %, night 25 %, dusk 50 %"),
        (boolean(targeting={"if": [{"var": "staff"}, "on"]}), "by its targeting, else off"),
        (boolean(targeting={"fractional": [["on", {"var": "weight"}], ["off", 1]]}), "by its targeting, else off"),
        (boolean(targeting={"fractional": [["on", 0], ["off", 0]]}), "on 0 %, off 0 %"),
        ({}, "the application's own default"),
    ],
)
def test_a_flag_says_what_users_get(flag: dict[str, Any], said: str) -> None:
    assert words.phrase(flag) == said


def test_what_differs_between_two_files_is_a_sentence_for_each_flag() -> None:
    before = text({"a": share(0), "gone": boolean(), "same": boolean(), "owner": boolean()})
    after = text({"a": share(50), "new": theme(), "same": boolean(), "owner": boolean(metadata={"owner": "web"})}, 2)
    assert words.changes(before, after) == [
        "a: on 0 %, off 100 % -> on 50 %, off 50 %",
        "gone: taken out, was off",
        "new: new, day",
        "owner: off, with another metadata",
    ]
    assert words.changes(before, before) == []


@pytest.mark.parametrize(
    ("content", "version"),
    [
        (text({}, 7), 7),
        (text({}, None), 0),
        ("", 0),
        (None, 0),
        (b"\xff", 0),
        ("[", 0),
        ("[]", 0),
        ('{"metadata": 5, "flags": 5}', 0),
        ('{"metadata": {"version": "x7"}}', 0),
        ('{"metadata": {"version": "-7"}}', 0),
        ('{"metadata": {"version": null}}', 0),
        ("[" * 100_000, 0),
    ],
    ids=[f"case {number}" for number in range(12)],
)
def test_what_is_no_file_of_flags_has_no_version_and_no_flag(content: Any, version: int) -> None:
    assert (words.version(content), words.flags(content)) == (version, {})
