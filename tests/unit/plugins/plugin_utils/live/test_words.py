from __future__ import annotations

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.live import github, words

MESSAGE = """service "api": morpheus-api-3 did not pass its gate: the last answer was: status 503.
The last log lines of morpheus-api-3:
no DATABASE_URL
Nothing was switched: this host runs what it ran before (1.0.0)."""


def test_a_failure_is_told_in_three_lines_and_the_rest() -> None:
    matter, rest = words.failure("FAILED", "app-1", "Switch to the release", MESSAGE)
    assert matter == [
        "FAILED app-1: Switch to the release",
        '  service "api": morpheus-api-3 did not pass its gate: the last answer was: status 503.',
        "  Nothing was switched: this host runs what it ran before (1.0.0).",
    ]
    assert rest == ["    The last log lines of morpheus-api-3:", "    no DATABASE_URL"]


def test_a_failure_of_one_line_has_no_rest() -> None:
    matter, rest = words.failure("FAILED", "app-1", "Look", "it is gone")
    assert (matter, rest) == (["FAILED app-1: Look", "  it is gone"], [])


def test_of_a_list_of_problems_the_order_stays() -> None:
    matter, rest = words.failure("FAILED", "app-1", "Check", "3 problems:\n- one\n- two\n- three")
    indented = words.failure("FAILED", "app-1", "Check", "In x:\n  - one\n  - two")
    assert (indented[0][1:], indented[1]) == (["  In x:", "  - one"], ["  - two"])
    assert (matter[1:], rest) == (["  3 problems:", "  - one"], ["  - two", "  - three"])


def test_a_failure_cannot_act_on_the_terminal() -> None:
    matter, rest = words.failure("FAILED", "app-1", "Look", "a\x1b[2Jb\nc\x07d\ne")
    assert "\x1b" not in "".join([*matter, *rest])
    assert "\x07" not in "".join([*matter, *rest])


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"msg": "no room"}, "no room"),
        ({"msg": "non-zero return code", "stderr": "no such file", "stdout": ""}, "non-zero return code\nno such file"),
        ({"censored": "the output is hidden"}, "the output is hidden"),
        ({}, "it says nothing"),
    ],
)
def test_why_something_failed(result: dict[str, str], expected: str) -> None:
    assert words.why(result) == expected


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [(["a"], "a"), (["a", "b", "c", "d"], "a, b, c, d"), ([*"abcdef"], "a, b, c and 3 more")],
)
def test_many_hosts_are_named_by_their_number(hosts: list[str], expected: str) -> None:
    assert words.who(hosts) == expected


@pytest.mark.parametrize(("seconds", "expected"), [(0.9, "0:00"), (75, "1:15"), (3725, "1:02:05")])
def test_time(seconds: float, expected: str) -> None:
    assert words.clock(seconds) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("morpheus.deploy.rollout : Switch to the release", "Switch to the release"),
        ("Validating arguments against arg spec 'main' - Take the lease", "Check the options of: Take the lease"),
        ("Say\nit", "Say it"),
    ],
)
def test_names_of_tasks(name: str, expected: str) -> None:
    assert words.task(name) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("::add-mask::x", ": :add-mask::x"),
        ("    ::error::mine", "    : :error::mine"),
        ("12:00:00 ##[error]mine", "12:00:00 ## [error]mine"),
        ("std::string is fine", "std::string is fine"),
    ],
)
def test_no_text_is_taken_for_a_command_of_github(line: str, expected: str) -> None:
    assert github.harmless(line) == expected


def test_an_annotation_has_its_lines_and_cannot_end_early() -> None:
    assert github.error("FAILED app-1: a, b", "one\ntwo 100%") == "::error title=FAILED app-1%3A a%2C b::one%0Atwo 100%25"
    assert github.group("Roll out\n::error::x") == "::group::Roll out%0A::error::x"
