"""What changes, and what does not."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.world import ROOT, Environment, on, says


def test_a_second_deploy_says_unchanged_and_touches_nothing(staging: Environment) -> None:
    before = staging.everything()
    run = staging.deployed("1.0.0")
    says(run, ["VERDICT unchanged: staging 1.0.0"])
    assert staging.everything() == before
    verdict = staging.verdict()
    assert (verdict["verdict"], verdict["hosts"]["staging-app-1"]["changed"]) == ("unchanged", False)


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


@pytest.mark.deep
def test_a_migration_runs_only_when_the_ledger_lacks_a_version(staging: Environment) -> None:
    migration, ledger = "TASK [Apply what the release needs, once]", "supabase_migrations.schema_migrations"
    run = staging.deployed("1.1.0")
    assert migration not in run.output
    on("supabase-staging", "psql", "--quiet", "--username=postgres", f"--command=delete from {ledger}")
    run = staging.deployed("1.0.0")
    assert migration in run.output
    listed = on("supabase-staging", "psql", "--username=postgres", "-At", f"--command=select version from {ledger}").split()
    assert listed == [path.name.partition("_")[0] for path in sorted((ROOT / "stacks/morpheus/migrations").iterdir())]
