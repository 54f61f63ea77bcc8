"""The ML gateway on two hosts, as a stack beside the example: whose key pays, what a cap lets through, how it is replaced."""

from __future__ import annotations

import json
import subprocess
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.world import RUNPOD_API_KEYS
from tests.acceptance.world import PRODUCTION, ROOT, Environment, eventually, on

pytestmark = [pytest.mark.deep, pytest.mark.lane("production")]

KEY = next(key for key, environment in RUNPOD_API_KEYS.items() if environment == "production")
# The sandbox's stand-in for RunPod; its log is append-only.
RUNPOD = "http://10.77.2.3"
MOVED = ("source", "secrets", "secret_files", "fingerprints")
ENDPOINT = {
    "name": "comic",
    "id": "comic-panels",
    "model": "comic-xl",
    "version": "1.4.0",
    "price_per_second": 0.01,
    "timeout_seconds": 60,
    "concurrency": 50,
}
ASKS_FOR_PARTS = """
import json, sys, time, urllib.request
def ask(path, body=None):
    request = urllib.request.Request("http://ml-gateway:9100/v2/comic" + path, json.dumps(body).encode() if body else None)
    return json.load(urllib.request.urlopen(request, timeout=30))
job = ask("/run", {"input": {"prompt": "Rain.", "seconds": SECONDS, "chunks": SECONDS}})["id"]
print("begun", flush=True)
parts, state = 0, ""
while state not in ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"):
    told = ask("/stream/" + job)
    parts, state = parts + len(told["stream"]), told["status"]
    time.sleep(0.5)
print(json.dumps({"parts": parts, "state": state}))
"""


@dataclass(frozen=True)
class Project:
    """A copy of production's inventory in which the example's ML calls go through the gateway."""

    environment: Environment
    root: Path

    def write(self, **limits: float) -> None:
        self._compose()
        directory = self.root / "inventories" / "production" / "group_vars" / "all"
        variables = yaml.safe_load((ROOT / "inventories/production/group_vars/all/stack.yml").read_text())
        (directory / "rotation.yml").unlink(missing_ok=True)
        stack = variables.pop("stack")
        example = {key: value for key, value in stack.items() if key not in ("name", "allowed_values")}
        example |= {key: variables.pop(f"stack_{key}") for key in MOVED}
        del example["secrets"]["api"]["ML_API_KEY"]
        example["compose_files"].append("compose.ml.yml")
        example["hardening"] = {"exempt": {"api": ["networks"]}}
        variables["api_settings"] = {"ML_BASE_URL": "http://ml-gateway:9100", "ML_ENDPOINT_ID": "comic"}
        variables["ml"] = {
            "tier": "production",
            "provider_url": f"{RUNPOD}/v2",
            "key": "{{ vault_ml_api_key }}",
            "endpoints": [ENDPOINT],
            "limits": {"money_per_day": 1000, **limits},
        }
        gateway = {
            "source": "{{ inventory_dir }}/../../stacks/ml-gateway",
            "release": "1.0.0",
            "compose_files": ["compose.yml"],
            "env": {"gateway": "{{ ml | morpheus.deploy.ml_gateway_env(stack_environment) }}"},
            "services": [{"name": "gateway", "port": 9100, "health": {"path": "/health", "version": "version"}}],
            "secrets": {"gateway": {"DATABASE_URL": "{{ vault_database_admin_url }}"}},
            "secret_files": {"ml_provider_key": {"content": "{{ vault_ml_api_key }}", "owner": 10001}},
        }
        variables["stacks"] = {"ml-gateway": gateway, "morpheus": {**example, "release": "1.0.0", "after": ["ml-gateway"]}}
        del variables["stacks"]["morpheus"]["fingerprints"]
        (directory / "stack.yml").write_text(yaml.safe_dump(variables))

    def _compose(self) -> None:
        joined = {
            "services": {"api": {"networks": {"default": {}, "ml": {}}}},
            "networks": {"ml": {"name": "ml", "external": True}},
        }
        (self.root / "stacks" / "morpheus" / "compose.ml.yml").write_text(yaml.safe_dump(joined))

    def deploy(self) -> None:
        run = self.environment.deploy()
        assert run.code == 0, run.output

    def mode(self, mode: str) -> None:
        run = self.environment.play("playbooks/ml_mode.yml", "-e", f"mode={mode}", "-e", "why=a test")
        assert run.code == 0, run.output


@dataclass
class Stories:
    """What users get who tell a story again and again."""

    statuses: Counter[int] = field(default_factory=Counter)
    answers: list[str] = field(default_factory=list)


def transform(environment: Environment) -> tuple[int, str]:
    body = json.dumps({"text": "It rained. A fox came by."})
    command = ("curl", "-sk", "--resolve", f"{environment.site}:{environment.port}:127.0.0.1", "-w", " %{http_code}")
    url = f"https://{environment.site}:{environment.port}/api/transform"
    done = subprocess.run(
        [*command, "-H", "Content-Type: application/json", "-d", body, url], capture_output=True, text=True, check=False
    )
    answer, _, status = done.stdout.rpartition(" ")
    return int(status or 0), answer


@contextmanager
def told(environment: Environment) -> Iterator[Stories]:
    found, over = Stories(), threading.Event()

    def tell() -> None:
        while not over.is_set():
            status, answer = transform(environment)
            found.statuses[status] += 1
            found.answers.append(answer)

    thread = threading.Thread(target=tell)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def paid() -> list[dict[str, Any]]:
    """What reached the provider and begins a job."""
    with urllib.request.urlopen(f"{RUNPOD}/log", timeout=30) as answer:
        return [one for one in json.load(answer) if one["verb"] in ("run", "runsync")]


def replicas(host: str, project: str) -> list[str]:
    return on(host, "docker", "ps", "-q", "--filter", f"label=com.docker.compose.project={project}").split()


@pytest.fixture
def project(tmp_path: Path, production: Environment) -> Iterator[Project]:
    found = Project(production.copied(tmp_path), tmp_path)
    found.write()
    yield found
    back = production.deploy("1.0.0")
    removed = found.environment.play("playbooks/remove_stack.yml", "-e", "stack_name=ml-gateway")
    assert (back.code, removed.code) == (0, 0), back.output + removed.output


def test_stories_become_comics_by_the_gateway_whose_key_is_in_no_application(project: Project) -> None:
    environment = project.environment
    before = len(paid())
    project.deploy()
    status, answer = transform(environment)
    assert (status, len(json.loads(answer)["panels"])) == (200, 2), answer
    [call] = paid()[before:]
    assert (call["endpoint"], call["environment"]) == ("comic-panels", "production")
    fingerprint = call["key"]
    assert sha256(KEY.encode()).hexdigest().startswith(fingerprint)
    for host in PRODUCTION.hosts:
        for replica in replicas(host, "morpheus"):
            said = on(host, "docker", "inspect", replica) + on(host, "docker", "exec", replica, "env")
            said += on(host, "docker", "exec", replica, "sh", "-c", "cat /run/secrets/* 2>/dev/null || true")
            assert KEY not in said

    # A rollout of the gateway, users and a job that is followed all the while.
    seconds = 60
    host = PRODUCTION.hosts[0]
    follower = [
        *("docker", "exec", host, "docker", "exec", environment.containers(host, "api").popitem()[1]),
        *("python3", "-c", ASKS_FOR_PARTS.replace("SECONDS", str(seconds))),
    ]
    with subprocess.Popen(follower, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        assert following.stdout.readline().strip() == "begun"
        gateways = {one: replicas(one, "ml-gateway") for one in PRODUCTION.hosts}
        project.write(requests_per_minute=100_000)
        with told(environment) as stories:
            project.deploy()
        output, errors = following.communicate()
    assert set(stories.statuses) == {200}, (stories.statuses, [one for one in stories.answers if "panels" not in one][:3])
    for one in PRODUCTION.hosts:
        assert not set(gateways[one]) & set(replicas(one, "ml-gateway")), "every gateway was replaced"
    assert following.returncode == 0, errors
    assert json.loads(output) == {"parts": seconds, "state": "COMPLETED"}

    # The mode, while users tell stories.
    with told(environment) as stories:
        eventually(lambda: stories.statuses[200] > 3, "stories became comics")
        project.mode("off")
        ended = len(paid())
        eventually(lambda: stories.statuses[502] > 3, "the gateway lets nothing pass")
        assert len(paid()) == ended
        project.mode("live")
        lively = stories.statuses[200]
        eventually(lambda: stories.statuses[200] > lively + 3, "stories become comics again")
    assert set(stories.statuses) == {200, 502}

    # A cap for both hosts together.
    used = used_today()
    project.write(requests_per_day=used + 7)
    project.deploy()
    before = len(paid())
    with ThreadPoolExecutor(16) as pool:
        statuses = Counter(status for status, _ in pool.map(lambda _: transform(environment), range(40)))
    assert (len(paid()) - before, statuses[200]) == (7, 7), statuses


def used_today() -> int:
    """Calls of the day as the books have them."""
    query = (
        "select coalesce(sum(requests), 0) from ml_gateway.spent where period = to_char(now() at time zone 'utc', 'YYYY-MM-DD')"
    )
    return int(on("supabase-production", "psql", "--username=postgres", "-Atc", query))
