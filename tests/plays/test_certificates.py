"""Certificates in deploys and in the nightly job, with hosts, engines and the authority played: what is done and what is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plays.played import OUT_OF_REACH, ROOT, play
from tests.plays.staged import ACME, Case, Done, Stage, certificate, rule

SITE = "shop.example"
YOUNG, OLD = certificate(80), certificate(20)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("certificates"))


def asked(done: Done, module: str) -> list[str]:
    return [str(one["host"]) for one in done.asked if one["module"] == module]


@pytest.mark.deep
def test_a_deploy_asks_one_host_and_does_nothing_while_the_certificate_is_young(stage: Stage) -> None:
    done = stage.play("young", "deploy", Case(options=ACME, rules=[YOUNG]))
    assert (done.code, done.files["staging/verdict.json"]["verdict"]) == (0, "deployed"), done.output
    assert asked(done, "edge_certificate_info") == ["app-1"]
    assert asked(done, "edge_challenges") == []
    assert done.files["staging/verdict.json"]["notes"] == []


def test_a_deploy_that_cannot_renew_is_deployed_and_says_so(stage: Stage) -> None:
    done = stage.play("away", "deploy", Case(options=ACME, rules=[OLD]))
    found = done.files["staging/verdict.json"]
    assert (done.code, found["verdict"]) == (0, "deployed"), done.output
    assert asked(done, "edge_challenges") == ["app-1", "app-2"]
    [note] = found["notes"]
    assert note.startswith(f"warning: the certificate for {SITE} could not be issued, and is due because it ends on ")
    assert "https://127.0.0.1:9/directory does not answer: " in note
    assert "Hosts go on with the one that ends on" in note
    assert note in done.verdict
    assert "PRIVATE" not in done.output


@pytest.mark.deep
def test_a_host_that_is_lost_meanwhile_fails_no_deploy(stage: Stage) -> None:
    lost = [certificate(20, host="app-1"), rule("edge_certificate_info", "lost", host="app-2")]
    done = stage.play("lost", "deploy", Case(options=ACME, rules=lost))
    found = done.files["staging/verdict.json"]
    assert (done.code, found["verdict"]) == (0, "deployed"), done.output
    assert any(note.startswith("warning: app-2 was not given the certificate") for note in found["notes"])


@pytest.mark.deep
def test_nothing_is_ordered_where_nobody_could_answer_the_authority(stage: Stage) -> None:
    deaf = rule("edge_challenges", {"failed": True, "msg": "the edge of this host answers no challenges yet"})
    done = stage.play("deaf", "deploy", Case(options=ACME, rules=[OLD, deaf]))
    found = done.files["staging/verdict.json"]
    assert (done.code, found["verdict"]) == (0, "deployed"), done.output
    [note] = found["notes"]
    assert "the edge of this host answers no challenges yet" in note
    assert "does not answer" not in done.output


@pytest.mark.deep
def test_an_edge_that_was_set_up_without_it_is_named_and_fails_no_deploy(stage: Stage) -> None:
    bare = rule("edge_certificate_info", {"changed": False, "certificate": "", "path": "/nowhere/acme.pem"})
    done = stage.play("bare", "deploy", Case(options=ACME, rules=[bare]))
    found = done.files["staging/verdict.json"]
    assert (done.code, found["verdict"]) == (0, "deployed"), done.output
    assert [note for note in found["notes"] if "run playbooks/provision.yml --tags edge" in note] == found["notes"]
    assert len(found["notes"]) == 2
    assert asked(done, "edge_challenges") == []


@pytest.mark.deep
def test_a_deploy_of_some_hosts_renews_nothing(stage: Stage) -> None:
    done = stage.play("limit", "deploy", Case(options=(*ACME, "--limit", "app-2"), rules=[OLD]))
    assert done.code == 0, done.output
    assert asked(done, "edge_certificate_info") == []


@pytest.mark.deep
def test_a_host_that_has_an_older_one_is_given_that_of_the_other(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "acme.pem").write_text("certificate and key, a canary")
    rules = [certificate(20, host="app-1"), certificate(80, str(tmp_path / "acme.pem"), host="app-2")]
    done = stage.play("behind", "certificates", Case(rules=rules))
    assert (done.code, done.files["staging/verdict.json"]["verdict"]) == (0, "done"), done.output
    assert asked(done, "edge_certificate") == ["app-1"]
    assert asked(done, "edge_challenges") == []
    assert f"app-1: the certificate for {SITE} is served" in done.output
    assert "canary" not in done.output


@pytest.mark.deep
def test_balancers_are_looked_at_too(stage: Stage) -> None:
    done = stage.play("balancers", "certificates", Case(rules=[YOUNG], balancers=("lb-1",)))
    assert done.code == 0, done.output
    assert asked(done, "edge_certificate_info") == ["app-1", "app-2", "lb-1"]


@pytest.mark.deep
def test_the_job_of_the_night_fails_when_nothing_could_be_renewed(stage: Stage) -> None:
    done = stage.play("night", "certificates", Case(rules=[OLD]))
    found = done.files["staging/verdict.json"]
    assert done.code == 2, done.output
    assert [message for message in found["messages"] if "does not answer" in message] == found["messages"]


@pytest.mark.deep
def test_provisioning_brings_the_certificate_when_the_edge_runs(stage: Stage) -> None:
    done = stage.play("provision", "provision", Case(options=ACME, rules=[YOUNG]))
    assert (done.code, done.files["staging/verdict.json"]["verdict"]) == (0, "done"), done.output
    order = [one["module"] for one in done.asked]
    assert max(place for place, name in enumerate(order) if name == "edge_config") < order.index("edge_certificate_info")


@pytest.mark.deep
def test_provisioning_the_edge_alone_brings_the_certificate_too(stage: Stage) -> None:
    done = stage.play("edge", "provision", Case(options=(*ACME, "--tags", "edge"), rules=[YOUNG]))
    assert done.code == 0, done.output
    assert asked(done, "edge_certificate_info") == ["app-1", "app-2"]


@pytest.mark.deep
def test_provisioning_without_an_authority_says_nothing_of_certificates(stage: Stage) -> None:
    done = stage.play("files", "provision", Case())
    assert done.code == 0, done.output
    assert [line for line in done.output.splitlines() if "ERROR" in line or line == "...ignoring"] == []


@pytest.mark.parametrize("playbook", ["provision", "certificates"])
@pytest.mark.deep
def test_what_cannot_work_is_refused_before_any_host_is_contacted(tmp_path: Path, playbook: str) -> None:
    wrong = {"email": "ops", "directory": "http://acme.example", "names": ["other.example"]}
    variables = {**OUT_OF_REACH, "edge_acme": wrong}
    done = play(tmp_path, ROOT / "playbooks" / f"{playbook}.yml", hosts={"app-1": variables})
    assert done.returncode == 2
    for line in (
        "Nothing was contacted or changed. Problems in the options of the certificates:",
        'edge_acme.email: \\"ops\\" is not an address',
        'edge_acme.directory: \\"http://acme.example\\" is not an https URL',
        'edge_acme.names[0]: \\"other.example\\" is the host of no route',
        "certificates_account_key: required; make one with openssl genpkey",
    ):
        assert line in done.stdout
    assert "UNREACHABLE" not in done.stdout


@pytest.mark.deep
def test_an_environment_without_edge_acme_has_nothing_to_renew(tmp_path: Path) -> None:
    done = play(tmp_path, ROOT / "playbooks" / "certificates.yml", hosts={"app-1": OUT_OF_REACH})
    assert done.returncode == 2
    assert "edge_acme: required; this inventory has none" in done.stdout
    assert "UNREACHABLE" not in done.stdout


@pytest.mark.deep
def test_a_job_that_asks_all_environments_has_nothing_to_do_where_certificates_are_files(tmp_path: Path) -> None:
    done = play(
        tmp_path,
        ROOT / "playbooks" / "certificates.yml",
        "-e",
        "certificates_may_be_files=true",
        hosts={"app-1": OUT_OF_REACH},
    )
    assert done.returncode == 0, done.stdout
    assert "VERDICT done" in done.stdout
    assert "UNREACHABLE" not in done.stdout
