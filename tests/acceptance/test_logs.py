"""Logs of a real environment: one request by its id, the level without a rollout, and what is sent away."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.world import BASE, ROOT, Environment, eventually, on, says

HOST = "staging-app-1"
PORT = 6514
# Takes whatever comes and writes it down; TCP's own port stays busy for a moment after the end of one before.
SINK = f"""
import socketserver, sys
class Taker(socketserver.StreamRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            with open("/run/log-sink.out", "ab") as out:
                out.write(data)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
Server(("127.0.0.1", {PORT}), Taker).serve_forever()
"""


def report(environment: Environment, *options: str) -> dict[str, Any]:
    run = environment.play("playbooks/logs.yml", *options)
    assert run.code == 0, run.output
    found: dict[str, Any] = json.loads((ROOT / ".deploy" / environment.name / "logs.json").read_text())
    return found


def asked(environment: Environment, path: str) -> str:
    """The id of a request."""
    status, headers, _ = environment.ask(path, more={"X-Request-Id": "a-strangers-choice"})
    assert status == 200
    assert headers["x-request-id"] != "a-strangers-choice"
    return headers["x-request-id"]


@pytest.mark.deep
def test_a_request_is_followed_by_its_id_through_edge_and_service(staging: Environment) -> None:
    identity = asked(staging, "/api/version")

    def services() -> bool:
        lines = report(staging, "-e", f"request={identity}")["lines"]
        return {line["service"] for line in lines} == {"edge", "api"}

    eventually(services, "the edge's line and the API's")
    found = {line["service"]: line for line in report(staging, "-e", f"request={identity}")["lines"]}
    edge, api = (json.loads(found[name]["text"]) for name in ("edge", "api"))
    assert (edge["environment"], edge["host"], edge["path"], edge["status"]) == ("staging", HOST, "/api/version", 200)
    assert (api["environment"], api["release"], api["path"], api["status"]) == ("staging", "1.0.0", "/api/version", 200)
    assert found["api"]["replica"] in staging.containers(HOST, "api")


@pytest.mark.deep
def test_the_logs_of_a_service_are_shown_and_one_that_nobody_has_is_refused(staging: Environment) -> None:
    asked(staging, "/api/version")
    run = staging.play("playbooks/logs.yml", "-e", "service=api", "-e", "since=5m")
    assert run.code == 0, run.output
    says(run, ["LOGS of staging, 5m, api", "info GET /api/version 200 request_id="])
    refused = staging.play("playbooks/logs.yml", "-e", "service=nobody")
    assert refused.code == 2
    says(refused, ["service: no host has nobody; they have edge, "])


@pytest.mark.deep
def test_the_level_changes_under_running_replicas(staging: Environment, tmp_path: Path) -> None:
    source = tmp_path / "morpheus"
    shutil.copytree(ROOT / "stacks" / "morpheus", source)
    before = staging.containers(HOST)

    def told() -> bool:
        identity = asked(staging, "/api/version")
        lines = report(staging, "-e", f"request={identity}", "-e", "service=api,edge")["lines"]
        # Of the edge there is a line in any case.
        return {line["service"] for line in lines} == {"edge", "api"}

    try:
        (source / "log-levels" / "staging").write_text("error\n")
        staging.deployed("1.0.0", "-e", f"stack_source={source}")
        eventually(lambda: not told(), "no line about a good request")
    finally:
        staging.deployed("1.0.0")
    eventually(told, "lines as ever")
    assert staging.containers(HOST) == before


@contextmanager
def sink() -> Iterator[None]:
    on(HOST, "systemd-run", "--unit=log-sink", "--collect", "python3", "-c", SINK)
    try:
        yield
    finally:
        on(HOST, "systemctl", "stop", "log-sink", check=False)


@pytest.mark.deep
def test_logs_are_sent_masked_and_nothing_waits_for_a_target_that_is_away(staging: Environment) -> None:
    target = ("-e", "logs_target=syslog", "-e", f"logs_address=127.0.0.1:{PORT}", "-e", "logs_tls=false", "--tags", "logs")
    secrets = on(HOST, "sh", "-c", f"cat {BASE}/stacks/morpheus/secrets/session_secret").strip()

    def sent() -> str:
        return on(HOST, "sh", "-c", "cat /run/log-sink.out 2>/dev/null || true")

    on(HOST, "rm", "-f", "/run/log-sink.out")
    try:
        with sink():
            run = staging.play("playbooks/provision.yml", *target)
            assert run.code == 0, run.output
            identity = asked(staging, "/api/version")
            eventually(lambda: sent().count(identity) >= 2, "the lines of a request")
        assert 'environment="staging"' in sent()
        # Away: a deploy goes on as ever, and all of it is told when somebody listens again.
        staging.deployed("1.2.0")
        later = asked(staging, "/api/version")
        assert later not in sent()
        says_so = on(HOST, "journalctl", "--unit=log-shipper", "--no-pager")
        assert "the target of the logs is away" in says_so
        with sink():
            eventually(lambda: sent().count(later) >= 2, "what was said while nobody listened")
        assert secrets not in sent()
        again = staging.play("playbooks/provision.yml", *target)
        assert "changed=0" in again.output
    finally:
        gone = staging.play("playbooks/provision.yml", "--tags", "logs")
    assert gone.code == 0, gone.output
    assert on(HOST, "systemctl", "is-active", "log-shipper", check=False).strip() == "inactive"
