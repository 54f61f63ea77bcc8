"""What is in the wrong place is refused before anything is written: no lease, no file, no line of a journal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox.world import DATABASE_NAMES, DATABASE_PASSWORDS
from tests.acceptance.world import PRODUCTION, ROOT, STAGING, Environment, Run, edit_vault, on, play, says
from tests.deep import cases

IDENTITY = "/etc/morpheus.deploy/identity.json"
CANARY = "canary-7731 in two vaults"


@contextmanager
def untouched(environment: Environment, asked: str = "") -> Iterator[None]:
    """Not even who was there last is written, which every run that begins writes. ``asked``: a host of the environment that was
    asked for the lease before another one was looked at; it remembers who asked, and nothing else.
    """

    def seen() -> dict[str, str]:
        return environment.everything() | {f"files of {host}": on(host, "sh", "-c", files(host)) for host in environment.hosts}

    def files(host: str) -> str:
        root = "/var/lib/morpheus.deploy"
        lease = " -o ".join(f"-path '{root}/{one}'" for one in ("leases/*", "history/*", "metrics/*", "stacks/*fence.*"))
        but = f"-not \\( {lease} \\)" if host == asked else ""
        return f"find {root} /etc/morpheus.deploy -type f {but} | sort | xargs sha256sum"

    before = seen()
    yield
    assert seen() == before


def refused(run: Run, *words: str) -> None:
    assert run.code != 0
    says(run, [*words, "VERDICT refused"])


def sql(environment: Environment, statement: str) -> None:
    command = ["psql", "--quiet", "--username=postgres", "--set=ON_ERROR_STOP=1", f"--command={statement}"]
    on(f"supabase-{environment.name}", *command)


@contextmanager
def marker(environment: Environment, name: str) -> Iterator[None]:
    """Another environment's name in the database, or none."""
    sql(
        environment,
        f"update morpheus_deploy.identity set environment = '{name}'" if name else "delete from morpheus_deploy.identity",
    )
    try:
        yield
    finally:
        sql(environment, "delete from morpheus_deploy.identity")
        sql(environment, f"insert into morpheus_deploy.identity (environment) values ('{environment.name}')")


@pytest.mark.lane("staging")
def test_staging_with_the_database_of_production_is_refused_before_any_connection() -> None:
    url = f"postgresql://postgres:{DATABASE_PASSWORDS['production']}@{DATABASE_NAMES['production']}:5432/postgres"
    unreachable = {"ansible_ssh_common_args": "-F /nonexistent"}
    with untouched(STAGING):
        run = STAGING.deploy("1.1.0", "-vvv", "-e", json.dumps({"vault_database_url": url} | unreachable))
        refused(
            run,
            "api.DATABASE_URL leads to the Supabase project productionmorpheuspr, expected stagingmorpheusproja",
            "api.DATABASE_URL has the same value as api.DATABASE_URL of production",
        )
        assert "UNREACHABLE" not in run.output
        assert DATABASE_PASSWORDS["production"] not in run.output


@pytest.mark.usefixtures("production")
def test_a_url_that_reaches_another_database_than_it_names_is_refused() -> None:
    with untouched(PRODUCTION):
        with marker(PRODUCTION, "staging"):
            run = PRODUCTION.deploy("1.1.0", "-vvv")
            check = PRODUCTION.deploy("1.1.0", "--check")
            claim = PRODUCTION.play("playbooks/claim.yml")
        words = "production-app-1: api.DATABASE_URL leads to a database that is"
        refused(run, f"{words} marked as staging's, expected production's")
        refused(check, f"{words} marked as staging's")
        refused(claim, f"{words} staging's by its marker and cannot become production's")
        assert DATABASE_PASSWORDS["production"] not in run.output


@pytest.mark.deep
@pytest.mark.lane("production")
def test_a_database_without_a_marker_or_without_an_answer_is_refused() -> None:
    closed = ["OUTPUT", "-p", "tcp", "--dport", "5432", "-j", "REJECT", "--reject-with", "tcp-reset"]
    with untouched(PRODUCTION):
        with marker(PRODUCTION, ""):
            unmarked = PRODUCTION.deploy("1.1.0")
        on("production-app-1", "iptables", "-I", *closed)
        try:
            silent = PRODUCTION.deploy("1.1.0")
        finally:
            on("production-app-1", "iptables", "-D", *closed)
        refused(unmarked, "carries no marker, so its owner is unknown; if it is production's, claim it: playbooks/claim.yml")
        refused(silent, "api.DATABASE_URL leads to a database that cannot be used from this host", "Connection refused")
        assert DATABASE_PASSWORDS["production"] not in silent.output


@pytest.mark.deep
@pytest.mark.lane("staging")
def test_a_secret_in_two_vaults_is_named_and_its_value_is_not(inventories: Path) -> None:
    for name in ("staging", "production"):
        edit_vault(inventories / name, vault_session_secret=CANARY)
        made = play("playbooks/fingerprint.yml", inventories / name, "-vvv", "--diff")
        assert made.code == 0, made.output
        says(made, ["files.session_secret has changed"])
        assert CANARY not in made.output
        assert CANARY not in (inventories / name / "fingerprints.json").read_text()
    with untouched(STAGING):
        run = play("deploy.yml", inventories / "staging", "-vvv")
    refused(run, "files.session_secret has the same value as files.session_secret of production; give each environment its own")
    assert CANARY not in run.output
    assert "unexpected key" not in run.output
    audit = play("playbooks/audit.yml", inventories / "staging", "-vvv")
    assert audit.code == 2, audit.output
    says(audit, ["HIGH secret-shared files.session_secret"])
    reports = [(ROOT / ".deploy" / "staging" / f"audit.{end}").read_text() for end in ("html", "md", "json")]
    assert not [text for text in (audit.output, *reports) if CANARY in text]


@pytest.mark.deep
@pytest.mark.lane("staging")
def test_a_secret_that_is_not_in_the_fingerprints_is_refused(inventories: Path) -> None:
    edit_vault(inventories / "staging", vault_session_secret=CANARY)
    with untouched(STAGING):
        run = play("deploy.yml", inventories / "staging")
    refused(run, "files.session_secret is not the value recorded in", "run playbooks/fingerprint.yml")
    assert CANARY not in run.output


@pytest.mark.deep
@pytest.mark.lane("staging")
def test_a_host_that_was_moved_from_staging_to_production_is_refused(inventories: Path) -> None:
    moved = inventories / "production"
    (moved / "hosts.yml").write_text("app: {hosts: {staging-app-1: {}}}\n")
    with untouched(STAGING):
        for playbook in ("deploy.yml", "rollback.yml", "playbooks/restart.yml"):
            run = play(playbook, moved, "-e", "stack_release=1.1.0")
            refused(run, "staging-app-1: This host belongs to staging and not to production.")
        for playbook, option in {"playbooks/unlock.yml": "unlock_reason=x", "playbooks/maintenance.yml": "state=on"}.items():
            run = play(playbook, moved, "-e", option)
            refused(run, "staging-app-1: This host belongs to staging and not to production.")
        run = play("playbooks/provision.yml", moved)
        refused(run, "and cannot become one of production", "run again with -e identity_release_from=staging")
    assert json.loads(on("staging-app-1", "cat", IDENTITY))["environment"] == "staging"


@pytest.mark.lane("staging")
@pytest.mark.parametrize("playbook", cases(("deploy.yml", "rollback.yml", "playbooks/provision.yml"), each_time=("deploy.yml",)))
@pytest.mark.deep
def test_an_environment_that_nobody_knows_is_refused(playbook: str) -> None:
    with untouched(STAGING):
        run = STAGING.play(playbook, "-e", "stack_environment=stagin")
    refused(run, 'stack_environment: "stagin" is not one of staging, production')


@pytest.mark.deep
@pytest.mark.lane("production")
def test_demo_secrets_are_refused_on_a_host_that_is_none_of_the_sandbox() -> None:
    on("production-app-2", "mv", "/etc/morpheus.deploy/sandbox", "/etc/sandbox")
    try:
        with untouched(PRODUCTION, asked="production-app-1"):
            run = PRODUCTION.deploy("1.1.0")
    finally:
        on("production-app-2", "mv", "/etc/sandbox", "/etc/morpheus.deploy/sandbox")
    refused(run, "production-app-2: The secrets of this inventory are the demo's, whose password is public")
    assert "production-app-1: The secrets" not in run.output
