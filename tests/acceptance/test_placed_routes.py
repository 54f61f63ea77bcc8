"""A service with a route of its own that must not run on every host, behind the balancer of production: users meet it alone."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.test_edge_upgrade import NEWER, PLAYBOOK, edge, newer_images, nothing_is_left
from tests.acceptance.test_jobs_and_followers import IMAGE
from tests.acceptance.test_maintenance import maintenance
from tests.acceptance.test_singletons import FIRST, MORE, SECOND
from tests.acceptance.test_stacks import Project, answer
from tests.acceptance.world import Environment, eventually, on, says
from tests.hangs import HANGS_AFTER_SECONDS

REPORTS, BALANCER = "reports", "production-lb-1"
PROGRAM = """
import http.server, json, os, signal, threading

class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        well = os.environ["RELEASE"] != "ill" or not self.path.endswith("/health")
        body = json.dumps({"release": os.environ["RELEASE"]}).encode()
        self.send_response(200 if well else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("", 8000), Answers)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"""


def written(root: Path, release: str, hosts: str = "", **options: Any) -> None:
    """In the copies below ``root``: the service as this release of it, on ``hosts``, and ``options`` of its route."""
    service = {"image": IMAGE, "command": ["python3", "-c", PROGRAM], "environment": {"RELEASE": release}}
    (root / "stacks" / "morpheus" / MORE).write_text(yaml.safe_dump({"services": {REPORTS: service}}))
    path = root / "inventories" / "production" / "group_vars" / "all" / "stack.yml"
    variables = yaml.safe_load(path.read_text())
    stack = variables["stack"]
    stack["compose_files"] = [*(name for name in stack["compose_files"] if name != MORE), MORE]
    own = {
        "name": REPORTS,
        "port": 8000,
        "routes": [{"host": "morpheus.app", "paths": ["/reports"], **options}],
        "health": {"path": "/health", "interval_seconds": 0.1},
        **({"hosts": hosts} if hosts else {}),
    }
    stack["services"] = [*(one for one in stack["services"] if one["name"] != REPORTS), own]
    path.write_text(yaml.safe_dump(variables))


def told() -> str:
    return on(BALANCER, "cat", "/var/lib/morpheus.deploy/edge/conf/placed.map")


@pytest.fixture
def own(production: Environment, tmp_path: Path) -> Iterator[Environment]:
    """Production with copies of its inventories, where the service is on one host alone; afterwards as it was before."""
    found = production.copied(tmp_path)
    written(tmp_path, "one", SECOND)
    try:
        found.deployed("1.0.0")
        assert "morpheus.app/reports/ placed." in told()
        yield found
    finally:
        production.deployed("1.0.0")
    assert told() == ""


@contextmanager
def asked_for(production: Environment, releases: str, what: str) -> Iterator[None]:
    """Users of the route meanwhile, who get one of these releases of it."""
    with production.load(paths=f"/reports/now={releases}", websockets=0, uploads=0, rate_new=0, rate_slow=0) as load:
        yield
    print(f"\n{what}: {load.report.failed} failed of {load.report.sent}")
    assert load.report.is_clean, load.report.failures


@pytest.mark.deep
def test_a_routed_service_of_some_hosts_is_widened_narrowed_changed_and_taken_back_under_load(
    production: Environment, own: Environment, tmp_path: Path
) -> None:
    with asked_for(production, "one,two", "a routed service of some hosts"):
        # What is the same in both, an option aside.
        written(tmp_path, "one", SECOND, response_headers={"X-Reports": "yes"})
        own.deployed("1.0.0")
        written(tmp_path, "two")
        own.deployed("1.0.0")
        assert told() == ""
        written(tmp_path, "two", FIRST)
        own.deployed("1.0.0")
        assert "morpheus.app/reports/ placed." in told()
        # What it brings to another host is taken back with it.
        written(tmp_path, "ill")
        failed = own.deploy("1.0.0")
        assert failed.code != 0, failed.output
        assert "morpheus.app/reports/ placed." in told()
        back = production.play("rollback.yml")
        assert back.code == 0, back.output


def answers(production: Environment) -> tuple[int, str]:
    """Status of the route, and which release of the service it is that answers."""
    status, _, body = production.ask("/reports/now")
    return status, json.loads(body).get("release", "")


@pytest.mark.deep
def test_a_limit_and_a_killed_run_leave_nobody_of_a_route_without_an_answer(
    production: Environment, own: Environment, tmp_path: Path
) -> None:
    alone = told()
    with asked_for(production, "one,two,three", "a limit and a killed run with a route of one host"):
        written(tmp_path, "two", SECOND)
        own.deployed("1.0.0", "--limit", FIRST)
        assert (told(), answers(production)) == (alone, (200, "one"))
        own.deployed("1.0.0", "--limit", SECOND)
        assert (told(), answers(production)) == (alone, (200, "two"))

        # To every host, and killed when the other one has it already: nobody may be sent to the second one's old replica alone.
        written(tmp_path, "three")
        with own.begun("1.0.0") as run:
            eventually(lambda: production.at_step("gate", FIRST), f"{FIRST} has a candidate", HANGS_AFTER_SECONDS)
            os.kill(run.pid, signal.SIGKILL)
            run.communicate(timeout=HANGS_AFTER_SECONDS)
        eventually(lambda: not production.rolling(FIRST), "the rollout comes to its end by itself", HANGS_AFTER_SECONDS)
        assert answers(production)[0] == 200
        own.deployed("1.0.0")
        assert (told(), answers(production)) == ("", (200, "three"))

        # Back to one host, and killed while the other one lets go of it.
        written(tmp_path, "three", FIRST)
        with own.begun("1.0.0") as run:
            eventually(lambda: "reports" in told(), "the balancer asks one host", HANGS_AFTER_SECONDS)
            os.kill(run.pid, signal.SIGKILL)
            run.communicate(timeout=HANGS_AFTER_SECONDS)
        own.deployed("1.0.0")
        assert answers(production) == (200, "three")
        assert [len(production.containers(host, REPORTS)) for host in production.hosts] == [1, 0]


@pytest.mark.deep
def test_maintenance_holds_for_a_route_of_one_host_and_leaves_it_there(
    production: Environment, own: Environment, tmp_path: Path
) -> None:
    alone = told()
    with maintenance(own):
        assert answers(production)[0] == 503
        written(tmp_path, "two", SECOND)
        own.deployed("1.0.0")
        assert answers(production)[0] == 503
    assert (told(), answers(production)) == (alone, (200, "two"))


@pytest.mark.deep
def test_the_edge_of_the_only_host_of_a_route_and_the_balancer_are_replaced_under_load(
    production: Environment, own: Environment
) -> None:
    alone = told()
    everywhere = (*production.hosts, BALANCER)
    before = {host: edge(host) for host in everywhere}
    try:
        with newer_images(), asked_for(production, "one", "edges replaced with a route of one host"):
            run = own.play(PLAYBOOK, "-e", f"edge_image={NEWER}")
            assert run.code == 0, run.output
            says(run, ["VERDICT deployed: production", *(f"{host}: the edge was replaced: HAProxy 3" for host in everywhere)])
            assert all(edge(host)[0] != before[host][0] for host in everywhere)
            assert told() == alone
            for host in everywhere:
                nothing_is_left(host)
    finally:
        assert production.play(PLAYBOOK).code == 0


@pytest.mark.deep
def test_two_stacks_have_routes_on_different_hosts_and_one_is_taken_back_and_removed(
    production: Environment, tmp_path: Path
) -> None:
    own = production.copied(tmp_path)
    project = Project(own, tmp_path)
    project.write(hosts=FIRST)
    try:
        # A WebSocket lives for five minutes on a worker of the balancer from before a reload, which is less than this takes.
        with production.load(websockets=0) as load:
            run = own.deploy()
            assert run.code == 0, run.output
            assert project.verdict() == {"echo": ("deployed", False), "morpheus": ("unchanged", False)}
            assert (echo(), told().count("echo")) == ("200 1.0.0", 2)
            own.deployed("1.1.0", "-e", "stack_name=echo")
            # The other stack is deployed by itself: what the balancer knows of the first one stays.
            own.deployed("1.1.0", "-e", "stack_name=morpheus")
            assert echo() == "200 1.1.0"
            back = own.play("rollback.yml", "-e", "stack_name=echo")
            assert back.code == 0, back.output
            assert echo() == "200 1.0.0"
            # What fails on the host that gets it leaves users with the one that had it.
            project.write(answer="500")
            failed = own.deploy("", "-e", "stack_name=echo")
            assert failed.code == 2, failed.output
            assert echo() == "200 1.0.0"
            project.write(hosts=SECOND)
            moved = own.deploy("", "-e", "stack_name=echo")
            assert moved.code == 2, moved.output
            says(moved, [f"is on {FIRST} and would be on {SECOND} alone", "deploy once with its service on both"])
            for hosts in ("", SECOND):
                project.write(hosts=hosts)
                own.deployed("", "-e", "stack_name=echo")
                assert echo() == "200 1.0.0"
            gone = own.play("playbooks/remove_stack.yml", "-e", "stack_name=echo", "-e", "remove_data=echo")
            assert gone.code == 0, gone.output
            assert (told(), echo()) == ("", "404")
        print(f"\ntwo stacks with routes on different hosts: {load.report.failed} failed of {load.report.sent}")
        assert load.report.is_clean, load.report.failures
    finally:
        production.play("playbooks/remove_stack.yml", "-e", "stack_name=echo", "-e", "remove_data=echo")
        production.deployed("1.0.0")


def echo() -> str:
    return answer(BALANCER)
