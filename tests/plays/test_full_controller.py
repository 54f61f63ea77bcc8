"""A controller whose disk is full, a really full one: a deploy goes on, ends in its own word and says what it could not write."""

from __future__ import annotations

import pytest

from tests.plays.staged import ROLLOUTS, Case, Stage, rule
from tests.plays.test_schema_in_plays import words

# A disk of its own below .deploy, of which nothing is left; in a namespace of its own, so it goes with the run.
FULL = """
mount -t tmpfs -o size=64k,mode=700 none .deploy
head -c 1M /dev/zero >.deploy/fill 2>/dev/null && exit 99
exec "$@"
"""
WHY = (
    ".deploy/staging/verdict.json could not be written: No space left on device. See it on this controller with: df -h .deploy; "
    "ls -la .deploy/staging"
)
FULL_DISK = f"the verdict could not be written: {WHY}"
IN_THE_BEGINNING = f"what this run has done cannot be written, and an earlier run's file may stay: {WHY}"
WITHIN = ("unshare", "--mount", "sh", "-c", FULL, "sh")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("stage"))


@pytest.mark.deep
def test_a_deploy_goes_on_and_says_what_it_could_not_write(stage: Stage) -> None:
    done = stage.play("full", "deploy", Case(within=WITHIN))
    assert done.code == 0, done.output
    assert "VERDICT deployed: staging 1.1.0" in done.output
    assert FULL_DISK in words(done)
    assert IN_THE_BEGINNING in words(done)
    # The deploy is done: nobody is told to type it once more.
    assert "run this again" not in words(done)
    assert "Traceback" not in done.output
    assert "details:" not in done.output
    rolled = [one["host"] for one in done.asked if one["module"] == "stack_rollout"]
    assert sorted(rolled) == ["app-1", "app-2"]


@pytest.mark.deep
def test_a_deploy_that_fails_there_is_taken_back_all_the_same(stage: Stage) -> None:
    answer = {**ROLLOUTS["deploy"], "failed": True, "left": "as_before", "msg": "the gate was not passed"}
    done = stage.play(
        "full and failed", "deploy", Case(rules=[rule("stack_rollout", answer, host="app-2", kind="deploy")], within=WITHIN)
    )
    assert done.code == 2, done.output
    assert "the gate was not passed" in done.output
    assert FULL_DISK in words(done)
    assert "Traceback" not in done.output
