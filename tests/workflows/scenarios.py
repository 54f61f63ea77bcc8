"""What must be true of a push, a tag, an approval, a dispatch and a night.

Each is a function of a World, so that workflows can be spoiled on purpose and one of them has to notice.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from typing import Any

from tests.workflows.forge import COMMIT, Environment, Event
from tests.workflows.world import PRODUCTION, PUSH, STAGING, TAGGED, UNREVIEWED, World, dispatch

DEPLOYED = ["deploy on staging with key of staging"]
STAGED = [*DEPLOYED, "status on staging with key of staging"]
PLANNED = [*STAGED, "plan on production with key of production-read"]
# By two jobs of ci.yml that do not wait for each other, of which the runner begins the last one first.
TESTED = [["venv", "PYTHON=python"], ["package", "PYTHON=python"]] * 2 + [["venv", "PYTHON=python"], ["test"]] * 2
RELEASED = [*PLANNED, "deploy on production with key of production"]


def images(world: World) -> dict[str, str]:
    name = "ghcr.io/shop/shop"
    return {
        f"{service.upper()}_IMAGE": f"{name}/{service}@{world.forge.registry[f'{name}/{service}:{COMMIT}']}"
        for service in ("api", "web")
    }


def a_push_is_tested_built_deployed_tried_and_signed(world: World) -> None:
    run = world.staged()
    ran = [name for name, result in run.results.items() if "/" not in name and "(" not in name and result == "success"]
    assert ran == ["test", "build", "images", "deploy", "smoke", "status", "record"]
    assert [one["words"] for one in world.called("make")] == [*TESTED, ["visit"]]
    assert world.playbooks == STAGED
    deploy, _ = world.called("ansible-playbook")
    assert deploy["variables"] == {"stack_release": COMMIT, "stack_images": images(world), "lease_wait_seconds": 600}
    assert deploy["passwords"] == {"MORPHEUS_VAULT_PASSWORD_STAGING": "password of staging"}
    assert deploy["hosts"].endswith("-o StrictHostKeyChecking=yes")
    assert ["services/smoke.py", STAGING, COMMIT] in [one["words"] for one in world.called("python3")]
    record = json.loads((world.forge.artefacts[run.number, "promotion"] / "record.json").read_text())
    assert (record["images"], record["proofs"]) == (images(world), {"test": "success", "smoke": "success"})
    assert (run.number, "staging-deploy") in world.forge.artefacts
    assert "### deploy of staging: deployed" in run.summary


def tests_that_fail_keep_a_push_away(world: World) -> None:
    world.script["make"] = {"test": 1}
    run = world.happens(PUSH)["deploy-staging"]
    assert (run.conclusion, world.playbooks, world.forge.registry) == ("failure", [], {})


def a_deploy_that_fails_is_not_signed_and_not_taken_back_twice(world: World) -> None:
    world.script["verdicts"] = {"staging deploy": "rolled_back"}
    run = world.happens(PUSH)["deploy-staging"]
    assert run.conclusion == "failure"
    assert (run.results["smoke"], run.results["rollback"], run.results["record"]) == ("skipped", "skipped", "skipped")
    assert (run.number, "staging-deploy") in world.forge.artefacts
    assert world.playbooks == DEPLOYED


def a_smoke_test_that_fails_takes_the_release_back(world: World) -> None:
    world.script["smoke"] = {STAGING: 1}
    run = world.happens(PUSH)["deploy-staging"]
    assert run.conclusion == "failure"
    assert (run.results["rollback"], run.results["record"]) == ("success", "skipped")
    assert world.playbooks == [*DEPLOYED, "rollback on staging with key of staging"]


def what_a_browser_finds_amiss_takes_the_release_back_and_is_kept(world: World) -> None:
    world.script["make"] = {"visit": 1}
    run = world.happens(PUSH)["deploy-staging"]
    assert (run.conclusion, run.results["rollback"], run.results["record"]) == ("failure", "success", "skipped")
    assert (world.forge.artefacts[run.number, "browser"] / "test" / "visitor-1.png").exists()


def what_a_run_left_as_it_was_is_not_taken_back(world: World) -> None:
    world.script |= {"smoke": {STAGING: 1}, "verdicts": {"staging deploy": "unchanged"}}
    run = world.happens(PUSH)["deploy-staging"]
    assert (run.conclusion, run.results["rollback"]) == ("failure", "skipped")


def pushes_wait_for_each_other_and_only_the_newest_waits(world: World) -> None:
    world.say()
    runs = world.forge.together(PUSH, PUSH, PUSH, workflow="deploy-staging")
    assert [run.conclusion for run in runs] == ["success", "cancelled", "success"]


def a_tag_is_planned_then_approved_then_deployed_as_staging_ran_it(world: World) -> None:
    world.staged()
    world.forge.answers["production"] = "granted"
    run = world.happens(TAGGED)["deploy-production"]
    assert run.conclusion == "success", world.log(run)
    assert (world.playbooks, world.forge.asked) == (RELEASED, ["production"])
    # Before it stand those of staging.
    plan, deploy = world.called("ansible-playbook")[len(STAGED) :]
    assert deploy["variables"] == {"stack_release": COMMIT, "stack_images": images(world), "lease_wait_seconds": 600}
    assert plan["variables"] == deploy["variables"]
    assert deploy["passwords"] == {"MORPHEUS_VAULT_PASSWORD_PRODUCTION": "password of production"}
    assert world.called("python3")[-1]["words"] == ["services/smoke.py", PRODUCTION, COMMIT, "--read-only"]
    assert {name for number, name in world.forge.artefacts if number == run.number} == {"production-plan", "production-deploy"}
    assert "### Staging has proved this commit" in run.summary
    assert run.summary.index("of production: ready") < run.summary.index("of production: deployed")


def a_tag_waits_for_the_one_that_is_deployed_and_cuts_nobody_off(world: World) -> None:
    world.staged()
    world.forge.answers["production"] = "granted"
    world.say()
    runs = world.forge.together(TAGGED, TAGGED, TAGGED, workflow="deploy-production")
    assert [run.conclusion for run in runs] == ["success", "cancelled", "success"]


def without_an_approval_nothing_is_deployed(world: World) -> None:
    world.staged()
    for answer in ("denied", "timed out"):
        world.forge.answers["production"] = answer
        run = world.happens(TAGGED)["deploy-production"]
        assert (run.conclusion, run.results["smoke"], run.results["rollback"]) == ("failure", "skipped", "skipped")
        assert run.jobs["deploy/run"].why == f"the approval for production was {answer}"
        assert "deploy on production with key of production" not in world.playbooks


def a_plan_that_finds_something_is_shown_and_nobody_is_asked(world: World) -> None:
    world.staged()
    world.forge.answers["production"] = "granted"
    world.script["verdicts"] = {"production plan": "refused"}
    run = world.happens(TAGGED)["deploy-production"]
    assert (run.conclusion, world.playbooks, world.forge.asked) == ("failure", PLANNED, [])
    # Nor is anybody told that somebody will be.
    assert run.results["approval"] == "skipped"
    assert "### plan of production: refused" in run.summary


def what_staging_has_not_proved_is_not_even_planned(world: World) -> None:
    world.forge.answers["production"] = "granted"
    assert world.happens(TAGGED)["deploy-production"].results["promotion"] == "failure"
    world.staged()
    tag = f"ghcr.io/shop/shop/api:{COMMIT}"
    world.forge.registry[tag] = f"sha256:{'0' * 64}"
    (world.directory / "registry.json").write_text(json.dumps(world.forge.registry))
    run = world.happens(TAGGED)["deploy-production"]
    assert (run.results["promotion"], world.playbooks) == ("failure", STAGED)
    assert "images.API_IMAGE: staging ran" in world.log(run)


def a_forged_record_is_refused(world: World) -> None:
    staged = world.staged()
    path = world.forge.artefacts[staged.number, "promotion"] / "record.json"
    path.write_text(path.read_text().replace('"deployed"', '"unchanged"'))
    run = world.happens(TAGGED)["deploy-production"]
    assert (run.results["promotion"], world.playbooks) == ("failure", STAGED)
    assert "is no signature of 'staging'" in world.log(run)


def a_smoke_test_of_production_that_fails_takes_the_release_back(world: World) -> None:
    world.staged()
    world.forge.answers["production"] = "granted"
    world.script["smoke"] = {PRODUCTION: 1}
    run = world.happens(TAGGED)["deploy-production"]
    assert run.conclusion == "failure"
    assert world.playbooks == [*RELEASED, "rollback on production with key of production-rollback"]
    assert world.called("ansible-playbook")[-1]["passwords"] == {}


def only_tags_go_to_production(world: World) -> None:
    world.staged()
    assert "deploy-production" not in world.happens(PUSH)
    run = world.happens(dispatch("bob", "refs/heads/main"), "deploy-production")["deploy-production"]
    assert (run.conclusion, run.jobs["promotion"].steps["Refuse what is no tag"]) == ("failure", "failure")


def where_nobody_can_review_another_person_dispatches(world: World) -> None:
    world.github["rules"] = UNREVIEWED
    world.forge.environments["production"] = world.forge.environments["production-read"]
    world.forge.variables["APPROVERS"] = "anna bob"
    world.staged()
    waits = world.happens(TAGGED)["deploy-production"]
    assert (waits.conclusion, waits.results["deploy"], world.playbooks) == ("success", "skipped", PLANNED)
    for who in ("anna", "mallory"):
        run = world.happens(dispatch(who), "deploy-production")["deploy-production"]
        assert (run.results["approval"], run.results["deploy"]) == ("failure", "skipped")
    run = world.happens(dispatch("bob"), "deploy-production")["deploy-production"]
    assert (run.conclusion, run.results["deploy"]) == ("success", "success")
    assert "bob approves what anna has tagged" in run.summary


def on_call_rolls_back_without_a_vault(world: World) -> None:
    event = dispatch("carol", "refs/heads/main", environment="production", reason='errors "after" the release')
    run = world.happens(event, "rollback")["rollback"]
    assert (run.conclusion, world.playbooks) == ("success", ["rollback on production with key of production-rollback"])
    [call] = world.called("ansible-playbook")
    assert call["variables"] == {"lease_reason": 'rollback: errors "after" the release', "lease_wait_seconds": 60}
    assert call["passwords"] == {}


def a_rollback_of_staging_to_a_release_uses_staging_s_key(world: World) -> None:
    event = dispatch("carol", "refs/heads/main", environment="staging", release="1.0.0", reason="a try")
    assert world.happens(event, "rollback")["rollback"].conclusion == "success"
    [call] = world.called("ansible-playbook")
    assert (call["key"], call["variables"]["rollback_to"]) == ("key of staging", "1.0.0")


def a_reason_is_no_program(world: World) -> None:
    event = dispatch("carol", "refs/heads/main", environment="staging", reason="{{ lookup('pipe', 'id') }}")
    run = world.happens(event, "rollback")["rollback"]
    assert (run.conclusion, world.playbooks) == ("failure", [])
    assert "variables: holds a template" in world.log(run)


def another_branch_reaches_no_environment(world: World) -> None:
    event = dispatch("carol", "refs/heads/feature", environment="production", reason="a try")
    run = world.happens(event, "rollback")["rollback"]
    assert (run.conclusion, world.playbooks) == ("failure", [])
    assert run.jobs["rollback/run"].why == "the environment production-rollback does not admit refs/heads/feature"


def a_night_that_finds_nothing_closes_the_issue(world: World) -> None:
    world.github["issue"] = "7"
    run = world.happens(Event("schedule"))["drift"]
    assert run.conclusion == "success", world.log(run)
    looked = [
        f"{playbook} on {inventory} with key of {key}"
        for inventory, key in NIGHT
        for playbook in ("status", "audit", "config", "costs", "flags", "certificates")
    ]
    assert [one for one in world.playbooks if not one.startswith("preview")] == looked
    compared = {one["inventory"]: one["variables"] for one in world.called("ansible-playbook") if one["playbook"] == "config"}
    assert compared == {"staging": {"config_diff": "production"}, "production": {"config_diff": "staging"}}
    renewed = [one["variables"] for one in world.called("ansible-playbook") if one["playbook"] == "certificates"]
    assert renewed == [{"certificates_may_be_files": True}] * 2
    settled = [one["variables"] for one in world.called("ansible-playbook") if one["playbook"] == "flags"]
    assert settled == [{"flags_settled": True}] * 2
    assert [one["words"][:3] for one in world.called("gh")] == [["issue", "list", "--label"], ["issue", "close", "7"]]


def a_night_that_finds_something_writes_one_issue(world: World) -> None:
    world.script["codes"] = {"production audit": 2}
    world.script["reports"] = {"production status": {"hosts": {"app-1": {"drift": ["api-3 was started by hand"]}}}}
    run = world.happens(Event("schedule"))["drift"]
    assert (run.conclusion, run.results["report"]) == ("failure", "failure")
    assert [one["words"][1] for one in world.called("gh")] == ["list", "create", "create"]
    assert "- app-1: api-3 was started by hand" in run.summary
    assert {one["rights"] for one in world.called("gh")} == {"{'contents': 'read', 'issues': 'write'}"}
    world.github["issue"] = "7"
    world.happens(Event("schedule"))
    assert world.called("gh")[-1]["words"][:3] == ["issue", "edit", "7"]


def a_night_that_cannot_renew_a_certificate_says_so(world: World) -> None:
    world.script["verdicts"] = {"staging certificates": "failed"}
    run = world.happens(Event("schedule"))["drift"]
    assert (run.conclusion, run.results["report"]) == ("failure", "failure")
    assert "- certificates ended badly" in run.summary


def a_night_tells_of_money_of_flags_and_of_versions(world: World) -> None:
    cap = {"cap": "money_per_month", "used": 45.0, "limit": 50.0, "near": True, "reached": ""}
    world.script["verdicts"] = {"staging flags": "failed"}
    world.script["reports"] = {
        "production costs": {"problem": "", "ml": {"caps": [cap]}},
        "staging status": {"hosts": {"app-1": {"versions": {"engine": "28.0.1"}}}},
        "production status": {"hosts": {"app-1": {"versions": {"engine": "26.1.5"}}}},
    }
    run = world.happens(Event("schedule"))["drift"]
    assert (run.conclusion, run.results["report"]) == ("failure", "failure")
    assert [line for line in run.summary.splitlines() if line.startswith("- ")] == [
        "- flags ended badly",
        "- money_per_month: 45 of 50 are used",
        "- Docker Engine: 26.1.5 on app-1 of production; 28.0.1 on app-1 of staging",
    ]


def backed_up(world: World) -> list[tuple[str, str, str]]:
    """Inventory, what was done, whose key."""
    called = [one for one in world.called("ansible-playbook") if one["playbook"] == "backup"]
    return [(one["inventory"], one["variables"]["backup_do"], one["key"]) for one in called]


def a_night_backs_up_each_environment_that_is_listed(world: World) -> None:
    world.forge.variables["BACKUPS"] = '["staging", "production"]'
    # One that fails keeps no other one from its backup.
    world.script["codes"] = {"staging backup": 2}
    run = world.happens(Event("schedule", schedule=BACKUP))["backup"]
    assert run.results["backup (staging)"] == "failure"
    assert (run.conclusion, run.results["backup (production)"]) == ("failure", "success")
    assert backed_up(world) == [("staging", "now", "key of staging"), ("production", "now", "key of production-read")]
    assert world.called("ansible-playbook")[-1]["passwords"] == {
        "MORPHEUS_VAULT_PASSWORD_PRODUCTION": "password of production-read"
    }
    assert "### backup of production: done" in run.summary
    assert (run.number, "production-backup") in world.forge.artefacts


def a_month_tries_the_last_backup(world: World) -> None:
    world.forge.variables["BACKUPS"] = '["production"]'
    runs = world.happens(Event("schedule", schedule=DRILL))
    assert list(runs) == ["backup"]
    assert (runs["backup"].conclusion, backed_up(world)) == ("success", [("production", "drill", "key of production-read")])


def without_a_list_nobody_is_backed_up_and_a_person_may_still_ask(world: World) -> None:
    for schedule in (BACKUP, DRILL):
        run = world.happens(Event("schedule", schedule=schedule))["backup"]
        assert (run.conclusion, world.playbooks) == ("skipped", [])
    event = dispatch("carol", "refs/heads/main", environment="staging", do="list")
    assert world.happens(event, "backup")["backup"].conclusion == "success"
    assert world.happens(dispatch("carol", "refs/heads/main"), "backup")["backup"].conclusion == "success"
    assert backed_up(world) == [("staging", "list", "key of staging"), ("production", "now", "key of production-read")]


def a_fork_is_tested_and_reaches_nothing(world: World) -> None:
    runs = world.happens(Event("pull_request", "refs/pull/7/merge", actor="mallory", fork=True))
    assert set(runs) == {"ci", "preview"}
    assert (runs["preview"].conclusion, set(runs["preview"].results.values())) == ("skipped", {"skipped"})
    assert (runs["ci"].conclusion, world.playbooks, world.called("gh"), world.forge.registry) == ("success", [], [], {})


def pull(action: str, **more: Any) -> Event:
    return Event("pull_request", "refs/pull/7/merge", action=action, **more)


def a_pull_request_gets_a_preview_and_a_comment(world: World) -> None:
    run = world.happens(pull("opened"))["preview"]
    assert run.conclusion == "success", world.log(run)
    assert world.playbooks == ["preview on preview with key of preview"]
    [made] = world.called("ansible-playbook")
    assert made["variables"] == {
        "preview_name": "pr-7",
        "stack_release": COMMIT,
        "stack_images": images(world),
        "lease_wait_seconds": 600,
    }
    [comment] = world.called("gh")
    assert comment["words"][-1] == "Preview: https://pr-7.preview.example"
    assert comment["rights"] == "{'pull-requests': 'write'}"
    again = world.happens(pull("synchronize"))["preview"]
    assert (again.conclusion, len(world.called("ansible-playbook"))) == ("success", 2)


def a_preview_that_fails_is_not_called_served(world: World) -> None:
    world.script["verdicts"] = {"preview preview": "failed"}
    run = world.happens(pull("opened"))["preview"]
    assert (run.conclusion, run.results["comment"], world.called("gh")) == ("failure", "skipped", [])


def a_closed_pull_request_loses_its_preview_and_builds_nothing(world: World) -> None:
    run = world.happens(pull("closed"))["preview"]
    assert (run.conclusion, run.results["build"], run.results["make"]) == ("success", "skipped", "skipped"), world.log(run)
    [gone] = world.called("ansible-playbook")
    assert gone["variables"] == {"preview_name": "pr-7", "preview_state": "absent", "lease_wait_seconds": 600}
    assert world.called("gh")[0]["words"][-1] == "The preview is removed; nothing is left."
    assert world.forge.registry == {}


def a_fork_gets_no_preview_whatever_it_does(world: World) -> None:
    for action in ("opened", "synchronize", "reopened", "closed"):
        run = world.happens(pull(action, actor="mallory", fork=True))["preview"]
        assert (run.conclusion, set(run.results.values())) == ("skipped", {"skipped"})
    assert (world.playbooks, world.called("gh"), world.forge.registry) == ([], [], {})


def a_night_removes_the_previews_that_have_expired_and_no_others(world: World) -> None:
    world.script["previews"] = [
        {"name": "preview-pr-1", "expired": True},
        {"name": "preview-pr-2", "expired": False},
        {"name": "preview-pr-3", "expired": True},
    ]
    run = world.happens(Event("schedule"))["preview"]
    assert run.conclusion == "success", world.log(run)
    told = [one["variables"] for one in world.called("ansible-playbook") if one["playbook"] == "preview"]
    assert told[0] == {"preview_state": "listed"}
    assert [(one["preview_name"], one["preview_state"]) for one in told[1:]] == [("pr-1", "absent"), ("pr-3", "absent")]
    world.script["previews"] = []
    run = world.happens(Event("schedule"))["preview"]
    assert (run.conclusion, run.results["expire"]) == ("success", "skipped")


def no_secret_is_printed_kept_or_summed_up(world: World) -> None:
    versioned(world, "0.2.0")
    world.happens(RELEASE, "release")
    world.staged()
    world.forge.answers["production"] = "granted"
    world.happens(TAGGED)
    secrets = {text for one in world.forge.environments.values() for text in one.secrets.values()}
    files = [path for run in world.forge.runs for path in run.directory.rglob("*") if path.is_file() and "bin" not in path.parts]
    seen = {
        path for path in files if not path.is_symlink() and any(secret in path.read_text(errors="replace") for secret in secrets)
    }
    assert seen == set()


def held(world: World, version: str) -> None:
    """Main holds this version with its notes."""
    world.write("galaxy.yml", f"version: {version}\n")
    world.write("changelogs/changelog.yaml", f"releases:\n  {version}:\n")


def versioned(world: World, version: str) -> None:
    """It is held, and the environment release has a key."""
    held(world, version)
    with tempfile.TemporaryDirectory(dir="/tmp") as home:

        def gpg(*words: str) -> str:
            words = ("gpg", "--batch", "--quiet", "--homedir", home, *words)
            return subprocess.run(words, capture_output=True, text=True, check=True).stdout

        gpg("--passphrase", "", "--quick-generate-key", "release@example.com", "ed25519", "sign", "never")
        world.write(".github/release-key.asc", gpg("--armor", "--export"))
        secrets = {"SIGNING_KEY": gpg("--armor", "--export-secret-keys")}
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)
    world.forge.environments["release"] = Environment(secrets, reviewers=True)
    world.forge.answers["release"] = "granted"


def a_version_of_main_is_tested_built_approved_signed_tagged_and_published(world: World) -> None:
    versioned(world, "0.2.0")
    run = world.happens(RELEASE, "release")["release"]
    assert run.conclusion == "success", world.log(run)
    assert [one["words"] for one in world.called("make")] == [*TESTED, ["release-files", "PYTHON=python"]]
    assert world.forge.asked == ["release"]
    tag, verified, looked, pushed = [one["words"] for one in world.called("git")]
    assert (tag[-2:], verified[-2:]) == (["0.2.0", COMMIT], ["verify-tag", "0.2.0"])
    assert (looked[0], pushed) == ("ls-remote", ["push", "origin", "refs/tags/0.2.0"])
    published = world.called("gh")[-1]
    names = ("morpheus-deploy-0.2.0.MANIFEST.json.asc", "morpheus-deploy-0.2.0.tar.gz", "morpheus-deploy-0.2.0.tar.gz.asc")
    assert published["words"][:3] == ["release", "create", "0.2.0"]
    assert published["words"][-3:] == [f"collection/{name}" for name in names]
    assert published["rights"] == "{'contents': 'write'}"
    assert run.summary == "The first release.\n"


def a_version_that_main_does_not_hold_is_not_built(world: World) -> None:
    versioned(world, "0.3.0")
    run = world.happens(RELEASE, "release")["release"]
    assert (run.results["build"], run.results["publish"], world.called("git")) == ("failure", "skipped", [])
    assert "galaxy.yml: version is 0.3.0, expected 0.2.0" in world.log(run)


def a_version_whose_tests_fail_is_not_built(world: World) -> None:
    versioned(world, "0.2.0")
    world.script["make"] = {"package": 1}
    run = world.happens(RELEASE, "release")["release"]
    assert (run.results["test"], run.results["build"], run.results["publish"]) == ("failure", "skipped", "skipped")


def a_version_that_nobody_approves_is_not_signed(world: World) -> None:
    versioned(world, "0.2.0")
    world.forge.answers["release"] = "denied"
    run = world.happens(RELEASE, "release")["release"]
    assert (run.results["build"], run.results["publish"], world.called("git")) == ("success", "failure", [])
    assert run.jobs["publish"].why == "the approval for release was denied"


def a_version_is_made_of_main_only(world: World) -> None:
    versioned(world, "0.2.0")
    run = world.happens(dispatch("carol", "refs/heads/feature", version="0.2.0"), "release")["release"]
    assert (run.conclusion, run.jobs["build"].steps["Refuse what is not main"]) == ("failure", "failure")


def a_version_is_released_once_and_finished_when_run_again(world: World) -> None:
    versioned(world, "0.2.0")
    world.github["tags"] = {"0.2.0": COMMIT}
    run = world.happens(RELEASE, "release")["release"]
    assert (run.conclusion, world.called("gh")[-1]["words"][:2]) == ("success", ["release", "create"])
    world.github["released"] = ["0.2.0"]
    run = world.happens(RELEASE, "release")["release"]
    assert (run.conclusion, world.called("gh")[-1]["words"][:2]) == ("success", ["release", "view"])
    world.github["tags"] = {"0.2.0": "f" * 40}
    run = world.happens(RELEASE, "release")["release"]
    assert (run.conclusion, world.called("gh")[-1]["words"]) == ("failure", ["auth", "setup-git"])
    assert [one["words"][0] for one in world.called("git")].count("push") == 0


RELEASE = dispatch("carol", "refs/heads/main", version="0.2.0")
NIGHT = (("staging", "staging"), ("production", "production-read"))
BACKUP, DRILL = "7 2 * * *", "7 5 1 * *"
SCENARIOS = [
    a_push_is_tested_built_deployed_tried_and_signed,
    tests_that_fail_keep_a_push_away,
    a_deploy_that_fails_is_not_signed_and_not_taken_back_twice,
    a_smoke_test_that_fails_takes_the_release_back,
    what_a_browser_finds_amiss_takes_the_release_back_and_is_kept,
    what_a_run_left_as_it_was_is_not_taken_back,
    pushes_wait_for_each_other_and_only_the_newest_waits,
    a_tag_is_planned_then_approved_then_deployed_as_staging_ran_it,
    a_tag_waits_for_the_one_that_is_deployed_and_cuts_nobody_off,
    without_an_approval_nothing_is_deployed,
    a_plan_that_finds_something_is_shown_and_nobody_is_asked,
    what_staging_has_not_proved_is_not_even_planned,
    a_forged_record_is_refused,
    a_smoke_test_of_production_that_fails_takes_the_release_back,
    only_tags_go_to_production,
    where_nobody_can_review_another_person_dispatches,
    on_call_rolls_back_without_a_vault,
    a_rollback_of_staging_to_a_release_uses_staging_s_key,
    a_reason_is_no_program,
    another_branch_reaches_no_environment,
    a_night_that_finds_nothing_closes_the_issue,
    a_night_that_finds_something_writes_one_issue,
    a_night_that_cannot_renew_a_certificate_says_so,
    a_night_tells_of_money_of_flags_and_of_versions,
    a_night_backs_up_each_environment_that_is_listed,
    a_month_tries_the_last_backup,
    without_a_list_nobody_is_backed_up_and_a_person_may_still_ask,
    a_fork_is_tested_and_reaches_nothing,
    a_pull_request_gets_a_preview_and_a_comment,
    a_preview_that_fails_is_not_called_served,
    a_closed_pull_request_loses_its_preview_and_builds_nothing,
    a_fork_gets_no_preview_whatever_it_does,
    a_night_removes_the_previews_that_have_expired_and_no_others,
    no_secret_is_printed_kept_or_summed_up,
    a_version_of_main_is_tested_built_approved_signed_tagged_and_published,
    a_version_that_main_does_not_hold_is_not_built,
    a_version_whose_tests_fail_is_not_built,
    a_version_that_nobody_approves_is_not_signed,
    a_version_is_made_of_main_only,
    a_version_is_released_once_and_finished_when_run_again,
]
