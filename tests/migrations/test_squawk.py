"""squawk is the oracle of what a statement does to who uses the database meanwhile: what one of its rules finds is at least as
bad for us. It knows fewer cases (rows, grants, DO blocks, functions), and there ours are alone.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase.effects import Judge, Kind
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase.statements import split

from tests.unit.plugins.plugin_utils.supabase.test_effects import ADDITIVE, CASES

# What a file is in which one finds something.
RULES = {
    "adding-field-with-default": Kind.LOCKING,
    "adding-foreign-key-constraint": Kind.LOCKING,
    "adding-serial-primary-key-field": Kind.LOCKING,
    "constraint-missing-not-valid": Kind.LOCKING,
    "disallowed-unique-constraint": Kind.LOCKING,
    "ban-alter-domain-with-add-constraint": Kind.LOCKING,
    "require-concurrent-index-creation": Kind.LOCKING,
    "require-concurrent-index-deletion": Kind.LOCKING,
    "require-concurrent-reindex": Kind.LOCKING,
    "adding-not-nullable-field": Kind.DESTRUCTIVE,
    "adding-required-field": Kind.DESTRUCTIVE,
    "ban-drop-column": Kind.DESTRUCTIVE,
    "ban-drop-database": Kind.DESTRUCTIVE,
    "ban-drop-table": Kind.DESTRUCTIVE,
    "ban-truncate-cascade": Kind.DESTRUCTIVE,
    "changing-column-type": Kind.DESTRUCTIVE,
    "renaming-column": Kind.DESTRUCTIVE,
    "renaming-table": Kind.DESTRUCTIVE,
    "require-concurrent-partition-detach": Kind.DESTRUCTIVE,
}
# About how a file is written, and not about who uses the database; the timeouts are set by whoever runs it.
STYLE = {
    *("prefer-robust-stmts", "prefer-big-int", "prefer-bigint-over-int", "prefer-text-field", "prefer-identity"),
    *("require-lock-timeout", "require-statement-timeout", "require-enum-value-ordering"),
    *("ban-concurrent-index-creation-in-transaction", "ban-create-domain-with-constraint"),
}
MORE = [
    "alter table a add column b serial primary key",
    "alter table a add primary key (b)",
    "alter domain d add constraint c check (value > 0)",
    "truncate a cascade",
    "drop database d",
    "alter table a alter column b set data type text using b::text, add column c int",
    "alter table a add constraint f foreign key (b) references c (d)",
    "create index i on a (b); drop index concurrently j; alter table a rename b to c",
    "reindex index concurrently i",
    "alter table a detach partition b concurrently",
]
# Where squawk finds something and we do not, with the reason.
EXCEPTIONS = {
    # Nothing that an older release does fails. Rows that a later one leaves empty are its own matter, and to allow them is how
    # a column begins to go.
    "alter table a alter column b drop not null": {"ban-drop-not-null"},
}


def is_of_its_own(sql: str) -> bool:
    """Takes away what the same file makes, which squawk does not look at."""
    return sql in ADDITIVE and sql.startswith("create ") and ";" in sql


STATEMENTS = [*ADDITIVE, *(sql for _, sql, _ in CASES), *MORE]


def judged(sql: str) -> Kind:
    judge = Judge()
    return max((effect.kind for one in split(sql) for effect in judge.effects(one)), default=Kind.ADDITIVE)


@pytest.fixture(scope="module")
def found(squawk: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Statement -> rules that find something in it."""
    directory = tmp_path_factory.mktemp("squawk")
    paths = [directory / f"{number:03}.sql" for number in range(len(STATEMENTS))]
    for path, sql in zip(paths, STATEMENTS, strict=True):
        path.write_text(f"{sql};\n")
    command = [squawk, "--reporter=json", "--assume-in-transaction", "--pg-version=17", *map(str, paths)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600)
    rules: dict[str, set[str]] = {sql: set() for sql in STATEMENTS}
    for finding in json.loads(result.stdout):
        rules[STATEMENTS[int(Path(finding["file"]).stem)]].add(finding["rule_name"])
    return {sql: names - STYLE - EXCEPTIONS.get(sql, set()) for sql, names in rules.items()}


def test_each_rule_that_finds_something_is_known_and_each_one_known_finds_something(found: dict[str, set[str]]) -> None:
    assert set().union(*found.values()) == set(RULES)


@pytest.mark.parametrize("sql", STATEMENTS)
def test_what_squawk_finds_is_as_bad_for_us(sql: str, found: dict[str, set[str]]) -> None:
    if not is_of_its_own(sql):
        assert judged(sql) >= max((RULES[name] for name in found[sql]), default=Kind.ADDITIVE)


def test_what_is_additive_for_us_is_nothing_for_squawk(found: dict[str, set[str]]) -> None:
    assert {sql: names for sql, names in found.items() if names and judged(sql) is Kind.ADDITIVE and not is_of_its_own(sql)} == {}


def test_of_each_class_that_squawk_knows_there_are_cases(found: dict[str, set[str]]) -> None:
    """It has no rule for rows that are written."""
    agreed = {judged(sql) for sql, names in found.items() if names and judged(sql) == max(RULES[name] for name in names)}
    assert agreed == {Kind.LOCKING, Kind.DESTRUCTIVE}
