"""What an engineer has at three in the morning: rollback, and what it needs, refuses and leaves behind."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.acceptance.world import STACK, STAGING, Environment, Run, eventually, on, says, signal_rollout, without_registry
from tests.hangs import HANGS_AFTER_SECONDS


@pytest.mark.deep
def test_back_and_back_under_load(staging: Environment) -> None:
    with staging.load() as load:
        staging.deployed("1.1.0")
        staging.deployed("1.2.0")
        for release in ("1.1.0", "1.0.0"):
            run = staging.play("rollback.yml")
            assert run.code == 0, run.output
            says(run, [f"to {release}-", "secrets stay the current ones", f"VERDICT rolled_back: staging {release} (was"])
            load.wait_for_release(release, seconds=20)
            print(
                f"\nrollback to {release}: {run.seconds:.1f} s, of these {staging.verdict()['hosts']['staging-app-1']['seconds']}"
            )
    lines = staging.history()[-4:]
    assert [(line["verdict"], line["to"]) for line in lines] == [
        ("deployed", "1.1.0"),
        ("deployed", "1.2.0"),
        ("rolled_back", "1.1.0"),
        ("rolled_back", "1.0.0"),
    ]
    tokens = [int(str(line["token"])) for line in lines]
    assert tokens == sorted(set(tokens))
    print(f"\ndeploys and rollbacks: {load.report.failed} failed of {load.report.sent}")
    assert load.report.is_clean, load.report.failures


@pytest.mark.deep
def test_a_rollback_needs_no_registry_and_no_vault_password(staging: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    staging.deployed("1.1.0")
    monkeypatch.setenv("MORPHEUS_VAULT_PASSWORD_STAGING", "not the password")
    deploy = staging.deploy("1.2.0")
    assert deploy.code != 0
    with without_registry(staging.hosts[0]):
        check = staging.play("rollback.yml", "--check")
        says(
            check,
            ["CHECK MODE: nothing was changed in staging. A rollback to 1.0.0 would:", "api: start 2 candidates (changed: image"],
        )
        assert staging.health()[1]["version"] == "1.1.0"
        run = staging.play("rollback.yml")
    assert run.code == 0, run.output
    assert staging.health()[1]["version"] == "1.0.0"


@pytest.mark.deep
def test_a_rollback_to_an_image_that_one_host_has_lost_is_refused_before_any_change(production: Environment) -> None:
    production.deployed("1.1.0")
    manifests = on("production-app-2", "sh", "-c", f"cat {STACK}/releases/1.0.0-*/manifest.json")
    image = json.loads(manifests)["images"]["api"]["id"]
    before = {host: production.containers(host) for host in production.hosts}
    on("production-app-2", "docker", "rmi", "--force", image)
    run = production.play("rollback.yml")
    assert run.code != 0
    says(run, ["production-app-2: the images morpheus/api:1.0.0 of release 1.0.0-", "VERDICT refused"])
    assert {host: production.containers(host) for host in production.hosts} == before


def gives_up_as_staging_does(production: Environment, inventories: Path) -> Environment:
    """By an inventory of its own, in which a candidate has half a minute to pass and not a whole one."""
    path = inventories / "production" / "group_vars" / "all" / "stack.yml"
    variables = yaml.safe_load(path.read_text())
    for service in variables["stack"]["services"]:
        service["health"]["deadline_seconds"] = 30
    path.write_text(yaml.safe_dump(variables))
    return replace(production, inventories=str(inventories))


def test_a_release_that_fails_on_the_second_host_is_taken_back_on_the_first_too(
    production: Environment, inventories: Path
) -> None:
    hasty = gives_up_as_staging_does(production, inventories)
    before = {host: set(production.containers(host)) for host in production.hosts}
    # On the second host alone the candidates cannot reach their database, so only there the release is never healthy.
    blocked = ["-p", "tcp", "--dport", "5432", "-m", "conntrack", "--ctstate", "NEW", "-j", "REJECT"]
    on("production-app-2", "iptables", "-I", "DOCKER-USER", *blocked)
    try:
        with production.load() as load:
            run = hasty.deploy("1.1.0")
    finally:
        on("production-app-2", "iptables", "-D", "DOCKER-USER", *blocked)
    assert run.code != 0
    says(run, ["VERDICT rolled_back: production 1.1.0 (was 1.0.0)", "production-app-1 runs 1.0.0", "production-app-2 runs 1.0.0"])
    assert {host: len(production.containers(host)) for host in production.hosts} == {h: len(c) for h, c in before.items()}
    print(f"\ntaken back on both hosts: {load.report.failed} failed of {load.report.sent}")
    assert load.report.is_clean, load.report.failures


@pytest.mark.deep
def test_a_rollout_that_is_killed_on_the_second_host_is_taken_back_there_and_on_the_first(production: Environment) -> None:
    first, second = production.hosts
    with production.load() as load, production.begun("1.1.0") as deploy:
        eventually(lambda: production.rolling(second).startswith("1.1.0-"), "the second host rolls")
        signal_rollout(second, signal.SIGKILL)
        output, _ = deploy.communicate(timeout=HANGS_AFTER_SECONDS)
    run = Run(deploy.returncode, output, 0)
    assert run.code == 2, output
    says(run, ["VERDICT rolled_back: production 1.1.0 (was 1.0.0)", f"{first} runs 1.0.0", f"{second} runs 1.0.0"])
    says(run, [f"the rollout of {second} ended without an answer, as a killed process does"])
    assert [production.rolling(host) for host in production.hosts] == ["", ""]
    print(f"\nkilled on the second host, taken back on both: {load.report.failed} failed of {load.report.sent}")
    assert load.report.is_clean, load.report.failures


@pytest.mark.deep
def test_the_second_of_two_deploys_is_refused_or_waits_and_says_whose_turn_it_is(staging: Environment) -> None:
    with staging.begun("1.1.0") as first:
        eventually(staging.lease, "the first deploy has the lease")
        second = staging.deploy("1.2.0")
        assert second.code != 0
        says(second, ["deploy 1.1.0", "VERDICT refused"])
        staging.deployed("1.2.0", "-e", "lease_wait_seconds=120")
        output, _ = first.communicate(timeout=HANGS_AFTER_SECONDS)
        assert first.returncode == 0, output
    assert [line["to"] for line in staging.history()[-2:]] == ["1.1.0", "1.2.0"]
    assert staging.health()[1]["version"] == "1.2.0"


@pytest.mark.lane("staging")
@pytest.mark.deep
def test_after_a_killed_deploy_a_rollback_goes_to_what_ran_before_it() -> None:
    staging = STAGING
    staging.deployed("1.1.0")
    with staging.begun("1.2.0") as first:
        eventually(lambda: staging.rolling().startswith("1.2.0-"), "it rolls")
        signal_rollout("staging-app-1", signal.SIGKILL)
        os.kill(first.pid, signal.SIGKILL)
        first.wait(timeout=HANGS_AFTER_SECONDS)
    run = staging.play("rollback.yml")
    assert run.code == 0, run.output
    assert staging.health()[1]["version"] == "1.1.0"
    assert sorted(len(staging.containers("staging-app-1", service)) for service in ("api", "web", "ml")) == [1, 1, 2]
