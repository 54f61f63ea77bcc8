"""The first host has no power: every command says so, the other one goes on under load, and later the first catches up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.test_rotation import copied
from tests.acceptance.world import PRODUCTION, Environment, eventually, says, without_power

FIRST, SECOND = PRODUCTION.hosts
REST = ("--limit", f"!{FIRST}")


@contextmanager
def off(production: Environment) -> Iterator[None]:
    """Requests that it had taken are lost whatever a deploy does, so nobody asks until the balancer knows."""
    with without_power(FIRST):
        eventually(lambda: all(answers(production) for _ in range(20)), "the balancer sends everybody to the other host")
        yield


def answers(production: Environment) -> bool:
    try:
        return production.ask("/health")[0] == 200
    except OSError:
        return False


@pytest.mark.deep
def test_without_power_on_the_first_host_the_other_is_deployed_to_and_rolled_back_and_nothing_is_rotated(
    production: Environment, tmp_path: Path
) -> None:
    inventory = copied(production, tmp_path)
    vault = inventory.text
    with off(production):
        with production.load() as load:
            refused = production.deploy("1.1.0")
            assert refused.code == 4, refused.output
            says(refused, ["VERDICT refused: production", f"{FIRST} could not be reached", f"--limit '!{FIRST}'"])

            run = production.deployed("1.1.0", *REST)
            says(run, ["VERDICT deployed: production 1.1.0", f"{SECOND} runs 1.1.0", f"left out by --limit: {FIRST}"])
            load.wait_for_release("1.1.0", seconds=20)

            refused = production.play("rollback.yml")
            assert refused.code == 4, refused.output
            says(refused, ["VERDICT refused: production", f"{FIRST} could not be reached", f"--limit '!{FIRST}'"])
            back = production.play("rollback.yml", *REST)
            assert back.code == 0, back.output
            says(back, ["VERDICT rolled_back: production 1.0.0 (was 1.1.0)", f"{SECOND} runs 1.0.0"])
            load.wait_for_release("1.0.0", seconds=20)

            # What takes a value away from every host needs every host.
            for options, code in (((), 4), (REST, 2)):
                rotation = inventory.rotate("session", *options)
                assert rotation.code == code, rotation.output
                why = f"{FIRST} is left out by --limit." if options else f"{FIRST} could not be reached"
                says(rotation, ["VERDICT refused: production", why])
            assert inventory.text == vault

            production.deployed("1.1.0", *REST)
        print(f"\nwithout the first host: {load.report.failed} failed of {load.report.sent}")
        assert load.report.is_clean, load.report.failures
    with production.load() as load:
        run = production.deployed("1.1.0")
        says(run, [f"{name} runs 1.1.0" for name in production.hosts])
        load.wait_for_release("1.1.0", seconds=20)
    print(f"\nthe first host catches up: {load.report.failed} failed of {load.report.sent}")
    assert load.report.is_clean, load.report.failures
    assert set(production.verdict()["hosts"]) == set(production.hosts)
