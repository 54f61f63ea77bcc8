"""What hosts are to have, from what they have and what is asked: no change of anybody is undone unseen."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.flags import words
from ansible_collections.morpheus.deploy.plugins.plugin_utils.flags.asked import (
    BRING,
    TAKE,
    Host,
    Request,
    apart,
    compared,
    lines,
    wanted,
)

from tests.unit.flags_file import boolean, share, text, theme

FILE = text({"loud": share(0), "theme": theme()}, 7)
LAST = {"at": "2026-11-27T03:00:00Z", "by": "alice", "why": "it breaks", "version": 8, "changes": ["loud: x -> y"]}
TO_50 = Request("loud", "50", "a try")


def host(name: str, content: str, *history: dict[str, Any]) -> Host:
    return Host(name, content, words.version(content), list(history))


BOTH = [host("app-1", FILE), host("app-2", FILE)]
NEWER = host("app-2", text({"loud": boolean(state="DISABLED"), "theme": theme()}, 8), LAST)
EDITED = text({"loud": share(0), "theme": theme(defaultVariant="night")}, 7)


def test_a_switch_is_a_version_of_its_own_with_nothing_else_in_it() -> None:
    found = wanted(TO_50, FILE, BOTH)
    assert (found.problems, found.brought, found.changes) == ([], True, ["loud: on 0 %, off 100 % -> on 50 %, off 50 %"])
    assert words.document(found.text) == words.document(text({"loud": share(50), "theme": theme()}, 8))


def test_what_is_so_already_is_brought_to_nobody_and_what_an_interrupted_run_has_left_is() -> None:
    again = wanted(TO_50, FILE, BOTH).text
    assert wanted(TO_50, again, [host("app-1", again), host("app-2", again)]).brought is False
    found = wanted(TO_50, again, [host("app-1", again), host("app-2", FILE)])
    assert (found.problems, found.brought, found.text) == ([], True, again)


@pytest.mark.parametrize(
    ("file", "hosts", "said"),
    [
        (
            FILE,
            [BOTH[0], NEWER],
            "app-2 has version 8 by alice, 2026-11-27T03:00:00Z, it breaks, the file 7 (loud: on 0 %, off 100 % -> disabled): "
            f"{TAKE}, and switch again",
        ),
        (EDITED, BOTH[:1], f"app-1 has other flags than the file (theme: night -> day): {BRING}, or {TAKE}, and switch again"),
    ],
    ids=["a switch that the file does not know of", "a file that was edited and not brought"],
)
def test_a_switch_that_would_undo_something_is_refused(file: str, hosts: list[Host], said: str) -> None:
    found = wanted(TO_50, file, hosts)
    assert (found.problems, found.brought, found.text) == ([said], False, file)


def test_the_file_takes_over_what_hosts_have_and_hosts_what_it_says_as_a_newer_version() -> None:
    hosts = [BOTH[0], NEWER]
    taken = wanted(Request(take=True), FILE, hosts)
    assert (taken.text, taken.brought, taken.problems) == (NEWER.text, False, [])
    brought = wanted(Request(bring=True, why="back"), EDITED, hosts)
    assert brought.brought
    assert words.document(brought.text) == {**words.document(EDITED), "metadata": {"version": "9"}}
    assert wanted(Request(bring=True, why="back"), FILE, BOTH).brought is False


@pytest.mark.parametrize(
    ("file", "hosts", "said"),
    [
        (FILE, [host("app-1", "")], "no host has flags to take over"),
        (
            FILE,
            [NEWER, host("app-1", text({"loud": share(5), "theme": theme()}, 8))],
            f"app-2, app-1 have version 8, and not the same flags (loud: disabled -> on 5 %, off 95 %): {BRING}",
        ),
        (text({}, 9), [NEWER], f"the file has version 9, and hosts 8, which is from before: {BRING}"),
    ],
)
def test_what_cannot_be_taken_over_is_said(file: str, hosts: list[Host], said: str) -> None:
    assert wanted(Request(take=True), file, hosts).problems == [said]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (Request(), []),
        (TO_50, []),
        (Request(take=True), []),
        (Request("loud", "50"), ["why: required; for what, for the history"]),
        (Request(bring=True), ["why: required; for what, for the history"]),
        (Request(to="50", why="x"), ["flag: required; which flag is switched"]),
        (Request("loud", "50", "x", take=True), ["flag, flags_bring and flags_take: say one of them"]),
        (
            Request("lod", "", " "),
            ['flag: "lod" is none of the flags; there is loud, theme', "why: required; for what, for the history"],
        ),
    ],
)
def test_what_is_asked_is_looked_at_before_any_connection(request_: Request, said: list[str]) -> None:
    assert request_.problems(words.flags(FILE)) == said


def test_flags_are_shown_with_what_hosts_have_otherwise_and_each_change_once() -> None:
    late = {**LAST, "at": "2026-11-27T03:00:01Z"}
    first = {"at": "2026-11-26T09:00:00Z", "by": "a deploy", "why": "release 1.0.0", "version": 7, "changes": []}
    file = text({"loud": boolean(metadata={"owner": "web", "expires": "2027-01-01"}), "theme": theme()}, 8)
    hosts = [host("app-1", file, LAST, first), host("app-2", FILE, late)]
    assert lines(file, hosts) == [
        "loud: off (owner: web, expires: 2027-01-01)",
        "theme: day",
        "app-2 has version 7, the file 8: loud: off -> on 0 %, off 100 %",
        "2026-11-27T03:00:00Z  version 8  alice  it breaks: loud: x -> y",
        "2026-11-26T09:00:00Z  version 7  a deploy  release 1.0.0: no flag",
    ]
    assert apart(file, hosts) == ["app-2 has version 7, the file 8: loud: off -> on 0 %, off 100 %"]
    assert apart(file, hosts[:1]) == []


def test_two_environments_are_compared_flag_by_flag() -> None:
    other = text({"loud": share(50), "theme": theme(metadata={"owner": "web"}), "more": boolean()}, 3)
    assert compared(FILE, other, ("staging", "production")) == [
        "loud: staging on 0 %, off 100 %; production on 50 %, off 50 %",
        "more: staging not there; production off",
        "theme: staging day; production day, with another metadata",
    ]
    assert compared(FILE, FILE, ("staging", "production")) == ["staging and production have the same flags"]
