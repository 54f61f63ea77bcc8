"""Whether a release runs on the database as it is: a table of what the ledger and the hosts may say."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.rollback import decide

AT = "2026-07-01T12:00:00Z"
READ = f"the database's own ledger says so, read from x at {AT}"
SEEN = f"the database did not answer (it is down): this goes by the ledger that x saw last, at {AT}"
FORWARD = "No other retained release does either; repair forward with a deploy"


def told(*versions: str, breaking: dict[str, str] | None = None, since: str = "", **more: Any) -> dict[str, Any]:
    """What stack_ledger says of a release that was made for the last of ``versions``."""
    migrations = [{"version": version, "paths": [f"migrations/{version}_m.sql"]} for version in versions]
    return {"head": versions[-1], "compatible_since": since, "breaking": breaking or {}, "migrations": migrations, **more}


# Expand with 0002, contract with 0003: what was made before 0002 does not run any more.
RELEASES = {
    "a-1": told("0001"),
    "b-1": told("0001", "0002"),
    "c-1": told("0001", "0002", "0003", breaking={"0003": "0002"}, since="0002"),
}


def release(name: str, head: str, status: str = "superseded") -> dict[str, Any]:
    found = {"id": f"{name}-1", "release": name, "missing_images": [], "missing_secrets": [], "status": status}
    return {**found, "schema": {"head": head}, "problem": ""}


def host(head: str = "0003", since: str = "") -> dict[str, Any]:
    releases = [release("a", "0001"), release("b", "0002"), release("c", "0003", "live")]
    schema = {"head": head, "compatible_since": since}
    return {"live": "c-1", "previous": "b-1", "rolling": {}, "schema": schema, "releases": releases}


def ledger(*applied: str, source: str = "live", why: str = "", releases: Any = None, at: str = AT, **more: Any) -> dict[str, Any]:
    rows = [{"version": version, "name": "", "state": "applied"} for version in applied]
    known = RELEASES if releases is None else releases
    return {"source": source, "ledger": "s.versions", "rows": rows, "at": at, "why": why, "releases": known, **more}


def judge(to: str, *ledgers: dict[str, Any], schema: dict[str, Any] | None = None) -> Any:
    return decide({"x": schema or host(), "y": host()}, to, {}, dict(zip("xy", ledgers, strict=False)))


BROKEN = (
    "release a-1 does not run on the database as it is: migrations/0003_m.sql is applied there, which came with release c-1 and "
    "leaves only releases that were made for schema 0002 or newer; this one was made for 0001 ({}). Choose one that does with "
    "-e rollback_to=<id> (b-1), or repair forward with a deploy"
)


def test_a_destructive_migration_that_is_applied_refuses_the_release_that_needs_what_it_took() -> None:
    assert judge("a-1", ledger("0001", "0002", "0003")).problems == [BROKEN.format(READ)]


def test_as_long_as_it_waits_nothing_is_refused_whatever_its_release_says() -> None:
    found = judge("a-1", ledger("0001", "0002"))
    assert found.problems == []
    assert found.cannot_undo[:2] == ["the database stays at schema 0002; release a was made for 0001 and runs on it", READ]
    assert found.ledger == {"source": "live", "host": "x", "at": AT, "why": "", "head": "0002"}


def test_additive_migrations_refuse_nobody() -> None:
    assert judge("b-1", ledger("0001", "0002", "0003")).problems == []


def test_without_an_answer_what_was_seen_last_refuses_too_and_that_is_said() -> None:
    found = judge("a-1", ledger("0001", "0002", "0003", source="seen", why="it is down"))
    assert found.problems == [BROKEN.format(SEEN)]
    allowed = judge("b-1", ledger("0001", "0002", "0003", source="seen", why="it is down"))
    assert (allowed.problems, allowed.cannot_undo[1]) == ([], SEEN)
    assert allowed.ledger["source"] == "seen"


def test_one_host_that_reaches_the_database_is_enough() -> None:
    away = ledger("0001", source="seen", why="it is down")
    found = judge("a-1", away, ledger("0001", "0002", "0003"))
    assert (len(found.problems), found.ledger["source"], found.ledger["host"]) == (1, "live", "y")


def test_of_what_was_seen_the_last_counts() -> None:
    old = ledger("0001", source="seen", why="it is down")
    new = ledger("0001", "0002", "0003", source="seen", why="it is down", at="2026-07-02T12:00:00Z")
    assert judge("a-1", old, new).ledger["at"] == "2026-07-02T12:00:00Z"
    assert judge("a-1", new, old).ledger["at"] == "2026-07-02T12:00:00Z"


def test_where_nobody_has_seen_a_ledger_hosts_go_by_what_they_remember_and_say_so() -> None:
    nobody = ledger(source="none", why="no login")
    found = judge("b-1", nobody, nobody, schema=host(since="0002"))
    assert found.problems == []
    assert found.cannot_undo[1] == (
        "the database was not asked (no login), and no host has seen its ledger: this goes by their own migrations"
    )
    refused = judge("a-1", nobody, nobody, schema=host(since="0002"))
    assert [one.partition(".")[0] for one in refused.problems] == [
        "release a-1 was made for schema 0001, and since the live database was migrated only releases made for schema 0002 or "
        "newer run on it"
    ]


def test_what_the_database_lacks_is_no_way_back_either() -> None:
    """As after a restore from before the release."""
    found = judge("b-1", ledger("0001"))
    assert found.problems == [
        f"release b-1 needs migrations/0002_m.sql, which the database does not have applied ({READ}). Deploy that release "
        "instead, which migrates; a rollback does not. Choose one that does with -e rollback_to=<id> (a-1), or "
        "repair forward with a deploy"
    ]
    assert judge("b-1", ledger("0001", source="seen", why="down")).problems == [], "it may have been migrated since"


def test_a_contract_that_waits_is_not_missing() -> None:
    releases = {**RELEASES, "b-1": told("0001", "0002", breaking={"0002": "0001"}, requires="0001")}
    assert judge("b-1", ledger("0001", releases=releases)).problems == []


def test_a_database_that_was_restored_is_believed_and_not_the_hosts_memory() -> None:
    """They remember a contract that a restore has taken back."""
    assert judge("a-1", ledger("0001", "0002"), schema=host(since="0002", head="0003")).problems == []


def test_a_contract_of_a_release_that_nobody_retains_is_remembered() -> None:
    few = {name: RELEASES[name] for name in ("a-1", "b-1")}
    found = judge("a-1", ledger("0001", "0002", "0003", releases=few), schema=host(since="0002", head="0003"))
    assert "only releases made for schema 0002 or newer run on it" in found.problems[0]


def test_what_no_release_has_a_file_of_is_said_and_refuses_nobody() -> None:
    found = judge("b-1", ledger("0001", "0002", "0003", "0009"))
    assert found.problems == []
    assert (
        "the database has 0009 applied, which no retained release has a file of: nobody here knows whether release b runs with it"
        in found.cannot_undo
    )


def test_where_versions_are_names_a_release_has_the_file_or_not() -> None:
    def alembic(*chain: str, since: str = "") -> dict[str, Any]:
        files = [
            {"version": one, "paths": [f"v/{one}.py"], "after": list(chain[:number][-1:])} for number, one in enumerate(chain)
        ]
        return {"head": chain[-1], "compatible_since": since, "breaking": {}, "migrations": files}

    releases = {"a-1": alembic("ff"), "b-1": alembic("ff", "aa"), "c-1": alembic("ff", "aa", "bb", since="aa")}
    infos = host()
    infos["releases"] = [release("a", "ff"), release("b", "aa"), release("c", "bb", "live")]
    asked = {"x": ledger("bb", releases=releases) | {"ledger": "alembic:public.alembic_version"}}
    refused = decide({"x": infos}, "a-1", {}, asked).problems
    assert refused == [
        "release a-1 does not run on the database as it is: v/aa.py, v/bb.py is applied there, which came with release c-1 and "
        f"leaves only releases that were made for schema aa or newer; this one was made for ff ({READ}). Choose one that does "
        "with -e rollback_to=<id> (b-1), or repair forward with a deploy"
    ]
    found = decide({"x": infos}, "b-1", {}, asked)
    assert (found.problems, found.cannot_undo[0]) == (
        [],
        "the database stays at schema bb; release b was made for aa and runs on it",
    )
    behind = {"x": ledger("aa", releases=releases) | {"ledger": "alembic:public.alembic_version"}}
    assert decide({"x": infos}, "a-1", {}, behind).problems == [], "what has not been applied breaks nobody"


@pytest.mark.parametrize("to", ["a-1", "b-1"])
def test_a_stack_without_migrations_says_nothing_of_a_database(to: str) -> None:
    nothing = ledger(releases={}) | {"ledger": "", "source": "none"}
    found = judge(to, nothing, nothing, schema=host(head=""))
    assert (found.problems, found.ledger) == ([], {})
    hosts = {"x": host(head=""), "y": host(head="")}
    assert decide(hosts, to, {}, {"x": nothing}).cannot_undo[0].startswith("secrets stay")
