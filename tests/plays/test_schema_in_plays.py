"""A rollback that asks the database, and a deploy that lets it, by Ansible with stand-ins for hosts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.plays.staged import BEFORE, COMPOSE, LEASE, NOW, VARIABLES, WELL, Case, Done, Stage, rule

AT = "2026-07-01T12:00:00Z"
FILE = "migrations/0003_drop_note.sql"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("stage"))


def told(head: str, *paths: str, breaking: dict[str, str] | None = None) -> dict[str, Any]:
    migrations = [{"version": path.split("/")[1][:4], "paths": [path]} for path in paths]
    return {"head": head, "compatible_since": "", "breaking": breaking or {}, "migrations": migrations}


FILES = ("migrations/0001_orders.sql", "migrations/0002_notes.sql", FILE)
RELEASES = {
    BEFORE["id"]: told("0001", *FILES[:1]),
    NOW["id"]: told("0003", *FILES, breaking={"0003": "0002"}),
}


def ledger(source: str, *applied: str, why: str = "") -> dict[str, Any]:
    rows = [{"version": version, "name": "", "state": "applied"} for version in applied]
    about = {"changed": False, "ledger": "s.versions", "reader": "ledger.URL"}
    return {**about, "source": source, "rows": rows, "at": AT if source != "none" else "", "why": why, "releases": RELEASES}


def info() -> dict[str, Any]:
    releases = [
        {**one, "status": status, "at": AT, "why": "", "schema": {"head": head, "compatible_since": ""}, "problem": ""}
        | {"missing_images": [], "missing_secrets": []}
        for one, status, head in ((NOW, "live", "0003"), (BEFORE, "superseded", "0001"))
    ]
    about = {"live": NOW["id"], "live_release": NOW["release"], "previous": BEFORE["id"], "rolling": {}, "migrating": []}
    return {"changed": False, **about, "schema": {"head": "0003", "compatible_since": ""}, "releases": releases}


def back(stage: Stage, name: str, *answers: dict[str, Any], options: tuple[str, ...] = ()) -> Done:
    hosts = ("app-1", "app-2")
    rules = [rule("stack_ledger", one, host=host) for host, one in zip(hosts, answers, strict=False)]
    return stage.play(name, "rollback", Case(options, [*rules, rule("stack_info", info())]))


def switched(done: Done) -> list[str]:
    return [one["host"] for one in done.asked if one["module"] == "stack_rollout"]


def words(done: Done) -> str:
    return " ".join(done.output.split())


def test_a_destructive_migration_refuses_before_any_host_is_switched_and_names_its_file(stage: Stage) -> None:
    done = back(stage, "destructive", ledger("live", "0001", "0002", "0003"), ledger("live", "0001", "0002", "0003"))
    assert (done.code, switched(done)) == (2, [])
    found = done.files["staging/verdict.json"]
    assert (found["verdict"], found["schema"]["source"], found["schema"]["head"]) == ("refused", "live", "0003")
    [message] = found["messages"]
    assert message.startswith("Nothing was changed. This rollback cannot run:")
    assert f"{FILE} is applied there, which came with release {NOW['id']}" in message
    assert f"read from app-1 at {AT}" in message
    assert "No other retained release does either; repair forward with a deploy" in message


@pytest.mark.deep
def test_what_is_yet_to_be_applied_refuses_nobody(stage: Stage) -> None:
    """The release that is live was made for a contract that still waits."""
    done = back(stage, "waiting", ledger("live", "0001", "0002"), ledger("live", "0001", "0002"))
    assert (done.code, sorted(set(switched(done)))) == (0, ["app-1", "app-2"])
    assert done.files["staging/verdict.json"]["schema"]["source"] == "live"
    assert "did not say" not in done.verdict


@pytest.mark.deep
def test_one_host_that_reaches_the_database_refuses_for_all(stage: Stage) -> None:
    done = back(stage, "one", ledger("none", why="no route"), ledger("live", "0001", "0002", "0003"))
    assert (done.code, switched(done), done.files["staging/verdict.json"]["schema"]["host"]) == (2, [], "app-2")


@pytest.mark.parametrize(
    ("name", "answer", "said"),
    [
        ("seen", ledger("seen", "0001", "0002", why="it is down"), f"this went by the ledger that app-1 saw at {AT}"),
        ("none", ledger("none", why="it is down"), "this went by what hosts remember"),
    ],
)
@pytest.mark.deep
def test_without_an_answer_the_last_ledger_counts_and_that_is_said_in_output_and_json(
    stage: Stage, name: str, answer: dict[str, Any], said: str
) -> None:
    done = back(stage, name, answer, answer)
    assert done.code == 0, done.output
    assert f"the database did not say which migrations it has (it is down); {said}" in " ".join(done.verdict.split())
    assert done.files["staging/verdict.json"]["schema"]["source"] == name
    assert done.files["staging/verdict.json"]["schema"]["why"] == "it is down"


@pytest.mark.deep
def test_check_mode_refuses_alike(stage: Stage) -> None:
    answer = ledger("live", "0001", "0002", "0003")
    done = back(stage, "check", answer, answer, options=("--check",))
    assert (done.code, switched(done)) == (2, [])
    assert FILE in words(done)


WITH_MIGRATIONS = f"""{COMPOSE}
    env_file: [env/web.env]
  migrate:
    image: shop/web:${{STACK_RELEASE}}
    profiles: [tools]
"""
URL = "postgresql://{}:canary-canary@db.example/shop"


def deploy(stage: Stage, name: str, *rules: dict[str, Any], stack: Any = None, options: tuple[str, ...] = ()) -> Done:
    migration = {"service": "migrate", "preset": "alembic", "directory": "alembic/versions", "reader": "ledger.URL"}
    given = {
        "env": {"web": {"MODE": "fast"}},
        "files": ["alembic"],
        "database": {"secret": "web.URL"},
        "migration": migration,
        **(stack or {}),
    }
    variables = {
        "stack": {**VARIABLES["stack"], **given},
        "stack_secrets": {"web": {"KEY": "k" * 32, "URL": URL.format("app")}, "ledger": {"URL": URL.format("reader")}},
    }
    files = {
        "source/compose.yml": WITH_MIGRATIONS,
        "source/alembic/versions/ff_one.py": 'revision = "ff"\ndown_revision = None\n',
        "source/alembic/versions/aa_two.py": 'revision = "aa"\ndown_revision = "ff"\n',
    }
    return stage.play(name, "deploy", Case(("-e", json.dumps(variables), *options), rules, files=files))


def database(*versions: str, state: str = "applied", **connections: int) -> dict[str, Any]:
    rows = [{"version": version, "name": "", "state": state} for version in versions]
    room = {"max": 100, "reserved": 3, "others": 0, "limit": -1, **connections}
    said = {"environment": "staging", "system_identifier": "", "versions": list(versions), "ledger": rows, "connections": room}
    return rule("lease", {**LEASE, "database": said})


[READY] = [one["answer"] for one in WELL if one["module"] == "stack_release"]


def asked(done: Done, module: str) -> list[str]:
    return [one["host"] for one in done.asked if one["module"] == module]


@pytest.mark.deep
def test_a_deploy_makes_the_login_once_and_has_hosts_keep_what_they_read(stage: Stage) -> None:
    done = deploy(stage, "reader", database("ff"), rule("stack_ledger", ledger("live", "ff", "aa")))
    assert done.code == 0, done.output
    assert (len(asked(done, "stack_migration")), len(asked(done, "ledger_login"))) == (1, 1)
    assert sorted(asked(done, "stack_ledger")) == ["app-1", "app-2"]
    order = [one["module"] for one in done.asked]
    assert (
        order.index("stack_migration") < order.index("ledger_login") < order.index("stack_ledger") < order.index("stack_rollout")
    )
    assert "canary" not in done.output


@pytest.mark.deep
@pytest.mark.parametrize(("second", "others"), [("live", 0), ("", 1)], ids=["all hosts", "one of two"])
def test_where_nothing_changes_and_hosts_have_read_it_no_other_module_asks_the_database(
    stage: Stage, second: str, others: int
) -> None:
    """Every module costs its time, and a deploy of what runs already is typed often."""
    unchanged = {**READY, "pending": False, "changed": False}
    answers = (("app-1", "live"), ("app-2", second))
    rules = [rule("stack_release", {**unchanged, "ledger": read}, host=host) for host, read in answers]
    done = deploy(stage, f"unchanged-{second}", database("ff", "aa"), *rules)
    assert done.code == 0, done.output
    assert (len(asked(done, "ledger_login")), len(asked(done, "stack_ledger"))) == (others, 2 * others)


@pytest.mark.deep
@pytest.mark.parametrize(("rows", "migrations", "others"), [(("ff", "aa"), 0, 0), (("ff",), 1, 1)], ids=["none", "one"])
def test_a_release_asks_the_database_again_only_after_a_migration(
    stage: Stage, rows: tuple[str, ...], migrations: int, others: int
) -> None:
    """What hosts have read when they prepared the release is true until then."""
    prepared = rule("stack_release", {**READY, "versions": ["ff", "aa"], "ledger": "live"})
    done = deploy(stage, f"pending-{migrations}", database(*rows), prepared)
    assert done.code == 0, done.output
    assert len(asked(done, "stack_migration")) == migrations
    assert (len(asked(done, "ledger_login")), len(asked(done, "stack_ledger"))) == (others, 2 * others)


@pytest.mark.deep
def test_a_login_that_cannot_be_made_is_told_and_stops_no_deploy(stage: Stage) -> None:
    why = "web.URL may not make the role of ledger.URL. Whoever may, types once: create role reader"
    done = deploy(stage, "no-reader", database("ff"), rule("ledger_login", {"failed": True, "msg": why}))
    assert done.code == 0, done.output
    assert f"goes by what hosts remember: {why}" in words(done)


# Of a host whose memory knows of both.
KNOWS = rule("stack_release", {**READY, "versions": ["ff", "aa"]})


@pytest.mark.parametrize(("applied", "runs"), [("aa", 0), ("ff", 1)])
@pytest.mark.deep
def test_what_alembic_has_applied_already_is_not_run_again(stage: Stage, applied: str, runs: int) -> None:
    """Its one row stands for all before it."""
    done = deploy(stage, f"applied-{applied}", database(applied), KNOWS)
    assert (done.code, len(asked(done, "stack_migration"))) == (0, runs), done.output


@pytest.mark.deep
def test_check_mode_says_which_files_would_run(stage: Stage) -> None:
    done = deploy(stage, "would", rule("lease", {**database("ff")["answer"], "taken": False, "token": 0}), options=("--check",))
    assert done.code == 0, done.output
    assert '"alembic/versions/aa_two.py"' in done.output
    assert "ff_one.py" not in done.output
    assert (asked(done, "stack_migration"), asked(done, "ledger_login")) == ([], [])


@pytest.mark.deep
def test_pools_that_the_database_has_no_room_for_refuse_with_the_numbers(stage: Stage) -> None:
    pool = {"service": "web", "variable": "web.POOL_SIZE", "size": 30}
    done = deploy(stage, "pools", database("ff", others=10), stack={"pools": [pool]})
    assert (done.code, asked(done, "stack_rollout"), asked(done, "stack_release")) == (2, [], [])
    assert (
        "web takes 2 hosts x 1 replica x pool of 30 = 60 and 30 more while 1 host is switched (start-first); 90 in all; expected "
        "at most 87 (max_connections 100 - 3 reserved - 10 of others)"
    ) in words(done)
    done = deploy(stage, "room", database("ff", others=7), stack={"pools": [pool]})
    assert done.code == 0, done.output
