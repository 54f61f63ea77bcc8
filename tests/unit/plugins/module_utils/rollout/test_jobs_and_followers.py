"""Services that end, and services that are replaced after others: their place in the plan, and what becomes of failures."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.plan import plan
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import DesiredService, Order, UpdatePolicy
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica, State

from tests.unit.simulation import Host, KilledError

DB = DesiredService("db", 1, "new")
SETUP = DesiredService("setup", 0, "new", job=True, due=True, depends_on=("db",))
WEB = DesiredService("web", 1, "new", depends_on=("setup",))
RUN = "setup: run the job, and wait for its end (once for each release)"
SHARES = UpdatePolicy(order=Order.STOP_FIRST, exclusive="shares the network of vpn")
VPN = DesiredService("vpn", 1, "new")
WORKER = DesiredService("worker", 1, "same", policy=SHARES, depends_on=("vpn",), follows=("vpn",))


def said(host: Host) -> list[str]:
    return [str(step) for step in host.plan()]


def test_a_job_runs_in_its_wave_and_once() -> None:
    host = Host([DB, SETUP, WEB])
    assert said(host) == [
        "db: start 1 candidate (0 of 1 run)",
        "db: gate 1 candidate",
        RUN,
        "web: start 1 candidate (0 of 1 run)",
        "web: gate 1 candidate",
    ]
    assert host.run().failures == []
    assert (host.violations, host.misses(), host.jobs, host.plan()) == ([], [], ["setup"], [])


def test_a_job_that_has_run_orders_the_waves_and_does_nothing() -> None:
    assert [str(one) for one in plan([DB, replace(SETUP, due=False), WEB], [])] == [
        "db: start 1 candidate (0 of 1 run)",
        "db: gate 1 candidate",
        "web: start 1 candidate (0 of 1 run)",
        "web: gate 1 candidate",
    ]


def test_what_waits_for_a_job_that_failed_is_not_touched_and_the_next_run_runs_it_again() -> None:
    host = Host([DB, SETUP, WEB])
    host.add("web", "old")
    host.bad_jobs = {"setup"}
    assert host.run().failures == ["the job setup failed"]
    assert ([one.fingerprint for one in host.alive("web")], host.jobs) == (["old"], [])
    host.bad_jobs = set()
    assert host.run().failures == []
    assert (host.violations, host.misses(), host.jobs) == ([], [], ["setup"])


def test_a_service_that_has_become_a_job_lets_its_replicas_go_first() -> None:
    host = Host([replace(SETUP, depends_on=())])
    host.add("setup", "old")
    host.add("setup", "older", State.DEAD)
    assert said(host) == [
        "setup: remove shop-setup-2, which does not run",
        "setup: stop shop-setup-1",
        "setup: remove shop-setup-1",
        RUN,
    ]


def test_what_shares_the_network_of_another_is_replaced_after_it_and_never_beside_itself() -> None:
    host = Host([VPN, WORKER])
    host.add("vpn", "old")
    host.add("worker", "same")
    steps = host.plan()
    assert [str(step) for step in steps if step.service == "worker"] == [
        "worker: stop shop-worker-1 (interrupts worker; stop-first: shares the network of vpn)",
        "worker: remove shop-worker-1",
        "worker: start 1 candidate (shop-worker-1 follows vpn, which is replaced)",
        "worker: gate 1 candidate",
    ]
    assert max(step.wave for step in steps if step.service == "vpn") < min(
        step.wave for step in steps if step.service == "worker"
    )
    assert host.run().failures == []
    assert (host.violations, host.misses(), host.plan()) == ([], [], [])


def test_what_another_one_keeps_is_not_replaced() -> None:
    host = Host([VPN, WORKER])
    host.add("vpn", "new")
    host.add("worker", "same")
    assert host.plan() == []


def test_a_run_that_was_killed_after_the_one_and_before_the_other_is_finished() -> None:
    host = Host([VPN, WORKER])
    host.add("vpn", "old")
    host.add("worker", "same")
    host.fuse = 4
    with pytest.raises(KilledError):
        host.run()
    host.fuse = None
    assert [one.fingerprint for one in host.alive("vpn")] == ["new"]
    assert "worker: start 1 candidate (shop-worker-1 is older than vpn, which it follows)" in said(host)
    assert host.run().failures == []
    assert (host.violations, host.misses()) == ([], [])


def test_one_more_replica_of_the_one_changes_nothing_for_the_other() -> None:
    observed = [
        Replica("1", "shop-db-1", "db", 1, "new", created=1.0),
        Replica("2", "shop-web-1", "web", 1, "new", created=2.0),
        Replica("3", "shop-db-2", "db", 2, "new", created=3.0),
    ]
    assert plan([replace(DB, replicas=2), replace(WEB, depends_on=("db",), follows=("db",))], observed) == []


def test_what_stays_of_the_one_after_a_killed_run_decides() -> None:
    """The old replica is still there and goes: nothing is left then of what the other one knew."""
    observed = [
        Replica("1", "shop-db-1", "db", 1, "old", created=1.0),
        Replica("2", "shop-web-1", "web", 1, "new", created=2.0),
        Replica("3", "shop-db-2", "db", 2, "new", created=3.0),
    ]
    steps = plan([replace(DB, replicas=2), replace(WEB, depends_on=("db",), follows=("db",))], observed)
    assert "web: start 1 candidate (shop-web-1 is older than db, which it follows)" in [str(step) for step in steps]


def test_a_restart_replaces_each_once() -> None:
    observed = [
        Replica("1", "shop-vpn-1", "vpn", 1, "new", created=1.0),
        Replica("2", "shop-worker-1", "worker", 1, "same", created=2.0),
    ]
    steps = plan([VPN, WORKER], observed, replace_created_before=9.0)
    assert sorted(name for step in steps if step.action.value == "remove" for name in step.replicas) == [
        "shop-vpn-1",
        "shop-worker-1",
    ]
