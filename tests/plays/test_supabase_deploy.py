"""A deploy with the engine supabase, by Ansible with stand-ins: its files are applied once, before any host is switched."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase import files

from tests.plays.staged import COMPOSE, VARIABLES, WELL, Case, Done, Stage, rule

DIRECTORY = "supabase/migrations"
A, B, C = (f"{DIRECTORY}/2026010{number}000000_{name}.sql" for number, name in ((1, "orders"), (2, "fill"), (3, "drop")))
SOURCES = {
    A: "create table orders (id int primary key, note text, total int);",
    B: "-- backfill key=id batch=500\nupdate orders set total = length(note);",
    C: "-- contract\nalter table orders drop column note;",
}
URL = "postgresql://app:canary-canary@db.example:5432/shop"
FILLED = {B: "1000 of 1000 rows changed in 2 batches"}
WAITS = {C: "drops the column note of orders (line 2), which release 1.0.0-aa may need"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("stage"))


def deploy(
    stage: Stage,
    name: str,
    *rules: dict[str, Any],
    sources: dict[str, str] = SOURCES,
    options: tuple[str, ...] = (),
    url: str = URL,
    playbook: str = "deploy",
    reader: str = "",
) -> Done:
    stack = {
        **VARIABLES["stack"],
        "files": ["supabase"],
        "env": {"web": {"MODE": "fast"}},
        "database": {"secret": "web.URL"},
        "migration": {"engine": "supabase", "lock_timeout_seconds": 2.5} | ({"reader": reader} if reader else {}),
    }
    secrets = {"web": {"KEY": "k" * 32, "URL": url}} | ({"ledger": {"URL": url.replace("app:", "reader:")}} if reader else {})
    variables = {"stack": stack, "stack_secrets": secrets}
    shipped = {
        "source/compose.yml": f"{COMPOSE}\n    env_file: [env/web.env]\n",
        "source/supabase/config.toml": 'project_id = "shop"\n',
        **{f"source/{path}": sql for path, sql in sources.items()},
    }
    return stage.play(name, playbook, Case(("-e", json.dumps(variables), *options), rules, files=shipped))


def parsed(sources: dict[str, str] = SOURCES) -> list[dict[str, Any]]:
    return files.read({path: sql.encode() for path, sql in sources.items()}, DIRECTORY).as_list()


def asked(done: Done, module: str) -> list[str]:
    return [one["host"] for one in done.asked if one["module"] == module]


def said(**more: Any) -> dict[str, Any]:
    return {"changed": True, "applied": [A, B], "waiting": WAITS, "forced": [], "backfills": FILLED, **more}


# Only who is asked for exactly this is answered.
EXACTLY = {"url": URL, "environment": "staging", "lock_timeout_seconds": 2.5, "release_id": "1.1.0-bb", "force": ""}
RETAINED = [{"id": "1.1.0-bb", "head": ""}, {"id": "1.0.0-aa", "head": ""}]


def test_the_files_are_parsed_here_and_applied_once_before_any_host_is_switched(stage: Stage) -> None:
    done = deploy(stage, "applied", rule("supabase_migrations", said(), files=parsed(), **EXACTLY))
    assert done.code == 0, done.output
    order = [one["module"] for one in done.asked]
    assert (len(asked(done, "supabase_migrations")), asked(done, "stack_migration")) == (1, [])
    assert max(n for n, one in enumerate(order) if one == "stack_release") < order.index("supabase_migrations")
    assert order.index("supabase_migrations") < order.index("stack_rollout")
    words = " ".join(done.output.split())
    assert f'"backfills": {{ "{B}": "{FILLED[B]}" }}' in words
    assert WAITS[C] in words
    assert done.files["staging/verdict.json"]["verdict"] == "deployed"
    assert "canary" not in done.output


@pytest.mark.deep
def test_check_mode_says_what_would_run_and_in_which_batches(stage: Stage) -> None:
    would = {B: "in batches of at most 500 rows by id"}
    done = deploy(
        stage, "check", rule("supabase_migrations", said(backfills=would), check_mode=True, files=parsed()), options=("--check",)
    )
    assert done.code == 0, done.output
    words = " ".join(done.output.split())
    assert f'"would_run": [ "{A}", "{B}" ]' in words
    assert f'"backfills": {{ "{B}": "{would[B]}" }}' in words


@pytest.mark.deep
def test_what_older_releases_may_need_is_what_hosts_have(stage: Stage) -> None:
    done = deploy(stage, "retained", rule("supabase_migrations", said(), retained=RETAINED))
    assert done.code == 0, done.output
    assert WAITS[C] in " ".join(done.output.split())


@pytest.mark.deep
def test_a_migration_that_fails_switches_no_host(stage: Stage) -> None:
    msg = f"the migrations failed, and no host was switched: {A}:1: syntax error. Nothing of this file is done"
    done = deploy(stage, "fails", rule("supabase_migrations", {"failed": True, "msg": msg, "answered": True}))
    assert (done.code, asked(done, "stack_rollout")) == (2, []), done.output
    verdict = done.files["staging/verdict.json"]
    assert (verdict["verdict"], verdict["messages"]) == ("refused", [msg])


@pytest.mark.parametrize(
    ("name", "sources", "expected"),
    [
        (
            "form",
            {B: "-- backfill id 500\nupdate orders set total = 1"},
            f'stack.migration.directory: {B}:1: "-- backfill id 500" is not "-- backfill key=<column> batch=<rows>"',
        ),
        (
            "doubled",
            {f"{DIRECTORY}/20260101000000_other.sql": "select 1"},
            f"stack.migration.directory: {A} and {DIRECTORY}/20260101000000_other.sql have the same version",
        ),
    ],
)
@pytest.mark.deep
def test_files_that_cannot_be_run_are_refused_before_any_host_is_asked(
    stage: Stage, name: str, sources: dict[str, str], expected: str
) -> None:
    """C22: two files with one version, of which one would never run."""
    done = deploy(stage, name, sources={**SOURCES, **dict(sorted(sources.items()))})
    assert (done.code, done.asked) == (2, []), done.output
    assert expected.replace(" ", "") in "".join(done.output.split())


@pytest.mark.deep
def test_the_transaction_pooler_is_refused_before_any_host_is_asked(stage: Stage) -> None:
    done = deploy(stage, "pooler", url="postgresql://app.ref:canary-canary@aws-0.pooler.supabase.com:6543/postgres")
    assert (done.code, done.asked) == (2, []), done.output
    assert "Migrations go by the session pooler: the same URL with port 5432" in " ".join(done.output.split())
    assert "canary" not in done.output


@pytest.mark.deep
def test_a_plan_asks_as_the_deploy_does_and_says_what_would_run(stage: Stage) -> None:
    """Of the same releases on hosts, with the same limits; nothing is applied."""
    done = deploy(
        stage,
        "plan",
        rule("supabase_migrations", said(), check_mode=True, files=parsed(), retained=RETAINED, **EXACTLY),
        playbook="plan",
    )
    assert done.code == 0, done.output
    assert asked(done, "supabase_migrations") == ["app-1"]
    migrations = done.files["staging/plan.json"]["migrations"]
    kinds = [(one["path"], one["kind"]) for one in migrations["pending"]]
    assert (kinds, migrations["waiting"], migrations["problem"]) == ([(A, "additive"), (B, "backfill")], WAITS, "")
    assert "canary" not in done.output


@pytest.mark.deep
def test_a_plan_goes_on_where_migrations_would_be_refused_and_says_why(stage: Stage) -> None:
    msg = f"the migrations failed, and no host was switched: nothing was run: {A}: was applied with another content"
    done = deploy(stage, "plan refused", rule("supabase_migrations", {"failed": True, "msg": msg}), playbook="plan")
    assert done.code == 2, done.output
    report = done.files["staging/plan.json"]
    assert (report["verdict"], report["hosts"]["app-1"]["plan"]) == ("refused", ["web: start 1 candidate"])
    assert [one["seen"] for one in report["findings"] if one["check"] == "migrations"] == [msg]


@pytest.mark.deep
@pytest.mark.parametrize(("applied", "others"), [([], 0), ([A], 1)], ids=["none", "one"])
def test_only_after_a_migration_the_database_is_asked_for_its_ledger_again(stage: Stage, applied: list[str], others: int) -> None:
    """What hosts have read when they prepared the release is true until then."""
    [ready] = [one["answer"] for one in WELL if one["module"] == "stack_release"]
    rules = [rule("stack_release", {**ready, "ledger": "live"}), rule("supabase_migrations", said(applied=applied, waiting={}))]
    done = deploy(stage, f"ledger-{others}", *rules, reader="ledger.URL")
    assert done.code == 0, done.output
    assert len(asked(done, "supabase_migrations")) == 1
    assert (len(asked(done, "ledger_login")), len(asked(done, "stack_ledger"))) == (others, 2 * others)
