"""Two stacks on the hosts of staging: deployed in order under one lease, one of them broken, taken back, shown and removed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.world import BASE, ROOT, STAGING, Environment, on, says

HOST = STAGING.hosts[0]
SITE = "echo.staging.test"
# Answers on every path with its release, or with the status that it is told.
PROGRAM = """
import http.server, json, os
class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"version": os.environ["RELEASE"]}).encode()
        self.send_response(int(os.environ["ANSWER"]))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments): pass
http.server.ThreadingHTTPServer(("", 9000), Echo).serve_forever()
"""
ECHO: dict[str, Any] = {
    "services": {
        "echo": {
            "image": "morpheus/api:${STACK_RELEASE:?}",
            "command": ["python3", "-c", PROGRAM],
            "environment": {"RELEASE": "${STACK_RELEASE}", "ANSWER": "${ANSWER:-200}"},
            "deploy": {"resources": {"limits": {"memory": "64M"}}},
        },
        "keeper": {
            "image": "morpheus/api:${STACK_RELEASE:?}",
            "command": ["python3", "-c", "import time; time.sleep(1e6)"],
            "volumes": ["notes:/notes"],
        },
    },
    "volumes": {"notes": {}},
}
SERVICE = {
    "name": "echo",
    "port": 9000,
    "routes": [{"host": SITE}],
    "health": {"path": "/health", "version": "version", "interval_seconds": 0.1, "deadline_seconds": 10},
}
MOVED = ("source", "release", "secrets", "secret_files", "rotation", "flags", "fingerprints")


@dataclass(frozen=True)
class Project:
    """A copy of what the deploy reads, with the example's stack and one more."""

    environment: Environment
    root: Path

    def write(self, *, after: tuple[str, ...] = (), answer: str = "200", release: str = "1.0.0", hosts: str = "") -> None:
        """``after``: what the example comes after. ``answer``: how the other one answers; ``release`` and ``hosts``: of that one
        (every host where none is named).
        """
        source = self.root / "stacks" / "echo"
        source.mkdir(exist_ok=True)
        (source / "compose.yml").write_text(yaml.safe_dump(ECHO))
        directory = self.root / "inventories" / self.environment.name / "group_vars" / "all"
        original = ROOT / "inventories" / self.environment.name / "group_vars" / "all"
        variables = yaml.safe_load((original / "stack.yml").read_text())
        rotation = yaml.safe_load((original / "rotation.yml").read_text())
        (directory / "rotation.yml").unlink(missing_ok=True)
        variables |= rotation
        stack = variables.pop("stack")
        example = {key: value for key, value in stack.items() if key != "name"}
        example |= {"release": "1.0.0"} | {key: variables.pop(f"stack_{key}") for key in MOVED if f"stack_{key}" in variables}
        echo = {
            "source": "{{ inventory_dir }}/../../stacks/echo",
            "release": release,
            "compose_files": ["compose.yml"],
            "services": [{**SERVICE, **({"hosts": hosts} if hosts else {})}],
            "variables": {"ANSWER": answer},
        }
        variables["stacks"] = {"echo": echo, "morpheus": {**example, "after": [*after]}}
        (directory / "stack.yml").write_text(yaml.safe_dump(variables))

    def verdict(self) -> dict[str, tuple[str, bool]]:
        """Stack -> how the last run ended for it."""
        found = self.environment.verdict()
        return {name: (one["verdict"], one["failed"]) for name, one in found["stacks"].items()}


def answer(host: str = HOST) -> str:
    """Status and release that users of the other stack get by this host; its status alone when it is not its own answer."""
    url = f"https://{SITE}/health"
    asked = ("curl", "-sk", "--resolve", f"{SITE}:443:127.0.0.1", "-w", " %{http_code}", url)
    body, _, status = on(host, *asked).rpartition(" ")
    return f"{status} {json.loads(body)['version']}" if body.startswith("{") else status


def live(stack: str) -> str:
    return str(json.loads(on(HOST, "cat", f"{BASE}/stacks/{stack}/lineage.json"))["trail"][-1]).rpartition("-")[0]


@pytest.fixture
def project(tmp_path: Path, staging: Environment) -> Iterator[Project]:
    found = Project(staging.copied(tmp_path), tmp_path)
    yield found
    removed = staging.play("playbooks/remove_stack.yml", "-e", "stack_name=echo", "-e", "remove_data=echo")
    assert removed.code in (0, 2), removed.output
    assert staging.deploy("1.0.0").code == 0, "the example as a single stack again"


@pytest.mark.deep
def test_two_stacks_are_deployed_shown_taken_back_and_one_removed(project: Project) -> None:
    environment = project.environment
    project.write()
    before = environment.containers(HOST)
    run = environment.deploy()
    assert run.code == 0, run.output
    assert project.verdict() == {"echo": ("deployed", False), "morpheus": ("unchanged", False)}
    assert environment.containers(HOST) == before, "the example goes over from a single stack as it is"
    assert answer() == "200 1.0.0"

    with environment.load() as load:
        run = environment.deploy("1.1.0", "-e", "stack_name=echo")
        assert run.code == 0, run.output
        assert (answer(), live("morpheus")) == ("200 1.1.0", "1.0.0")
        unnamed = environment.deploy("1.1.0")
        assert unnamed.code == 2
        says(unnamed, ["stack_release: of which stack? There is echo, morpheus; add -e stack_name=<one of them>"])

        status = environment.play("playbooks/status.yml")
        assert status.code == 0, status.output
        rows = [line.split()[:3] for line in status.output.splitlines() if line.startswith(("echo ", "morpheus "))]
        assert rows == [["echo", HOST, "1.1.0"], ["morpheus", HOST, "1.0.0"]]

        back = environment.play("rollback.yml")
        assert back.code == 0, back.output
        assert (project.verdict(), answer()) == ({"echo": ("rolled_back", False)}, "200 1.0.0")
        assert environment.history()[-1]["stacks"]["echo"]["verdict"] == "rolled_back"
        assert environment.lease() == ""

        wrong = environment.play("playbooks/remove_stack.yml", "-e", "stack_name=echo", "-e", "remove_data=morpheus")
        assert wrong.code == 2
        says(wrong, ['remove_data: "morpheus" is not the stack that is removed.'])
        gone = environment.play("playbooks/remove_stack.yml", "-e", "stack_name=echo")
        assert gone.code == 0, gone.output
        says(gone, ["the stack was removed; its data is still there: volume echo_notes"])
    assert load.report.is_clean, load.report.failures
    assert answer() == "404"
    left = on(
        HOST, "sh", "-c", "docker ps -aq --filter label=com.docker.compose.project=echo; docker network ls -q --filter name=echo"
    )
    assert left == ""
    assert on(HOST, "sh", "-c", f"ls -d {BASE}/stacks/echo {BASE}/edge/conf/stacks/echo.cfg 2>/dev/null || true") == ""
    assert on(HOST, "docker", "volume", "ls", "-q", "--filter", "name=echo_notes").strip() == "echo_notes"
    data = environment.play("playbooks/remove_stack.yml", "-e", "stack_name=echo", "-e", "remove_data=echo")
    assert data.code == 0, data.output
    assert on(HOST, "docker", "volume", "ls", "-q", "--filter", "name=echo_notes") == ""


@pytest.mark.deep
def test_a_broken_stack_leaves_the_other_one_deployed_unless_that_comes_after_it(project: Project) -> None:
    environment = project.environment
    project.write()
    assert environment.deploy().code == 0
    project.write(answer="500")
    changed = ("-e", json.dumps({"api_settings": {"ML_BASE_URL": "http://ml:9000", "ML_ENDPOINT_ID": "mock", "LANE": "two"}}))
    with environment.load() as load:
        run = environment.deploy("", *changed)
    assert load.report.is_clean, load.report.failures
    assert run.code == 2, run.output
    assert environment.verdict()["verdict"] == "mixed"
    assert project.verdict() == {"echo": ("failed", True), "morpheus": ("deployed", False)}
    assert answer() == "200 1.0.0"
    assert {name: one["verdict"] for name, one in environment.history()[-1]["stacks"].items()} == {
        "echo": "failed",
        "morpheus": "deployed",
    }

    project.write(answer="500", after=("echo",))
    live_before = environment.live()
    run = environment.deploy()
    assert run.code == 2, run.output
    assert project.verdict() == {"echo": ("failed", True), "morpheus": ("not_tried", True)}
    assert (environment.verdict()["verdict"], environment.live()) == ("failed", live_before)
    says(run, ["it was left as it is, because echo failed"])


@pytest.mark.deep
def test_a_route_of_another_stack_is_refused_when_the_second_is_prepared(project: Project) -> None:
    project.write()
    path = project.root / "inventories" / "staging" / "group_vars" / "all" / "stack.yml"
    variables = yaml.safe_load(path.read_text())
    variables["stacks"]["echo"]["services"] = [{**SERVICE, "routes": [{"host": project.environment.site}]}]
    path.write_text(yaml.safe_dump(variables))
    run = project.environment.deploy("", "-e", "stack_name=echo")
    assert run.code == 2, run.output
    says(run, ['leads to the stack "morpheus" on this host already'])
    assert project.verdict() == {"echo": ("refused", True)}


# Prints the addresses of each name that it is given, and which addresses with a port let it in.
ASK = """
import json, socket, sys
def addresses(name):
    try:
        return sorted({found[4][0] for found in socket.getaddrinfo(name, None, socket.AF_INET)})
    except OSError:
        return []
def lets_in(address, port):
    try:
        socket.create_connection((address, int(port)), 2).close()
    except OSError:
        return False
    return True
names, places = json.loads(sys.argv[1])
print(json.dumps([{name: addresses(name) for name in names}, [one for one in places if lets_in(*one)]]))
"""


def replicas(stack: str, service: str) -> dict[str, list[str]]:
    """Name of each -> its addresses, on all of its networks."""
    labels = (f"com.docker.compose.project={stack}", f"com.docker.compose.service={service}")
    chosen = [word for label in labels for word in ("--filter", f"label={label}")]
    names = on(HOST, "docker", "ps", "--format", "{{.Names}}", *chosen).split()
    asked = ("docker", "inspect", "--format", "{{json .NetworkSettings.Networks}}")
    return {name: [one["IPAddress"] for one in json.loads(on(HOST, *asked, name)).values()] for name in names}


def asked(name: str, names: list[str], places: list[tuple[str, int]]) -> tuple[dict[str, list[str]], list[list[Any]]]:
    found, lets_in = json.loads(on(HOST, "docker", "exec", name, "python3", "-c", ASK, json.dumps([names, places])))
    return found, lets_in


@pytest.mark.deep
def test_stacks_hear_no_names_of_each_other_and_reach_none_of_each_others_replicas(project: Project) -> None:
    """Also where both have a service of one name, and both of them are served by the edge."""
    project.write()
    services = {**ECHO["services"], "api": ECHO["services"]["echo"]}
    (project.root / "stacks" / "echo" / "compose.yml").write_text(yaml.safe_dump({**ECHO, "services": services}))
    run = project.environment.deploy()
    assert run.code == 0, run.output
    mine, theirs = replicas("echo", "api"), replicas("morpheus", "api")
    routed = [(address, 9000) for one in replicas("echo", "echo").values() for address in one]
    others = [(address, 8000) for one in theirs.values() for address in one]
    assert all((mine, theirs, routed, others))

    for stack, service, own, foreign in (("echo", "echo", mine, ["web", "ml"]), ("morpheus", "api", theirs, ["echo", "keeper"])):
        for name in replicas(stack, service):
            found, lets_in = asked(name, ["api", *foreign], [*routed, *others])
            assert found["api"], name
            assert {*found["api"]} <= {address for one in own.values() for address in one}, name
            assert [one for one in foreign if found[one]] == [], name
            # Whoever is asked is there: each stack reaches its own.
            assert [tuple(one) for one in lets_in] == (routed if stack == "echo" else others), name
