"""What a bad deploy leaves behind: exactly what was there, and words that a tired person understands."""

from __future__ import annotations

import time

import pytest

from tests.acceptance.world import STACK, Environment, on, says

BAD_RELEASES = {
    "1.9.0-unhealthy": ("did not pass its gate", 'status 503, expected 200: {"status":"unhealthy"'),
    "1.9.1-crash": ("did not pass its gate", "fault: crash"),
    "1.9.2-lies": ("did not pass its gate", 'it reports version "1.0.0-other", expected "1.9.2-lies"'),
    "1.9.3-hangs": ("did not pass its gate", "no complete answer within 2.0 s"),
}


# Each time molecule's scenario failed_gate shows them on one host, and a release that fails on the second one is in test_on_call.
@pytest.mark.deep
@pytest.mark.parametrize("release", BAD_RELEASES)
def test_a_release_that_is_not_well_never_serves_and_never_reaches_the_second_host(production: Environment, release: str) -> None:
    before = {host: production.containers(host) for host in production.hosts}
    with production.load() as load:
        run = production.deploy(release)
    assert run.code != 0
    says(run, [*BAD_RELEASES[release], "Nothing was switched: this host runs what it ran before (1.0.0)."])
    assert {host: production.containers(host) for host in production.hosts} == before
    verdict = production.verdict()
    assert verdict["verdict"] == "failed"
    assert {host["release"] for host in verdict["hosts"].values()} == {"1.0.0"}
    # Lines about what was pruned name releases, too.
    assert f'"release": "{release}-' not in on("production-app-2", "cat", f"{STACK}/journal.jsonl")
    assert release not in load.report.by_release
    assert load.report.is_clean, load.report.failures


# What a real engine says then is in test_registries.
@pytest.mark.deep
def test_a_release_whose_image_does_not_exist_is_refused(production: Environment) -> None:
    before = production.everything()
    run = production.deploy("9.9.9")
    assert run.code != 0
    says(run, ["morpheus/api:9.9.9", "docker pull morpheus/"])
    assert production.everything() == before
    assert production.verdict()["verdict"] == "refused"


@pytest.mark.deep
def test_an_edge_configuration_that_haproxy_rejects_changes_nothing(staging: Environment) -> None:
    before = staging.everything()
    with staging.load() as load:
        run = staging.play("playbooks/provision.yml", "--tags", "edge", "-e", "edge_tunnel_timeout_seconds=-1")
    assert run.code != 0
    says(run, ["HAProxy rejects the new edge configuration, so the running one was left as it is"])
    assert staging.everything() == before
    assert load.report.is_clean, load.report.failures


# Sick: found by what the health check says, or by what users got, whichever is clear first. Broken: well by its health check.
SICK_RELEASES = {
    "1.9.6-sick": ["failed within 7 s after it was admitted"],
    "1.9.7-broken": ["users got a 5xx for", "to its incumbents for 0 of", "max_failure_ratio tolerates 0.1"],
}


# Each time tests/changes shows a release that turns bad while it is watched.
@pytest.mark.deep
@pytest.mark.parametrize("release", SICK_RELEASES)
def test_a_release_that_hurts_users_while_it_is_watched_is_taken_back_at_once(staging: Environment, release: str) -> None:
    before = staging.containers("staging-app-1")
    with staging.load() as load:
        run = staging.deploy(release)
        taken_back = time.time()
        load.wait_until(lambda now: now.by_release["1.0.0"].last > taken_back + 1, 20, "the old release serves")
    assert run.code != 0
    says(run, [*SICK_RELEASES[release], "The last log lines of morpheus-api-"])
    says(run, ["this host serves the release before it again (1.0.0)"])
    assert staging.containers("staging-app-1") == before
    verdict = staging.verdict()
    assert verdict["verdict"] == "rolled_back"
    # Only what the candidates themselves answered badly before they were taken back. With the sick one it can be nothing: the
    # edge prefers the replica with fewer slow requests, and that may be the one that turned sick later.
    report = load.report
    print(f"\n{release}: {report.failed} failed of {report.sent}, the verdict counts {verdict['errors']}")
    assert {failure.kind for failure in report.failures} <= {"status_5xx"}
    assert abs(report.failed - verdict["errors"]) <= max(3, report.failed // 10)


@pytest.mark.deep
def test_what_a_release_answers_badly_while_it_is_watched_is_counted_and_said(production: Environment) -> None:
    with production.load() as load:
        run = production.deploy("1.9.4-errors")
    assert run.code == 0, run.output
    says(run, ["VERDICT deployed: production 1.9.4-errors"])
    verdict = production.verdict()
    for name, host in verdict["hosts"].items():
        says(run, [f"{name} runs 1.9.4-errors"])
        says(run, [f"{host['errors']} requests answered with 5xx"])
    # Every fiftieth request of each replica; the watch is over before the load is.
    report = load.report
    print(f"\nerrors: {report.failed} failed of {report.sent}, the verdict counts {verdict['errors']}")
    assert {failure.kind for failure in report.failures} == {"status_5xx"}
    assert 0 < verdict["errors"] <= report.failed


@pytest.mark.deep
def test_all_problems_of_a_configuration_come_in_one_message_before_any_connection(staging: Environment) -> None:
    bad = (
        '{"stack_release": "latest", "stack_environment": "stagin", "ansible_ssh_common_args": "-F /nonexistent", '
        '"stack_secrets": {"api": {"PORT": 8000}, "ml": {"ML_API_KEY": "canary-7731"}}}'
    )
    run = staging.play("deploy.yml", "-e", bad)
    assert run.code != 0
    says(
        run,
        [
            "stack_release: latest does not say what runs",
            'stack_environment: "stagin" is not one of staging, production',
            "stack_secrets.api.PORT: must be a string, not a number",
        ],
    )
    assert "UNREACHABLE" not in run.output
    assert "canary-7731" not in run.output
