"""The role supabase by Ansible itself, against the stand-in: kept, looked at, and what an audit says of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import supabase as audited

from tests import postgres
from tests.hangs import HANGS_AFTER_SECONDS
from tests.supabase.standin import PRODUCTION, STAGING, STAGING_TOKEN, WIDE_TOKEN, StandIn, keys

ROOT = Path(__file__).parents[2]
LOOK = [
    {"import_role": {"name": "morpheus.deploy.supabase", "tasks_from": "look"}},
    {"import_role": {"name": "morpheus.deploy.supabase", "tasks_from": "prove"}},
    {
        "run_once": True,
        "delegate_to": "localhost",
        "copy": {"content": "{{ supabase_seen | to_json }}", "dest": "{{ playbook_dir }}/seen.json", "mode": "0600"},
    },
]
KEEP = [{"import_role": {"name": "morpheus.deploy.supabase"}}]


def declared(supabase: StandIn, databases: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> dict[str, Any]:
    own = {
        "project_ref": STAGING,
        "token": STAGING_TOKEN,
        "secret_key": keys(STAGING)["service_role"],
        "publishable_key": keys(STAGING)["anon"],
        "url": supabase.project_url(STAGING),
        "api_url": supabase.url,
        "databases": databases,
        "auth": {"site_url": "https://staging.morpheus.app", "confirm_email": True},
        "network": {"allowed_addresses": ["192.0.2.10"], "require_tls": True},
    }
    other = {"name": "production", "project_ref": PRODUCTION, "url": supabase.project_url(PRODUCTION), "databases": theirs}
    buckets = [{"name": "pictures", "mime_types": ["image/png"]}]
    return {"supabase_project": own, "supabase_buckets": buckets, "supabase_others": [other]}


class Runs:
    def __init__(self, directory: Path, supabase: StandIn) -> None:
        self.directory, self.supabase = directory, supabase
        self.output = ""

    def play(self, tasks: list[Any], variables: Mapping[str, Any], *options: str) -> int:
        connected = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory = {"app": {"hosts": {"app-1": {}, "app-2": {}}, "vars": {**connected, **variables}}}
        (self.directory / "hosts.yml").write_text(yaml.safe_dump(inventory))
        play = {"name": "Try it", "hosts": "app", "gather_facts": False, "tasks": tasks}
        (self.directory / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
        ansible = Path(sys.executable).with_name("ansible-playbook")
        command: list[Path | str] = [
            ansible,
            self.directory / "play.yml",
            "-i",
            self.directory / "hosts.yml",
            "-vvv",
            "--diff",
            *options,
        ]
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=HANGS_AFTER_SECONDS)
        self.output = done.stdout + done.stderr
        assert "canary" not in self.output
        return done.returncode

    def seen(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.directory / "seen.json").read_text())
        return found


@pytest.fixture
def runs(tmp_path: Path, supabase: StandIn) -> Runs:
    return Runs(tmp_path, supabase)


@pytest.fixture(scope="module")
def database() -> Iterator[dict[str, Any]]:
    with postgres.server("postgres", "listen_addresses=127.0.0.1") as port:
        yield {"host": "127.0.0.1", "port": port}


def found(seen: Mapping[str, Any]) -> list[str]:
    return sorted({f"{one.level} {one.id}" for check in audited.check(seen) for one in check.findings})


def passed(seen: Mapping[str, Any]) -> set[str]:
    checks = audited.check(seen)
    bad = {one.id for check in checks for one in check.findings}
    return {name for check in checks for name in check.ids} - bad


def test_what_is_declared_is_kept_once_and_the_audit_has_nothing_to_say(runs: Runs) -> None:
    # A server without a password has no way to ask for one; this one refuses nobody, and so there is nothing but the port.
    nobody = [{"host": "127.0.0.1", "port": postgres.free_port()}]
    variables = declared(runs.supabase, nobody, nobody)
    assert runs.play(KEEP, variables, "--check") == 0, runs.output
    assert runs.supabase.writes() == []
    assert runs.play(KEEP, variables) == 0, runs.output
    assert "auth.site_url is http://localhost:3000, expected https://staging.morpheus.app" in runs.output
    assert runs.play([*KEEP, *LOOK], variables) == 0, runs.output
    assert "changed=1 " in runs.output, "the report itself, and nothing else"
    seen = runs.seen()
    assert found(seen) == ["medium supabase-unproved"], "the own database does not answer either"
    assert {"supabase-drift", "supabase-token-wide", "supabase-open", "supabase-accepted"} == passed(seen)


@pytest.mark.deep
def test_everything_that_is_wrong_is_a_finding_of_its_own(runs: Runs, database: dict[str, Any]) -> None:
    """Trust stands for what lets a host in: it is not refused. Here staging's host reaches production's database."""
    variables = declared(runs.supabase, [database], [database])
    variables["supabase_project"] |= {"token": WIDE_TOKEN, "publishable_key": keys(PRODUCTION)["anon"]}
    assert runs.play(LOOK, variables) == 0, runs.output
    seen = runs.seen()
    assert found(seen) == [
        "high supabase-accepted",
        "high supabase-open",
        "high supabase-token-wide",
        "medium supabase-drift",
    ]
    sentences = [one.seen for check in audited.check(seen) for one in check.findings]
    assert "production accepts the Management API's token (status 200)" in sentences
    assert "production accepts the key publishable_key (status 200)" in sentences
    assert "the database lets everybody connect" in sentences
    assert any(one.startswith("the database of production talks to the address of this host") for one in sentences)
    assert "the bucket pictures: is missing" in sentences
    assert runs.supabase.writes() == []


@pytest.mark.deep
def test_an_api_that_is_away_ends_no_report(runs: Runs) -> None:
    variables = declared(runs.supabase, [], [])
    variables["supabase_project"]["api_url"] = "http://127.0.0.1:9"
    variables["supabase_others"] = []
    assert runs.play(LOOK, variables) == 0, runs.output
    assert found(runs.seen()) == ["medium supabase-unasked"]


@pytest.mark.deep
def test_with_an_api_that_is_away_nothing_is_kept(runs: Runs) -> None:
    variables = declared(runs.supabase, [], [])
    variables["supabase_project"]["api_url"] = "http://127.0.0.1:9"
    assert runs.play(KEEP, variables) == 2
    assert "there was no answer: Connection refused" in runs.output


def test_what_cannot_be_meant_is_refused_all_at_once_before_anybody_is_asked(runs: Runs) -> None:
    variables = declared(runs.supabase, [], [])
    variables["supabase_project"] |= {"token": "", "auth": {"password_min_length": 2}, "network": {"allowed_addresses": ["::/0"]}}
    variables["supabase_others"][0]["project_ref"] = STAGING
    assert runs.play(KEEP, variables) == 2
    for path in ("supabase_project.token", "auth.password_min_length: 2", "allowed_addresses[0]: ::/0", "supabase_others[0]"):
        assert path in runs.output
    assert runs.supabase.get("/log") == []
