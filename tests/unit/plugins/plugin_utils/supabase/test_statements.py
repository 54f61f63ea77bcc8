"""A migration file's statements: cut by Postgres's own lexer and parser, with the text that Supabase's ledger keeps."""

from __future__ import annotations

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase import statements
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase.statements import (
    NoSqlError,
    alone,
    leading_comments,
    split,
)


def texts(sql: str) -> list[str]:
    return [one.text for one in split(sql)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param(" \n\t\r\n", [], id="blank"),
        pytest.param("select 1", ["select 1"], id="no semicolon"),
        pytest.param("select 1;select 2;\n", ["select 1", "select 2"], id="one line"),
        pytest.param(";;select 1;;", ["select 1"], id="empty statements"),
        pytest.param(
            "-- above é\nselect 1;\n\n-- next\nselect 2;", ["-- above é\nselect 1", "-- next\nselect 2"], id="comments above"
        ),
        pytest.param(
            "select 1; -- behind\nselect 2;", ["select 1", "-- behind\nselect 2"], id="a comment behind goes to the next"
        ),
        pytest.param(
            "select 1;\n-- the end;\n", ["select 1", "-- the end;"], id="a comment at the end is a statement of its own"
        ),
        pytest.param("select 1;\n-- the end;", ["select 1", "-- the end"], id="without a line's end"),
        pytest.param("-- a; b\nselect 1;", ["-- a; b\nselect 1"], id="a semicolon in a comment"),
        pytest.param("/* a; /* b; */ */ select 1;", ["/* a; /* b; */ */ select 1"], id="nested comment"),
        pytest.param("select 'a;''b';", ["select 'a;''b'"], id="a semicolon in a text"),
        pytest.param(r"select E'it\'s;', 2;select 3;", [r"select E'it\'s;', 2", "select 3"], id="an escape in a text"),
        pytest.param('select 1 as "a;b";', ['select 1 as "a;b"'], id="a semicolon in a name"),
        pytest.param("do $a$ select ';'; $a$;select 2;", ["do $a$ select ';'; $a$", "select 2"], id="dollar quotes"),
        pytest.param(
            "create function f() returns int language sql begin atomic select case when true then 1 end; select 2; end;select 3;",
            [
                "create function f() returns int language sql begin atomic select case when true then 1 end; select 2; end",
                "select 3",
            ],
            id="begin atomic",
        ),
        pytest.param(
            "create rule r as on insert to a do also (select 1; select 2);",
            ["create rule r as on insert to a do also (select 1; select 2)"],
            id="the actions of a rule",
        ),
    ],
)
def test_a_file_is_cut_where_a_statement_ends(sql: str, expected: list[str]) -> None:
    assert texts(sql) == expected


def test_each_statement_knows_the_line_where_it_begins_without_its_comments() -> None:
    found = split("-- é\n\nselect 1;\n/* two\nlines */ select 2;\n-- end")
    assert [(one.line, one.kind) for one in found] == [(3, "SelectStmt"), (5, "SelectStmt"), (5, "")]


@pytest.mark.parametrize(
    ("sql", "line", "words"),
    [
        ("select 1;\nselct 2;", 2, 'syntax error at or near "selct"'),
        ("-- ééé\n\nselct 2;", 3, 'syntax error at or near "selct"'),
        ("select 'open;\n", 1, "unterminated quoted string at or near"),
        ("create table a (", 1, "syntax error at end of input"),
    ],
)
def test_what_is_no_sql_is_told_with_its_line(sql: str, line: int, words: str) -> None:
    with pytest.raises(NoSqlError, match=words) as raised:
        split(sql)
    assert raised.value.line == line


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("create index concurrently i on a (b)", "CREATE INDEX CONCURRENTLY"),
        ("create index i on a (b)", ""),
        ("drop index concurrently i", "DROP INDEX CONCURRENTLY"),
        ("drop index i", ""),
        ("reindex (concurrently) table a", "REINDEX CONCURRENTLY"),
        ("reindex table concurrently a", "REINDEX CONCURRENTLY"),
        ("reindex schema public", "REINDEX of a schema or a database"),
        ("reindex table a", ""),
        ("vacuum a", "VACUUM"),
        ("vacuum (full, analyze) a", "VACUUM"),
        ("analyze a", ""),
        ("alter type t add value 'x'", "ALTER TYPE ... ADD VALUE"),
        ("alter type t rename value 'x' to 'y'", ""),
        ("alter table a detach partition b concurrently", "DETACH PARTITION CONCURRENTLY"),
        ("alter table a detach partition b", ""),
        ("refresh materialized view concurrently m", ""),
        ("cluster", "CLUSTER of the whole database"),
        ("cluster a using i", ""),
        ("create database d", "CREATE DATABASE"),
        ("alter system set work_mem = '1MB'", "ALTER SYSTEM"),
        ("discard all", "DISCARD ALL"),
        ("discard temp", ""),
        ("do $$ begin update a set b = 1; commit; end $$", "DO with COMMIT in it"),
        ("do $$ begin perform 'commit'; /* commit; */ end $$", ""),
        ("do language plpgsql 'begin rollback; end'", "DO with COMMIT in it"),
        ("select 'create index concurrently'", ""),
        ("comment on table a is 'vacuum'", ""),
    ],
)
def test_what_cannot_run_in_a_transaction_is_known_by_the_parse_tree(sql: str, expected: str) -> None:
    (found,) = split(sql)
    assert alone(found.node) == expected


def test_comments_above_the_first_statement_are_its_marks() -> None:
    assert leading_comments("-- one\n/* two */\n-- contract 1\nselect 1; -- contract\n-- no") == ["-- one", "-- contract 1"]


def test_transactions_are_told_apart_from_savepoints() -> None:
    found = split("begin;savepoint a;release a;rollback to a;commit;rollback;start transaction;end;prepare transaction 'x'")
    assert [one.controls for one in found] == [True, False, False, False, True, True, True, True, True]
    assert [one.begins for one in found] == [True, False, False, False, False, False, True, False, False]
    assert [one.commits for one in found] == [False, False, False, False, True, False, False, True, False]


def test_the_parser_is_there() -> None:
    assert statements.import_error is None
