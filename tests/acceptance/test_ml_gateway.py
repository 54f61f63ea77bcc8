"""The ML gateway as a stack beside the example, as its inventories declare it: whose key pays, what a cap lets through, how it is
replaced, and to which model a release is pinned.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
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

from sandbox.world import RUNPOD_API_KEYS
from tests import behind_gateway
from tests.acceptance.world import PRODUCTION, ROOT, Environment, Run, eventually, on, says, without_power
from tests.hangs import HANGS_AFTER_SECONDS

pytestmark = [pytest.mark.deep, pytest.mark.lane("production")]

KEY = next(key for key, environment in RUNPOD_API_KEYS.items() if environment == "production")
# The sandbox's stand-in for RunPod; its log is append-only.
RUNPOD = "http://10.77.2.3"
# Of the example's own limits only those count that a test is about.
WIDE = {"requests_per_minute": 100_000, "requests_per_day": 100_000, "money_per_day": 1000, "money_per_month": 1000}
ASKS_FOR_PARTS = """
import json, sys, time, urllib.request
def ask(path, body=None):
    request = urllib.request.Request("http://ml-gateway:9100/v2/comic-panels" + path, json.dumps(body).encode() if body else None)
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
    """A copy of an inventory in which the example's ML calls go through the gateway."""

    environment: Environment
    root: Path

    def write(self, version: str = "", **limits: float) -> None:
        """``version``: another one of the model."""
        told = behind_gateway.ml(ROOT, self.environment.name)
        told["limits"] |= WIDE | limits if told["tier"] == "production" else limits
        for endpoint in told["endpoints"]:
            endpoint |= {"concurrency": 50, **({"version": version} if version else {})}
        behind_gateway.write(self.root, self.environment.name, ROOT, told)

    def begin(self) -> None:
        for playbook, *options in behind_gateway.first_time(ROOT, self.environment.name):
            self.succeeds(playbook, *options)

    def bring_gateway(self) -> None:
        self.succeeds("deploy.yml", "-e", "stack_name=ml-gateway")
        self.succeeds("playbooks/ml_contract.yml", "-e", "stack_name=morpheus")

    def deploy(self) -> None:
        self.succeeds("deploy.yml")

    def succeeds(self, playbook: str, *options: str) -> Run:
        run = self.environment.play(playbook, *options)
        assert run.code == 0, run.output
        assert KEY not in run.output
        return run

    def mode(self, mode: str) -> None:
        self.succeeds("playbooks/ml_mode.yml", "-e", f"mode={mode}", "-e", "why=a test")

    def pinned(self) -> set[str]:
        """What the running replicas of the API call, on all hosts."""
        found = set()
        for host in self.environment.hosts:
            for replica in self.environment.containers(host, "api").values():
                found.add(on(host, "docker", "exec", replica, "printenv", "ML_ENDPOINT_ID").strip())
        return found


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


def reports_with_the_key() -> list[str]:
    """What runs have left on the controller."""
    found = [path for path in (ROOT / ".deploy").rglob("*") if path.is_file()]
    assert found, "runs leave reports"
    return [str(path) for path in found if KEY.encode() in path.read_bytes()]


def replicas(host: str, project: str) -> list[str]:
    return on(host, "docker", "ps", "-q", "--filter", f"label=com.docker.compose.project={project}").split()


@contextmanager
def gone_over(environment: Environment, root: Path) -> Iterator[Project]:
    """Afterwards the hosts have what every test begins with."""
    found = Project(environment.copied(root), root)
    # Which makes keys of the stand-in.
    (root / "sandbox").symlink_to(ROOT / "sandbox")
    found.write()
    yield found
    back = environment.deploy("1.0.0")
    removed = found.environment.play("playbooks/remove_stack.yml", "-e", "stack_name=ml-gateway")
    assert (back.code, removed.code) == (0, 0), back.output + removed.output


@pytest.fixture
def project(tmp_path: Path, production: Environment) -> Iterator[Project]:
    with gone_over(production, tmp_path) as found:
        yield found


def test_stories_become_comics_by_the_gateway_whose_key_is_in_no_application(project: Project) -> None:
    environment = project.environment
    project.begin()
    before = len(paid())
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
        for replica in (*replicas(host, "morpheus"), *replicas(host, "ml-gateway")):
            assert KEY not in on(host, "sh", "-c", f"docker logs {replica} 2>&1")
    assert reports_with_the_key() == []

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
        project.write(requests_per_minute=99_999)
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
    cap = 117
    project.write(requests_per_day=used_today() + cap)
    project.deploy()
    before = len(paid())
    with ThreadPoolExecutor(40) as pool:
        statuses = Counter(status for status, _ in pool.map(lambda _: transform(environment), range(200)))
    assert (len(paid()) - before, statuses) == (cap, Counter({502: 200 - cap, 200: cap}))

    # The same, and a host loses its power in the middle. A call of which nobody knows the fate stays spent.
    used = used_today()
    project.write(requests_per_day=used + cap)
    project.deploy()
    before = len(paid())
    with ThreadPoolExecutor(40) as pool:
        calls = [pool.submit(transform, environment) for _ in range(200)]
        eventually(lambda: len(paid()) - before > 20, "calls have reached the provider")
        with without_power(PRODUCTION.hosts[1]):
            statuses = Counter(call.result()[0] for call in calls)
            print(f"\na host without power among 200 calls: {len(paid()) - before} of {cap} paid, answers {dict(statuses)}")
            assert 20 < len(paid()) - before <= cap
    eventually(
        lambda: sql("production", "select count(*) from ml_gateway.calls where state = 'open'") == "0", "all is settled", 300
    )
    assert len(paid()) - before <= used_today() - used <= cap
    project.succeeds("playbooks/costs.yml")
    assert reports_with_the_key() == []


def test_a_release_is_pinned_to_its_model_its_contract_comes_first_and_a_rollback_pins_it_back(project: Project) -> None:
    environment = project.environment
    project.begin()
    [first] = project.pinned()
    before = str(behind_gateway.ml(ROOT, "production")["endpoints"][0]["version"])
    # A model that no environment can have seen.
    version = f"{before}-{int(time.time())}"
    project.write(version)
    application = ("-e", "stack_name=morpheus", "-e", "stack_release=1.1.0")
    refused = environment.play("deploy.yml", *application)
    assert refused.code != 0
    says(refused, [f"comic-panels is pinned to comic-xl {version} (comic-panels), and its contract was never seen kept"])
    assert project.pinned() == {first}

    project.bring_gateway()
    # What serves meanwhile is served what it is pinned to.
    assert model_of_a_story(environment) == f"comic-xl@{before}"
    with told(environment) as stories:
        project.succeeds("deploy.yml", *application)
    assert set(stories.statuses) == {200}, stories.statuses
    [second] = project.pinned()
    assert second != first
    assert model_of_a_story(environment) == f"comic-xl@{version}"
    says(project.succeeds("playbooks/status.yml"), [f"comic-panels comic-xl {version} comic-panels {second}"])

    with told(environment) as stories:
        project.succeeds("rollback.yml", "-e", "stack_name=morpheus")
    assert set(stories.statuses) == {200}, stories.statuses
    assert project.pinned() == {first}
    assert model_of_a_story(environment) == f"comic-xl@{before}"
    says(project.succeeds("playbooks/status.yml"), [f"comic-panels comic-xl {before} comic-panels {first}"])


def test_the_providers_key_is_rotated_while_users_tell_stories(project: Project) -> None:
    project.begin()
    before = len(paid())
    try:
        with told(project.environment) as stories:
            run = project.succeeds("playbooks/rotate_secrets.yml", "-e", "stack_name=ml-gateway", "-e", "secret=ml")
            after = stories.statuses[200]
            eventually(lambda: stories.statuses[200] > after + 3, "stories become comics with the new key")
        keys = {call["key"] for call in paid()[before:]}
    finally:
        # The stub has forgotten nothing that it was started with.
        command = ["docker", "restart", "--timeout", "1", "runpod"]
        subprocess.run(command, check=True, capture_output=True, timeout=HANGS_AFTER_SECONDS)
    assert set(stories.statuses) == {200}, stories.statuses
    says(run, ["ml: every replica uses the new value, and the old value is refused"])
    assert KEY not in run.output
    assert len(keys) == 2
    assert any(sha256(KEY.encode()).hexdigest().startswith(key) for key in keys)


@pytest.mark.lane("staging")
def test_in_staging_the_mock_draws_and_the_provider_hears_of_nothing(tmp_path: Path, staging: Environment) -> None:
    with gone_over(staging, tmp_path) as project:
        project.begin()
        before = [call for call in paid() if call["environment"] == "staging"]
        status, answer = transform(project.environment)
        assert (status, len(json.loads(answer)["panels"])) == (200, 2), answer
        assert [call for call in paid() if call["environment"] == "staging"] == before
        assert sql("staging", f"select provider, model, coalesce(cost, reserved) = 0 from {LAST}") == "mock|comic-xl@1.4.0|t"


LAST = "(select * from ml_gateway.calls order by at desc limit 1) as last"


def sql(environment: str, query: str) -> str:
    return on(f"supabase-{environment}", "psql", "--username=postgres", "-Atc", query).strip()


def model_of_a_story(environment: Environment) -> str:
    """Which model a story was drawn by, as the books have it."""
    status, answer = transform(environment)
    assert status == 200, answer
    return sql(environment.name, f"select model from {LAST}")


def still_open() -> int:
    return int(sql("production", "select count(*) from ml_gateway.calls where state = 'open'"))


def used_today() -> int:
    """Calls of the day as the books have them."""
    today = "to_char(now() at time zone 'utc', 'YYYY-MM-DD')"
    return int(sql("production", f"select coalesce(sum(requests), 0) from ml_gateway.spent where period = {today}"))
