"""Workflows that somebody has spoiled: for each kind of slip a scenario that notices, and the runner's own refusals."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import deep
from tests.workflows import scenarios
from tests.workflows.bridge import WorkflowError
from tests.workflows.forge import trees
from tests.workflows.slips import NOTICED, Change, drops, job, sets, skips, swaps_needs
from tests.workflows.world import PUSH, World, dispatch

Scenario = Callable[[World], None]


def nightly_without(playbook: str) -> Change:
    return lambda all_trees: job("drift", "look")(all_trees)["strategy"]["matrix"]["playbook"].remove(playbook)


def cuts_off(workflow: str) -> Change:
    return lambda all_trees: all_trees[f".github/workflows/{workflow}.yml"]["concurrency"].update({"cancel-in-progress": True})


PLAYBOOK = job("playbook", "run")
SLIPS = {
    "smoke test before the deploy": (
        swaps_needs("deploy-staging", "deploy", "smoke"),
        scenarios.a_push_is_tested_built_deployed_tried_and_signed,
    ),
    "approval before the plan": (
        swaps_needs("deploy-production", "plan", "approval"),
        scenarios.a_plan_that_finds_something_is_shown_and_nobody_is_asked,
    ),
    "a fork gets a preview": (
        sets(job("preview", "build"), **{"if": "github.event_name == 'pull_request'"}),
        scenarios.a_fork_gets_no_preview_whatever_it_does,
    ),
    "a fork's preview is removed with the key of hosts": (
        sets(job("preview", "remove"), **{"if": "github.event.action == 'closed'"}),
        scenarios.a_fork_gets_no_preview_whatever_it_does,
    ),
    "nobody is asked": (drops(PLAYBOOK, "environment"), scenarios.a_tag_is_planned_then_approved_then_deployed_as_staging_ran_it),
    "no approval is decided": (
        drops(job("deploy-production", "deploy"), "if"),
        scenarios.where_nobody_can_review_another_person_dispatches,
    ),
    "record without a smoke test": (
        sets(job("deploy-staging", "record"), needs=["test", "images", "deploy"]),
        scenarios.a_smoke_test_that_fails_takes_the_release_back,
    ),
    "no browser": (
        skips(job("deploy-staging", "smoke"), "Tell one in a browser"),
        scenarios.what_a_browser_finds_amiss_takes_the_release_back_and_is_kept,
    ),
    "build without tests": (drops(job("deploy-staging", "build"), "needs"), scenarios.tests_that_fail_keep_a_push_away),
    "no way back": (drops(job("deploy-staging", "rollback"), "if"), scenarios.a_smoke_test_that_fails_takes_the_release_back),
    "record unverified": (skips(job("deploy-production", "promotion"), "Verify"), scenarios.a_forged_record_is_refused),
    "branch admitted": (
        skips(job("deploy-production", "promotion"), "Refuse what is no tag"),
        scenarios.only_tags_go_to_production,
    ),
    "rollback with the key of deploys": (
        lambda all_trees: job("rollback", "rollback")(all_trees)["with"].update(environment="production"),
        scenarios.on_call_rolls_back_without_a_vault,
    ),
    "smoke test skipped": (
        skips(job("deploy-staging", "smoke"), "Tell a story"),
        scenarios.a_smoke_test_that_fails_takes_the_release_back,
    ),
    "night without a report": (drops(job("drift", "report"), "if"), scenarios.a_night_that_finds_something_writes_one_issue),
    "night without a renewal": (
        nightly_without("certificates"),
        scenarios.a_night_that_cannot_renew_a_certificate_says_so,
    ),
    "night that does not ask for money": (
        nightly_without("costs"),
        scenarios.a_night_tells_of_money_of_flags_and_of_versions,
    ),
    "night that does not look at flags": (
        nightly_without("flags"),
        scenarios.a_night_tells_of_money_of_flags_and_of_versions,
    ),
    "a month without a drill": (
        lambda all_trees: job("backup", "backup")(all_trees)["with"].update(variables='{"backup_do": "now"}'),
        scenarios.a_month_tries_the_last_backup,
    ),
    "one backup that fails keeps the others away": (
        sets(job("backup", "backup"), strategy={"matrix": {"inventory": ["staging", "production"]}}),
        scenarios.a_night_backs_up_each_environment_that_is_listed,
    ),
    "backups that nobody has listed": (
        sets(job("backup", "backup"), **{"if": "always()"}),
        scenarios.without_a_list_nobody_is_backed_up_and_a_person_may_still_ask,
    ),
    "a version without tests": (drops(job("release", "build"), "needs"), scenarios.a_version_whose_tests_fail_is_not_built),
    "a version that nobody approves": (
        drops(job("release", "publish"), "environment"),
        scenarios.a_version_that_nobody_approves_is_not_signed,
    ),
    "a version of a branch": (
        skips(job("release", "build"), "Refuse what is not main"),
        scenarios.a_version_is_made_of_main_only,
    ),
    "tags cut each other off": (
        cuts_off("deploy-production"),
        scenarios.a_tag_waits_for_the_one_that_is_deployed_and_cuts_nobody_off,
    ),
    "pushes cut each other off": (
        cuts_off("deploy-staging"),
        scenarios.pushes_wait_for_each_other_and_only_the_newest_waits,
    ),
}


# One of each kind: an order, an environment, a condition, a step, what is cut off.
SLIPS_EACH_TIME = (
    "smoke test before the deploy",
    "a fork gets a preview",
    "nobody is asked",
    "record unverified",
    "backups that nobody has listed",
    "pushes cut each other off",
)


def test_what_is_spoiled_each_time_is_among_the_slips() -> None:
    assert set(SLIPS_EACH_TIME) <= set(SLIPS)


@pytest.mark.parametrize("slip", deep.cases(SLIPS, SLIPS_EACH_TIME))
def test_a_slip_is_noticed(slip: str, tmp_path: Path) -> None:
    change, scenario = SLIPS[slip]
    with pytest.raises(NOTICED):
        scenario(World(tmp_path, change))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (sets(job("deploy-staging", "images"), container="debian"), "images: the runner does not know container"),
        pytest.param(
            sets(job("deploy-staging", "smoke"), needs=["record"]),
            "wait for each other, or for a job that is not there",
            marks=pytest.mark.deep,
        ),
        (sets(job("ci", "test"), permissions={"contents": "write"}), "asks for contents: write, and may have read"),
        (
            lambda all_trees: job("ci", "test")(all_trees)["steps"][0].update(uses="other/action@v1"),
            "the runner has no stand-in for other/action",
        ),
        (
            lambda all_trees: job("ci", "test")(all_trees)["steps"][0]["with"].update(submodules="true"),
            "with: the runner does not know submodules",
        ),
        pytest.param(
            lambda all_trees: job("deploy-staging", "deploy")(all_trees)["with"].update(inventroy="staging"),
            "inputs: the runner does not know inventroy",
            marks=pytest.mark.deep,
        ),
        pytest.param(
            lambda all_trees: job("deploy-staging", "deploy")(all_trees)["with"].update(environment="stagign"),
            "no environment 'stagign'",
            marks=pytest.mark.deep,
        ),
    ],
)
def test_what_the_runner_does_not_know_is_an_error(change: Change, said: str, tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match=said):
        World(tmp_path, change).happens(PUSH)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"environment": "laptop", "reason": "a try"}, "inputs.environment: 'laptop' is none of staging, production"),
        ({"environment": "staging"}, "inputs.reason is required"),
        ({"environment": "staging", "reason": "a try", "force": "true"}, "the runner does not know force"),
    ],
)
def test_a_dispatch_that_does_not_fit_is_refused(inputs: dict[str, str], said: str, tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match=said):
        World(tmp_path).happens(dispatch("carol", "refs/heads/main", **inputs), "rollback")


def single_slips() -> dict[str, Change]:
    """Every job without its needs, its condition or its environment, and every job without one of its steps."""
    found: dict[str, Change] = {}
    for path, tree in trees().items():
        workflow = Path(path).stem
        for name, read in tree.get("jobs", {}).items():
            for key in ("needs", "if", "environment"):
                if key in read:
                    found[f"{workflow}.{name} without {key}"] = drops(job(workflow, name), key)
            for step in read.get("steps", []):
                found[f"{workflow}.{name} without the step {step['name']}"] = skips(job(workflow, name), step["name"])
    return found


# Setting up a tool that the machine of a test has anyway.
HARMLESS = {
    "ci.test without the step Python",
    "ci.test without the step Node",
    "ci.package without the step Python",
    "release.build without the step Python",
}


def nearest_first(workflow: str) -> list[Scenario]:
    """Every scenario; those that speak of ``workflow`` come first, so that a slip in it is noticed soon."""
    return sorted(scenarios.SCENARIOS, key=lambda scenario: f'"{workflow}"' not in inspect.getsource(scenario))


@pytest.mark.deep
@pytest.mark.parametrize("slip", sorted(single_slips()))
def test_every_single_slip_is_noticed_by_some_scenario(slip: str, tmp_path: Path) -> None:
    change, noticed = single_slips()[slip], False
    for number, scenario in enumerate(nearest_first(slip.partition(".")[0])):
        try:
            scenario(World(tmp_path / str(number), change))
        except NOTICED:
            noticed = True
            break
    assert noticed is (slip not in HARMLESS)
