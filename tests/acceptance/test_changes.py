"""What changes, and what does not.

Each time molecule's scenario default shows a deploy that has nothing to do, check mode, and a service that did not change.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.world import ROOT, Environment, by_command, edited_stack, on, says


@pytest.mark.deep
def test_a_second_deploy_says_unchanged_and_touches_nothing(staging: Environment) -> None:
    before = staging.everything()
    run = staging.deployed("1.0.0")
    says(run, ["VERDICT unchanged: staging 1.0.0"])
    assert staging.everything() == before
    verdict = staging.verdict()
    assert (verdict["verdict"], verdict["hosts"]["staging-app-1"]["changed"]) == ("unchanged", False)


@pytest.mark.deep
def test_check_mode_says_which_replicas_change_and_why_and_changes_nothing(staging: Environment) -> None:
    before = staging.everything()
    run = staging.deployed("1.2.0", "--check", "--diff")
    says(
        run,
        [
            "api: start 2 candidates (changed: image morpheus/api:1.0.0 -> morpheus/api:1.2.0)",
            "web: start 1 candidate (changed: image morpheus/web:1.0.0 -> morpheus/web:1.2.0)",
            "CHECK MODE: nothing was changed in staging",
        ],
    )
    assert staging.everything() == before


@pytest.mark.deep
def test_a_changed_value_rolls_only_the_services_that_read_it(staging: Environment) -> None:
    before = {service: staging.containers("staging-app-1", service) for service in ("api", "web", "ml")}
    settings = json.dumps({"api_settings": {"ML_BASE_URL": "http://ml:9000", "ML_ENDPOINT_ID": "mock", "LOG_LEVEL": "debug"}})
    check = staging.deployed("1.0.0", "-e", settings, "--check", "--diff")
    says(check, ["api: start 2 candidates (changed: environment.LOG_LEVEL)"])
    staging.deployed("1.0.0", "-e", settings)
    after = {service: staging.containers("staging-app-1", service) for service in ("api", "web", "ml")}
    assert (after["web"], after["ml"]) == (before["web"], before["ml"])
    assert not set(after["api"].values()) & set(before["api"].values())
    [replica, _] = sorted(after["api"])
    assert "LOG_LEVEL=debug" in on("staging-app-1", "docker", "exec", replica, "env").splitlines()


def sql(statement: str) -> str:
    psql = ("psql", "-qAt", "--username=postgres", "--set=ON_ERROR_STOP=1", f"--command={statement}")
    return on("supabase-staging", *psql).strip()


def applied() -> list[str]:
    """Each line of the ledger with the transaction that wrote it."""
    return sql("select version, xmin from supabase_migrations.schema_migrations order by version").split()


def versions(lines: list[str]) -> list[str]:
    return [line.partition("|")[0] for line in lines]


# The example's last two files undone: what adds the mood, and what takes the teaser away.
UNDONE = """
alter table stories drop column if exists mood, add column if not exists teaser text;
delete from supabase_migrations.schema_migrations where version >= '20260901090000'
"""
MOODS = "select count(*) from information_schema.columns where table_name = 'stories' and column_name = 'mood'"


@pytest.mark.deep
@pytest.mark.parametrize("engine", ["supabase", "command"])
def test_a_migration_runs_only_when_the_ledger_lacks_a_version(staging: Environment, tmp_path: Path, engine: str) -> None:
    environment = staging.copied(tmp_path)
    if engine == "command":
        with edited_stack(tmp_path / "inventories") as stack:
            by_command(stack)
    command, before = "TASK [Apply what the release needs, once]", applied()
    shipped = [path.name.partition("_")[0] for path in sorted((ROOT / "stacks/morpheus/supabase/migrations").iterdir())]
    assert versions(before) == shipped
    run = environment.deployed("1.1.0")
    assert command not in run.output
    assert applied() == before
    sql(UNDONE)
    run = environment.deployed("1.0.0")
    assert (command in run.output) == (engine == "command")
    after = applied()
    assert (versions(after), after[:4], sql(MOODS)) == (shipped, before[:4], "1")
    # The other one takes what this one wrote.
    staging.deployed("1.1.0")
    assert applied() == after
