"""A flag switched as a person says it."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.flags import words
from ansible_collections.morpheus.deploy.plugins.plugin_utils.flags import changed
from ansible_collections.morpheus.deploy.plugins.plugin_utils.flags.checked import FlagSet

from tests.unit.flags_file import boolean, share, text, theme

HASHED = {"fractional": [{"var": "team"}, ["off", 75], ["on", 25]]}
DEEP = {"if": [{"==": [{"var": "plan"}, "paid"]}, "on", {"fractional": [["on", 10], ["off", 90]]}]}


@pytest.mark.parametrize(
    ("flag", "to", "targeting", "default"),
    [
        (boolean(), "25", {"fractional": [["on", 25], ["off", 75]]}, "off"),
        (boolean(), 25, {"fractional": [["on", 25], ["off", 75]]}, "off"),
        (boolean(), "25 %", {"fractional": [["on", 25], ["off", 75]]}, "off"),
        (share(25), "0", {"fractional": [["on", 0], ["off", 100]]}, "off"),
        (share(25), "100", {"fractional": [["on", 100], ["off", 0]]}, "off"),
        (boolean(defaultVariant="on"), "25", {"fractional": [["on", 25], ["off", 75]]}, "on"),
        (share(25), "on:50", {"fractional": [["on", 50], ["off", 50]]}, "off"),
        (boolean(targeting=HASHED), "50", {"fractional": [{"var": "team"}, ["off", 50], ["on", 50]]}, "off"),
        (boolean(targeting=DEEP), "50", {"if": [*DEEP["if"][:2], {"fractional": [["on", 50], ["off", 50]]}]}, "off"),
        (theme(), "night:30", {"fractional": [["night", 30], ["day", 70]]}, "day"),
        (theme(), "night:30, dusk:70", {"fractional": [["night", 30], ["dusk", 70]]}, "day"),
        (share(25), "on", None, "on"),
        (share(25), True, None, "on"),
        (share(25), "off", None, "off"),
        (share(25), "No", None, "off"),
        (theme(targeting={"fractional": [["night", 1]]}), "dusk", None, "dusk"),
        (boolean(variants={"new": True, "old": False}, defaultVariant="old"), "on", None, "new"),
    ],
)
def test_a_flag_is_switched_and_what_else_it_says_stays(flag: dict[str, Any], to: Any, targeting: Any, default: str) -> None:
    found = changed.changed({**flag, "state": "DISABLED", "metadata": {"owner": "web"}}, to)
    assert (found.get("targeting"), found["defaultVariant"], found["state"]) == (targeting, default, "ENABLED")
    assert (found["variants"], found["metadata"]) == (flag["variants"], {"owner": "web"})
    assert FlagSet(text({"x": found}), None, datetime.date(2026, 1, 1)).problems == []


def test_a_flag_that_is_disabled_keeps_its_shares_for_later() -> None:
    off = changed.changed(share(25), "disabled")
    assert (off, changed.changed(off, "enabled")) == ({**share(25), "state": "DISABLED"}, share(25))


NO_SHARE = '" is no share; give a whole number of percent from 0 to 100, or on, off, enabled, disabled'


@pytest.mark.parametrize(
    ("name", "to", "said"),
    [
        ("x", "25", 'flag: "x" is none of the flags; there is loud, theme, computed, twice, staff'),
        (["loud"], "25", "flag: \"['loud']\" is none of the flags; there is loud, theme, computed, twice, staff"),
        ("loud", "", "to: required; what it is switched to"),
        ("loud", {"on": 5}, "to: must be a share in percent, a variant, enabled or disabled, not a mapping"),
        ("loud", "101", f'to: "101{NO_SHARE}'),
        ("loud", "-1", f'to: "-1{NO_SHARE}'),
        ("loud", "2.5", f'to: "2.5{NO_SHARE}'),
        ("loud", "blue", f'to: "blue{NO_SHARE}'),
        ("loud", "on:90,off:20", 'to: "on:90,off:20" gives away 110 %; at most 100'),
        ("theme", "25", 'to: "25" is none of day, night, dusk, nor a share as day:25, nor enabled or disabled'),
        ("theme", "true", 'to: "true" is none of day, night, dusk, nor a share as day:25, nor enabled or disabled'),
        ("theme", "noon:25", 'to: "noon:25" is none of day, night, dusk, nor a share as day:25, nor enabled or disabled'),
        ("theme", "day:25", 'to: "day:25" leaves 75 % of users without a variant; say all of them, to 100'),
        ("computed", "25", "to: the share in its targeting is computed; edit the file, and bring it"),
        (
            "twice",
            "25",
            "to: its targeting has 2 shares of users in it, so nobody can say which is meant; edit the file, and bring it",
        ),
        (
            "staff",
            "25",
            "to: its targeting has no share of users in it, so nobody can say which is meant; edit the file, and bring it",
        ),
        ("loud", "25", ""),
        ("loud", 0, ""),
        ("loud", False, ""),
    ],
)
def test_what_cannot_be_done_is_said(name: Any, to: Any, said: str) -> None:
    part = [["on", 1], ["off", 1]]
    flags = {
        "loud": boolean(),
        "theme": theme(),
        "computed": boolean(targeting={"fractional": [["on", {"var": "w"}], ["off", 1]]}),
        "twice": boolean(targeting={"if": [{"var": "staff"}, {"fractional": part}, {"fractional": part}]}),
        "staff": boolean(targeting={"if": [{"var": "staff"}, "on"]}),
    }
    assert changed.problem(flags, name, to) == said


def test_the_file_is_written_as_people_read_it_with_its_version_first() -> None:
    found = changed.text({"flags": {}, "$evaluators": {"a": {}}, "metadata": {"team": "wéb"}}, {"x": share(5)}, 8)
    assert found.startswith('{\n  "metadata": {\n    "team": "wéb",\n    "version": "8"\n  },\n  "flags": {\n')
    assert words.version(found) == 8
    assert words.document(found)["$evaluators"] == {"a": {}}
