"""Which files of a project are its seeds, as Supabase's CLI finds them, and what they may not be."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase import seeds

REF = "abcdefghijklmnopqrst"
FREE = ("staging", "preview")
CONFIG = "supabase/config.toml"


def read(root: Path, environment: str = "staging", project_ref: str = "", **files: str) -> seeds.Seeds:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
    return seeds.read(root, environment, FREE, project_ref)


def paths(found: seeds.Seeds) -> list[str]:
    assert found.problems == []
    return [str(one["path"]).removeprefix("supabase/") for one in found.files]


def files(*names: str) -> dict[str, str]:
    return {f"supabase/{name}": "select 1;" for name in names}


def config(patterns: str) -> dict[str, str]:
    return {CONFIG: f"[db.seed]\nsql_paths = {patterns}\n"}


def test_without_a_configuration_it_is_the_usual_file(tmp_path: Path) -> None:
    found = read(tmp_path, **files("seed.sql", "other.sql"))
    assert paths(found) == ["seed.sql"]
    assert found.files[0] == {
        "path": "supabase/seed.sql",
        "hash": hashlib.sha256(b"select 1;").hexdigest(),
        "statements": [{"text": "select 1", "line": 1}],
    }


def test_a_project_without_seeds_has_none_and_says_so(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert (paths(found), found.notes) == ([], [f"{CONFIG}: sql_paths: no file matches supabase/seed.sql"])


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ('["./s/*.sql"]', ["s/.h.sql", "s/1.sql", "s/2.sql", "s/[a].sql", "s/ä.sql"]),
        ('["s/2.sql", "s/*.sql"]', ["s/2.sql", "s/.h.sql", "s/1.sql", "s/[a].sql", "s/ä.sql"]),
        ('["s/?.sql"]', ["s/1.sql", "s/2.sql", "s/ä.sql"]),
        ('["s/[0-9].sql"]', ["s/1.sql", "s/2.sql"]),
        ('["s/[^1].sql"]', ["s/2.sql", "s/ä.sql"]),
        ('["s/[!1].sql"]', ["s/1.sql"]),
        ('["s/\\\\[a].sql"]', ["s/[a].sql"]),
        ('["*/1.sql"]', ["s/1.sql", "t/1.sql"]),
        ('["**/1.sql"]', ["s/1.sql", "t/1.sql"]),
        ('["s/*/1.sql"]', ["s/u/1.sql"]),
        ('["../outside/*.sql"]', ["outside/1.sql"]),
        ('["../../*.sql"]', []),
        ('["s/../t/1.sql"]', ["t/1.sql"]),
        ('["/etc/passwd"]', []),
        ("[]", []),
    ],
)
def test_patterns_match_as_the_clis_do(tmp_path: Path, patterns: str, expected: list[str]) -> None:
    there = files("s/1.sql", "s/2.sql", "s/ä.sql", "s/.h.sql", "s/[a].sql", "s/u/1.sql", "t/1.sql")
    found = read(tmp_path, **there, **{"outside/1.sql": "select 1;"}, **config(patterns))
    assert paths(found) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[db.seed", "is not TOML: "),
        ("[db]\nseed = 1", "db.seed is not a table"),
        ('[db.seed]\nenabled = "yes"', "[db.seed] enabled: 'yes' is not true or false"),
        ('[db.seed]\nsql_paths = "seed.sql"', "[db.seed] sql_paths: 'seed.sql' is not a list of paths"),
        ('[db.seed]\nsql_paths = ["s/[a.sql"]', "sql_paths: [a.sql: is not a pattern of file names"),
        ('[db.seed]\nsql_paths = ["s/a\\\\"]', "sql_paths: a\\: is not a pattern of file names"),
    ],
)
def test_a_configuration_that_says_nothing_of_the_kind_is_refused(tmp_path: Path, text: str, said: str) -> None:
    found = read(tmp_path, **files("s/1.sql"), **{CONFIG: text})
    assert (len(found.problems), found.files) == (1, [])
    assert found.problems[0].startswith(f"{CONFIG}: {said}")


REMOTE = f"""
[db.seed]
sql_paths = ["seed.sql"]
[remotes.staging]
project_id = "{REF}"
"""


@pytest.mark.parametrize(
    ("more", "ref", "expected"),
    [
        ("", "", ["seed.sql"]),
        ("", REF, []),
        ("[remotes.staging.db.seed]\nenabled = true", REF, ["seed.sql"]),
        ('[remotes.staging.db.seed]\nenabled = true\nsql_paths = ["two.sql"]', REF, ["two.sql"]),
        ('[remotes.staging.db.seed]\nenabled = true\nsql_paths = ["two.sql"]', "t" * 20, ["seed.sql"]),
    ],
)
def test_what_is_said_of_a_project_comes_before_the_rest(tmp_path: Path, more: str, ref: str, expected: list[str]) -> None:
    """A remote seeds nothing that does not say so."""
    found = read(tmp_path, project_ref=ref, **files("seed.sql", "two.sql"), **{CONFIG: REMOTE + more})
    assert paths(found) == expected
    assert bool(found.notes) == (not expected)


MEANT = (
    "supabase/seed.sql: does not say that it is meant for production. What is seeded there stays among people's data; if that is "
)


@pytest.mark.parametrize(
    ("environment", "head", "is_meant"),
    [
        ("staging", "", True),
        ("preview", "", True),
        ("production", "", False),
        ("live", "-- seed production\n", False),
        ("production", "-- seed production\n", True),
        ("production", "/* what it is */\n-- a line\n--seed staging,  production \n", True),
        ("production", "-- seed productions\n", False),
        ("production", "-- Seed production\n", False),
        ("production", "select 0; -- seed production\n", False),
        ("production", "/* -- seed production */\n", False),
        ("production", "select '-- seed production';\n", False),
    ],
)
def test_elsewhere_a_file_must_say_in_its_head_that_it_is_meant(
    tmp_path: Path, environment: str, head: str, is_meant: bool
) -> None:
    found = read(tmp_path, environment, **{"supabase/seed.sql": f"{head}select 1;"})
    assert found.problems == (
        []
        if is_meant
        else [f'{MEANT.replace("production", environment)}meant, begin the file with the line "-- seed {environment}"']
    )


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select 1;\nselec 2;", ':2: syntax error at or near "selec"'),
        ("\ufeffselect 1", ":1: begins with a byte order mark, which Postgres does not take; save it as UTF-8 without one"),
        ("a\n\0", ":2: holds a NUL byte, which Postgres does not take; remove it"),
        ("select '\udcff'", ": is not UTF-8 (byte 9); save it as UTF-8"),
        ("begin; select 1;", ":1: begins or ends a transaction. Each file has one of its own"),
        ("select 1;\nvacuum t;", ":2: VACUUM cannot run in a transaction, and a seed file is one; put it into a migration"),
        ("copy t from stdin;", ":1: COPY FROM STDIN has nobody who sends it rows; write them as INSERT"),
    ],
)
def test_what_cannot_be_run_is_told_before_anything_is(tmp_path: Path, sql: str, said: str) -> None:
    found = read(tmp_path, **{"supabase/seed.sql": sql})
    assert len(found.problems) == 1
    assert found.problems[0].startswith(f"supabase/seed.sql{said}")


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    there = {"supabase/a.sql": "selec", "supabase/b.sql": "vacuum t; vacuum u", "supabase/c.sql/d": ""}
    assert len(read(tmp_path, "production", **there, **config('["*.sql"]')).problems) == 5
