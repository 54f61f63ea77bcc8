"""The audit of staging: it passes as it is, and what is planted on the host is named, that and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from sandbox.world import DATABASE_PASSWORDS, RUNPOD_API_KEYS
from tests.acceptance.world import ROOT, Environment, Run, on, says

HOST = "staging-app-1"
SECRET = "/var/lib/morpheus.deploy/stacks/morpheus/secrets/api.env"
NOT_THE_PASSWORD = {"MORPHEUS_VAULT_PASSWORD_STAGING": "not the password"}


def audited(environment: Environment) -> tuple[Run, dict[str, Any]]:
    run = environment.play("playbooks/audit.yml")
    found: dict[str, Any] = json.loads((ROOT / ".deploy" / environment.name / "audit.json").read_text())
    return run, found


def high(report: dict[str, Any]) -> set[tuple[str, str]]:
    return {(one["id"], where) for one in report["findings"] if one["level"] == "high" for where in one["where"]}


@contextmanager
def readable_secret() -> Iterator[None]:
    on(HOST, "chmod", "0644", SECRET)
    try:
        yield
    finally:
        on(HOST, "chmod", "0600", SECRET)


@contextmanager
def rogue_container() -> Iterator[None]:
    """Started by hand, as root on the host in all but name."""
    image = on(HOST, "docker", "inspect", "--format", "{{.Image}}", "edge-haproxy-1").strip()
    options = ["--detach", "--rm", "--name", "rogue", "--privileged", "--volume", "/var/run/docker.sock:/var/run/docker.sock"]
    on(HOST, "docker", "run", *options, "--entrypoint", "sleep", image, "300")
    try:
        yield
    finally:
        on(HOST, "docker", "rm", "--force", "rogue")


@contextmanager
def open_port() -> Iterator[None]:
    serve = "import socket, time; server = socket.create_server(('0.0.0.0', 8099)); time.sleep(300)"
    pid = on(HOST, "sh", "-c", f'python3 -c "{serve}" >/dev/null 2>&1 & echo $!').strip()
    try:
        yield
    finally:
        on(HOST, "kill", pid)


@contextmanager
def refused_to_containers() -> Iterator[None]:
    """One of the targets answers containers alone, with a refusal: what is tried inside one is told from what the host tries."""
    rule = ["DOCKER-USER", "-d", "10.77.2.21", "-p", "tcp", "--dport", "22", "-j", "REJECT", "--reject-with", "tcp-reset"]
    on(HOST, "iptables", "-I", *rule)
    try:
        yield
    finally:
        on(HOST, "iptables", "-D", *rule)


def test_staging_passes_and_is_proved_to_reach_nothing_of_production(
    staging: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It needs none: names come from the live release then.
    for name, value in NOT_THE_PASSWORD.items():
        monkeypatch.setenv(name, value)
    with refused_to_containers():
        run, report = audited(staging)
    assert run.code == 0, run.output
    says(run, ["AUDIT of staging: Passed", "staging cannot touch what it must not: 7 targets were tried from 4 places"])
    assert high(report) == set()
    assert report["vault_opened"] is False
    forbidden = [one for one in report["proofs"] if one["must"] == "fail"]
    assert len(forbidden) == 7 * 4
    assert {one["result"] for one in report["proofs"]} == {"as required"}
    assert {one["from"] for one in forbidden} == {"the host itself", "inside api", "inside ml", "inside web"}
    assert {(one["from"], one["outcome"]) for one in forbidden if one["target"] == "production-lb-1 (SSH)"} == {
        ("the host itself", "timed out"),
        *((f"inside {service}", "refused") for service in ("api", "ml", "web")),
    }
    keys = {(one["service"], one["key"], one["source"], one["replicas"]) for one in report["keys"]}
    assert ("api", "DATABASE_URL", "secrets/api.env", "2 of 2") in keys
    assert ("api", "ML_BASE_URL", "env/api.env", "2 of 2") in keys
    assert ("api", "APP_ENVIRONMENT", "environment: of Compose", "2 of 2") in keys
    texts = [run.output, *((ROOT / ".deploy" / "staging" / f"audit.{end}").read_text() for end in ("html", "md", "json"))]
    for value in (*DATABASE_PASSWORDS.values(), *RUNPOD_API_KEYS):
        assert not [text for text in texts if value in text]


@pytest.mark.deep
def test_what_is_planted_on_the_host_is_named_and_nothing_else(staging: Environment) -> None:
    with ExitStack() as planted:
        for fault in (readable_secret(), rogue_container(), open_port()):
            planted.enter_context(fault)
        run, report = audited(staging)
    assert run.code == 2
    assert high(report) == {
        ("secret-readable", f"{SECRET} on {HOST}"),
        ("cis-5.5", f"rogue on {HOST}"),
        ("cis-5.32", f"rogue on {HOST}"),
        ("port-open", f"8099/tcp on {HOST}"),
    }
    says(run, ["AUDIT of staging: Failed: 4 findings of level high", "python3 listens on every address", "mode 0644"])
    assert report["vault_opened"] is True
