"""docs/refusals.md has a row for every refusal that a test asserts, in the words of the test."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.unit.reference import written
from tests.unit.refusals import (
    PAGE,
    Refusal,
    alone,
    before_any_change,
    before_any_host,
    before_any_write,
    lost,
    place,
    table,
    tables,
)


def test_the_page_is_as_the_tests_say() -> None:
    text = PAGE.read_text()
    assert set(re.findall(r"<!-- (\w+) -->", text)) == set(tables())
    assert text == written(text, tables()), "regenerate it: python -m tests.unit.refusals"


@pytest.mark.parametrize("found", [before_any_host, before_any_write, before_any_change])
def test_what_is_asserted_in_a_combination_has_a_case_of_its_own(found: Callable[[], list[Refusal]]) -> None:
    assert lost(found()) == set()


def test_a_message_has_one_row_whatever_names_and_numbers_are_in_it() -> None:
    found = [
        Refusal("port 0", ["stack.services[0].port: 0 is not a port"]),
        Refusal("a high port", ["stack.services[1].port: 70000 is not a port"]),
        Refusal("a bad name", ['stack.name: "A!" may hold only letters']),
        Refusal("nothing", []),
    ]
    assert [what for what, _ in alone(found)] == ["port 0", "a bad name"]


def test_a_service_has_one_row_for_one_reason_and_that_is_the_whole_message() -> None:
    found = [
        Refusal("short", ['compose.yml: services.api.volumes: "/a" has no name; ']),
        Refusal("whole", ['services.db.volumes: "/b" has no name; write one']),
        Refusal("again", ['services.db.volumes: "/c" has no name; write c']),
    ]
    assert alone(found) == [("whole", 'services.db.volumes: "/b" has no name; write one')]


def test_a_combination_has_no_row_and_what_is_said_only_there_is_known() -> None:
    found = [Refusal("one", ["stack.a: is wrong"]), Refusal("both", ["stack.a: is wrong", "stack.b: is wrong"])]
    assert [what for what, _ in alone(found)] == ["one"]
    assert lost(found) == {"stack.b: is wrong"}


def test_a_message_of_an_unknown_place_is_named() -> None:
    assert place("compose.yml: services.api.pid: host shares") == "rights"
    with pytest.raises(LookupError, match=r"^no place in the inventory is known for: shop\.till: is empty$"):
        place("shop.till: is empty")


def test_a_row_reads_as_it_is_written_in_a_table() -> None:
    rows = [('host: "a|b"', 'x: "SOURCE/a|b" does not exist'), ("an expression", "y: is none: "), ("a tick", "z: `ls`")]
    assert table(rows).splitlines()[2:] == [
        '| `host: "a\\|b"` | `x: "<stack_source>/a\\|b" does not exist` |',
        "| an expression | `y: is none: ...` |",
        "| a tick | `` z: `ls` `` |",
    ]
