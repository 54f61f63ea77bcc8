"""What users see while something changes: no failed request. The load retries nothing."""

from __future__ import annotations

import os

import pytest

from tests.acceptance.world import FULL_RATE, Environment, eventually, on, without_address
from tests.load import Load

# Ten for a claim (see design 11.12), two for every change of the code.
DEPLOYS = int(os.environ.get("ACCEPTANCE_DEPLOYS", "2"))


def report(load: Load, what: str) -> None:
    print(f"\n{what}: {load.report.failed} failed of {load.report.sent} requests in {load.report.seconds:.0f} s")
    assert load.report.is_clean, load.report.failures


# Each time the deploy over two hosts below, and those of tests/changes, there and back.
@pytest.mark.deep
def test_deploys_there_and_back_fail_no_request_and_leave_an_unchanged_service_alone(staging: Environment) -> None:
    unchanged = staging.containers("staging-app-1", "ml")
    assert unchanged
    with staging.load(rate_keepalive=FULL_RATE) as load:
        for number in range(DEPLOYS):
            release = ("1.1.0", "1.0.0")[number % 2]
            run = staging.deployed(release)
            load.wait_for_release(release, seconds=20)
            assert staging.verdict()["verdict"] == "deployed", run.output
            assert staging.verdict()["cut"] == 0
            # Five requests a second are little, and none would be nothing to look at.
            [asked] = staging.verdict()["hosts"]["staging-app-1"]["traffic"]
            assert sum(sample[1] for sample in asked["samples"]) > 5 * asked["samples"][-1][0]
            assert sum(sample[2] for sample in asked["samples"]) == 0
            assert {"api: admit", "api: drain"} <= {step for _, step in asked["steps"]}
            assert staging.containers("staging-app-1", "ml") == unchanged
    report(load, f"{DEPLOYS} deploys")
    # The next deploy can admit its candidates at once.
    assert without_address("staging-app-1") == "[]"


@pytest.mark.deep
def test_a_rolling_restart_replaces_every_replica_and_fails_no_request(staging: Environment) -> None:
    before = staging.containers("staging-app-1")
    with staging.load(rate_keepalive=FULL_RATE) as load:
        run = staging.play("playbooks/restart.yml")
        assert run.code == 0, run.output
    after = staging.containers("staging-app-1")
    assert len(after) == len(before)
    assert not set(after.values()) & set(before.values())
    report(load, "restart")


@pytest.mark.deep
def test_a_changed_edge_configuration_is_loaded_and_fails_no_request(staging: Environment) -> None:
    with staging.load(rate_keepalive=FULL_RATE) as load:
        for seconds in ("61", "60"):
            run = staging.play("playbooks/provision.yml", "--tags", "edge", "-e", f"edge_timeout_seconds={seconds}")
            assert run.code == 0, run.output
            assert f"timeout client {seconds}s" in on("staging-app-1", "cat", "/var/lib/morpheus.deploy/edge/conf/haproxy.cfg")
    report(load, "two edge reloads")


@pytest.mark.deep
def test_a_restart_of_the_engine_fails_no_request(staging: Environment) -> None:
    before = staging.containers("staging-app-1")
    with staging.load(rate_keepalive=FULL_RATE) as load:
        on("staging-app-1", "systemctl", "restart", "docker")
        eventually(lambda: on("staging-app-1", "docker", "ps", "-q", check=False), "the engine answers again")
        assert staging.deploy("1.0.0").code == 0
    assert staging.containers("staging-app-1") == before
    report(load, "engine restart")


@pytest.mark.deep
def test_the_edge_finds_a_restarted_replica_again_and_only_its_own_requests_are_at_risk(staging: Environment) -> None:
    replica, _ = sorted(staging.containers("staging-app-1", "api"))
    served = f"'{replica}'"
    with staging.load(websockets=0, uploads=0, rate_slow=0) as load:
        on("staging-app-1", "docker", "restart", replica)
        identity = staging.containers("staging-app-1", "api")[replica][:12]

        def serves_again() -> bool:
            return any(identity in seen.replicas for seen in load.snapshot().by_release.values())

        eventually(serves_again, f"{served} answers users again", 30)
    # uvicorn closes its listening socket before it ends: a connection made in that moment is lost with its request.
    in_flight = load.report.failed
    print(f"\nreplica restarted: {in_flight} failed of {load.report.sent}")
    assert in_flight <= 5, load.report.failures


@pytest.mark.parametrize("release", ["1.1.0"])
def test_a_deploy_over_two_hosts_behind_the_balancer_fails_no_request(production: Environment, release: str) -> None:
    with production.load(rate_keepalive=FULL_RATE) as load:
        run = production.deployed(release)
        load.wait_for_release(release, seconds=20)
    verdict = production.verdict()
    assert verdict["verdict"] == "deployed", run.output
    assert {name: host["release"] for name, host in verdict["hosts"].items()} == dict.fromkeys(production.hosts, release)
    report(load, "deploy over two hosts")
