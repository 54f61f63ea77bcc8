"""The workflows, run from their real files with stand-ins for what lies outside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workflows import scenarios
from tests.workflows.bridge import WorkflowError
from tests.workflows.forge import Trees
from tests.workflows.world import PUSH, World, documented_lines, only_of_another_repository

# What another scenario shows of another file, of another night or of another key, or what a unit of the script shows as well.
DEEP = {
    scenarios.what_a_browser_finds_amiss_takes_the_release_back_and_is_kept,
    scenarios.a_tag_waits_for_the_one_that_is_deployed_and_cuts_nobody_off,
    scenarios.only_tags_go_to_production,
    scenarios.where_nobody_can_review_another_person_dispatches,
    scenarios.a_night_that_cannot_renew_a_certificate_says_so,
    scenarios.a_night_tells_of_money_of_flags_and_of_versions,
    scenarios.a_night_removes_the_previews_that_have_expired_and_no_others,
    scenarios.a_version_is_released_once_and_finished_when_run_again,
    scenarios.a_night_that_finds_nothing_closes_the_issue,
    scenarios.a_plan_that_finds_something_is_shown_and_nobody_is_asked,
    scenarios.pushes_wait_for_each_other_and_only_the_newest_waits,
}


@pytest.mark.parametrize(
    "scenario",
    [pytest.param(one, id=one.__name__, marks=[pytest.mark.deep] if one in DEEP else []) for one in scenarios.SCENARIOS],
)
def test_run(scenario: Callable[[World], None], tmp_path: Path) -> None:
    scenario(World(tmp_path))


def test_another_teams_lines_in_the_documentation_deploy(tmp_path: Path) -> None:
    lines = documented_lines()
    assert len(lines.splitlines()) <= 10
    world = World(tmp_path, only_of_another_repository(lines))
    run = world.happens(PUSH)["theirs"]
    assert (run.conclusion, world.playbooks) == ("success", ["deploy on staging with key of staging"]), world.log(run)
    assert [one["words"][:2] for one in world.called("ansible-galaxy")] == [["collection", "install"]]


def test_a_branch_of_this_repository_is_no_commit_of_it(tmp_path: Path) -> None:
    def by_branch(trees: Trees) -> None:
        job = trees[".github/workflows/deploy-staging.yml"]["jobs"]["deploy"]
        job["uses"] = "morpheus-deploy/morpheus.deploy/.github/workflows/playbook.yml@main"

    with pytest.raises(WorkflowError, match=r"playbook\.yml@main is not there"):
        World(tmp_path, by_branch).happens(PUSH)
