"""A run of some hosts only says which others it leaves out and what they run, or is refused where it would harm them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.test_rotation import copied
from tests.acceptance.world import Environment, on, says

FIRST, SECOND = "production-app-1", "production-app-2"


@contextmanager
def without_ssh(host: str) -> Iterator[None]:
    blocked = ["-p", "tcp", "--dport", "22", "-j", "REJECT", "--reject-with", "tcp-reset"]
    on(host, "iptables", "-I", "INPUT", *blocked)
    try:
        yield
    finally:
        on(host, "iptables", "-D", "INPUT", *blocked)


@pytest.mark.deep
def test_a_canary_names_the_hosts_that_are_left_out_and_a_run_without_limit_brings_them_along(production: Environment) -> None:
    first = production.containers(FIRST)
    with production.load() as load:
        # The first host keeps the lease, too, and is asked for it whether it is in the play or not.
        run = production.deployed("1.1.0", "--limit", SECOND)
        says(run, ["VERDICT deployed: production 1.1.0 (was 1.0.0)", f"{SECOND} runs 1.1.0"])
        says(run, [f"left out by --limit: {FIRST}, which runs 1.0.0"])
        verdict = production.verdict()
        assert verdict["verdict"] == "deployed"
        assert {name: host["release"] for name, host in verdict["left_out"].items()} == {FIRST: "1.0.0"}
        assert list(verdict["hosts"]) == [SECOND]
        assert production.history()[-1]["left_out"] == {FIRST: "1.0.0"}
        assert production.containers(FIRST) == first

        status = production.play("playbooks/status.yml", "--limit", SECOND)
        says(status, [f"{FIRST}: was not asked, because --limit leaves it out"])

        run = production.deployed("1.1.0")
        assert "left out" not in run.output
        assert production.verdict()["left_out"] == {}
        releases = {name: host["release"] for name, host in production.verdict()["hosts"].items()}
        assert releases == {FIRST: "1.1.0", SECOND: "1.1.0"}

        back = production.play("rollback.yml", "--limit", FIRST)
        assert back.code == 0, back.output
        says(back, [f"{FIRST} runs 1.0.0", f"left out by --limit: {SECOND}, which runs 1.1.0"])
        back = production.play("rollback.yml", "--limit", SECOND)
        assert back.code == 0, back.output
    print(f"\ncanary and back: {load.report.failed} failed of {load.report.sent}")
    assert load.report.is_clean, load.report.failures


@pytest.mark.deep
def test_a_host_that_is_left_out_and_out_of_reach_stops_no_run(production: Environment) -> None:
    with without_ssh(SECOND):
        refused = production.play("playbooks/restart.yml")
        assert refused.code != 0
        says(refused, ["VERDICT refused: production", f"{SECOND} could not be reached"])
        run = production.play("playbooks/restart.yml", "--limit", FIRST)
        assert run.code == 0, run.output
        says(run, ["VERDICT deployed", f"left out by --limit: {SECOND}, and nobody knows what it runs: it could not be reached."])
    assert production.history()[-1]["left_out"] == {SECOND: "unknown"}


@pytest.mark.deep
def test_without_the_first_host_deploy_restart_and_rollback_go_on_and_it_catches_up_later(production: Environment) -> None:
    rest = ["--limit", f"!{FIRST}"]
    with without_ssh(FIRST):
        refused = production.deploy("1.1.0")
        assert refused.code == 4, refused.output
        says(refused, ["VERDICT refused: production", f"{FIRST} could not be reached", f"--limit '!{FIRST}'"])
        says(production.deployed("1.1.0", *rest), ["VERDICT deployed", f"{SECOND} runs 1.1.0", f"left out by --limit: {FIRST}"])
        for playbook, word in (
            ("playbooks/restart.yml", "deployed"),
            ("rollback.yml", "rolled_back"),
            ("deploy.yml", "deployed"),
        ):
            run = production.play(playbook, *rest, "-e", "stack_release=1.1.0")
            assert run.code == 0, run.output
            says(run, [f"VERDICT {word}"])
        status = production.play("playbooks/status.yml")
        away = f"{FIRST}: when it comes back it has 1.0.0, and the balancer sends nobody there until a deploy brings it along"
        says(status, [away])
        unlocked = production.play("playbooks/unlock.yml", "-e", "unlock_reason=a test")
        assert unlocked.code == 0, unlocked.output
        says(unlocked, ["Nobody holds the lease of production.", f"{FIRST} could not be reached"])
    back = production.deployed("1.1.0")
    says(back, [f"{FIRST} runs 1.1.0", f"{SECOND} runs 1.1.0", f"the balancer lets {FIRST} serve again"])
    says(production.play("rollback.yml"), ["VERDICT rolled_back"])


@pytest.mark.deep
def test_a_rotation_of_some_hosts_is_refused_before_anything_changes(production: Environment, tmp_path: Path) -> None:
    inventory = copied(production, tmp_path)
    before, vault = production.everything(), inventory.text
    for secret in ("session", "database"):
        run = inventory.rotate(secret, "--limit", SECOND)
        assert run.code == 2
        says(run, [f"{FIRST} is left out by --limit.", "Nothing was made, added or revoked.", "VERDICT refused"])
    assert inventory.text == vault
    assert production.everything() == before
