"""A directory of migrations, read into what hosts need: what each file is, what is wrong with it, and in which exact words."""

from __future__ import annotations

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase import files, statements
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase.files import Directory

WHERE = "supabase/migrations"
A = f"{WHERE}/20260101000000_a.sql"
B = f"{WHERE}/20260102000000_b.sql"


def read(contents: dict[str, str]) -> Directory:
    return files.read({path: content.encode() for path, content in contents.items()}, WHERE)


def problems(sql: str) -> list[str]:
    return read({A: sql}).problems


def test_only_sql_directly_below_the_directory_counts() -> None:
    found = read({A: "select 1", "seed.sql": "x", f"{WHERE}/old/20250101000000_x.sql": "x", f"{WHERE}/README.md": "x"})
    assert [one.path for one in found.files] == [A]
    assert found.problems == []


def test_what_hosts_are_told_of_a_file() -> None:
    (one,) = read(
        {A: '-- two\nselect 1;\ncreate index concurrently "i""x" on s.a (b);\nalter table a drop column c;\n-- end'}
    ).as_list()
    assert one == {
        "path": A,
        "version": "20260101000000",
        "name": "a",
        "kind": "destructive",
        "effects": ["drops the column c of a (line 4)"],
        "removes": ["drops the column c of a (line 4)"],
        "contract": False,
        "since": "20260101000000",
        "statements": [
            {"text": "-- two\nselect 1", "line": 2, "alone": ""},
            {
                "text": 'create index concurrently "i""x" on s.a (b)',
                "line": 3,
                "alone": "CREATE INDEX CONCURRENTLY",
                "index": '"s"."i""x"',
                "table": '"s"."a"',
            },
            {"text": "alter table a drop column c", "line": 4, "alone": ""},
            {"text": "-- end", "line": 4, "runs": False},
        ],
    }


def test_what_is_to_be_gone_is_named_for_a_run_that_comes_after_a_broken_one() -> None:
    (one,) = read({A: "drop index concurrently i, s.j;alter table p detach partition s.q concurrently"}).as_list()
    assert one["statements"][0]["gone"] == ['"i"', '"s"."j"']
    assert (one["statements"][1]["table"], one["statements"][1]["part"]) == ('"p"', '"s"."q"')


def test_begin_and_commit_around_a_whole_file_are_kept_in_the_ledger_and_not_run() -> None:
    found = read({A: "-- head\n;begin;\nselect 1;\ncommit;"})
    assert found.problems == []
    assert [(one["text"], one.get("runs", True)) for one in found.as_list()[0]["statements"]] == [
        ("-- head", False),
        ("begin", False),
        ("select 1", True),
        ("commit", False),
    ]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select 1;\nselct 2;", [f'{A}:2: syntax error at or near "selct"']),
        (
            "select 1;\ncommit;\nselect 2",
            [
                f"{A}:2: begins or ends a transaction. Each file has one of its own, in which its line in the ledger is "
                "written; take "
                "it out, or put what is to be committed apart into a file of its own"
            ],
        ),
        (
            "begin; vacuum a;\ncommit;",
            [f"{A}:1: VACUUM cannot run in a transaction, and BEGIN stands above it; take BEGIN and COMMIT out"],
        ),
        (
            "\ncreate index concurrently on a (b);",
            [
                f"{A}:2: CREATE INDEX CONCURRENTLY without a name: an attempt that broke off could not be found again; give "
                "the index "
                "a name"
            ],
        ),
        ("copy a from stdin;", [f"{A}:1: COPY FROM STDIN has nobody who sends it rows; write them as INSERT"]),
        ("copy a from '/x';", []),
        ("savepoint x; select 1; rollback to x;", []),
        (
            "\ufeffselect 1",
            [f"{A}:1: begins with a byte order mark, which Postgres does not take; save it as UTF-8 without one"],
        ),
        ("select 1;\n\0", [f"{A}:2: holds a NUL byte, which Postgres does not take; remove it"]),
        ("", []),
    ],
)
def test_a_file_that_cannot_be_run_is_told_with_its_line(sql: str, expected: list[str]) -> None:
    assert problems(sql) == expected


def test_bytes_that_are_no_text_are_told() -> None:
    assert files.read({A: b"select '\xe9'"}, WHERE).problems == [f"{A}: is not UTF-8 (byte 9); save it as UTF-8"]


def test_a_name_that_nobody_would_apply_is_refused() -> None:
    odd, old = f"{WHERE}/add_note.sql", f"{WHERE}/20200101000000_init.sql"
    assert read({odd: "select 1", A: "select 1"}).problems == [
        f"{odd}: is not named <timestamp>_<name>.sql, so nobody would apply it"
    ]
    assert read({old: "select 1", A: "select 1"}).problems == [
        f"{old}: Supabase's CLI leaves this file out for its name; call it other than init"
    ]
    assert read({f"{WHERE}/20260101000000_init.sql": "select 1"}).problems == []


def test_versions_that_sort_in_two_ways_are_refused() -> None:
    ten, nine = f"{WHERE}/10_a.sql", f"{WHERE}/9_b.sql"
    assert read({ten: "select 1", nine: "select 1"}).problems == [
        f"{ten} and {nine}: 10 comes before 9 as a name and after it as a number; give both the same number of digits"
    ]


@pytest.mark.parametrize(
    ("mark", "contract", "since"),
    [
        ("-- contract", True, "20260102000000"),
        ("--contract", True, "20260102000000"),
        ("-- contract 20260101000000", True, "20260101000000"),
        ("-- contracts are kept here", False, "20260102000000"),
        ("select 1; -- contract", False, "20260102000000"),
    ],
)
def test_a_mark_above_the_first_statement_lets_a_file_wait(mark: str, contract: bool, since: str) -> None:
    found = read({A: "select 1", B: f"{mark}\n;alter table a drop column b;"})
    assert found.problems == []
    told = found.as_list()[1]
    assert (told["contract"], told["since"]) == (contract, since)


@pytest.mark.parametrize("version", ["20250101000000", "20260103000000"])
def test_a_mark_names_a_version_that_came_before(version: str) -> None:
    sql = f"-- contract {version}\nalter table a drop column b;"
    assert read({A: "select 1", B: sql, f"{WHERE}/20260103000000_c.sql": "select 1"}).problems == [
        f'{B}: "-- contract {version}" names a version that is not in {WHERE}, or comes after this file; name the one of the '
        "release that stopped using what this file removes, or none"
    ]


def test_the_range_of_schemas_is_computed_from_the_files() -> None:
    c = f"{WHERE}/20260103000000_c.sql"
    found = read({A: "select 1", B: "drop table a", c: "-- contract\ndrop table b"})
    # The contract may wait, so the release must run without it, and it takes nothing away until it is applied.
    assert (found.requires, found.compatible_since) == ("20260102000000", "20260102000000")
    assert (read({A: "create table a ()"}).requires, read({A: "create table a ()"}).compatible_since) == ("20260101000000", "")


def test_a_controller_without_the_parser_is_told_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "import_error", ImportError("no pglast"))
    assert read({A: "select 1"}).problems == [files.NO_PGLAST]
    assert "which is not installed on the controller; install it with: " in files.NO_PGLAST
