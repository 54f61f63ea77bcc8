"""Projects in the shapes of three public applications on a host of their own, from their Compose file: changed in five ways each,
and rolled back after every change, while users ask. Their images are stand-ins; nothing else is exchanged.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from sandbox.world import MOLECULE_HOST
from tests.acceptance.world import ROOT, eventually, made_anew, on
from tests.load import Load, Settings
from tests.meanwhile import meanwhile
from tests.newcomer import install
from tests.strangers import stand_ins, team
from tests.strangers.team import Team, counted, with_stack

# Not beside molecule, whose host it is.
pytestmark = [pytest.mark.lane("rest"), pytest.mark.deep]

HOST = MOLECULE_HOST.name
[HTTP] = [published for published, port in MOLECULE_HOST.edge_ports if port == 80]
# The network of the sandbox, which a team's own hosts do not have.
SANDBOX = """---
docker_engine_registry_mirrors: ["http://registry.sandbox:5000"]
docker_engine_dns: [172.17.0.1]
"""
FIRST, SECOND = stand_ins.RELEASES


@pytest.fixture(scope="module")
def host() -> Iterator[None]:
    """Without an engine and without an owner."""
    stand_ins.publish()
    with made_anew(HOST):
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Short, or the names of SSH's sockets in it become too long.
    found = tmp_path_factory.mktemp("home")
    install(found)
    return found


@dataclass(frozen=True)
class Site:
    """``said``: what the first deploy printed."""

    team: Team
    name: str
    said: str

    def ask(self, path: str, host: str = "", body: str = "") -> tuple[int, dict[str, Any]]:
        """Status and JSON of an answer, as a user of the site (or of one of its other hosts) gets it; 0 when nobody answers."""
        connection = HTTPConnection("127.0.0.1", HTTP, timeout=30)
        try:
            connection.request("POST" if body else "GET", path, body or None, {"Host": host or self.name})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text.startswith(b"{") else {}
        except (OSError, HTTPException):
            return 0, {}
        finally:
            connection.close()

    def has(self, variable: str, value: str, host: str = "") -> bool:
        """Whether the program that answers has this value in its environment."""
        _, found = self.ask(f"/digest?name={variable}", host)
        return bool(found.get("sha256") == hashlib.sha256(value.encode()).hexdigest())

    @contextmanager
    def asked(self, *roles: tuple[str, str]) -> Iterator[list[Load]]:
        """Under load, for (host name, who answers there), in both releases. None may fail."""
        loads = []
        with ExitStack() as stack:
            for name, role in roles:
                answers = ",".join(f"{role}-{release}" for release in stand_ins.RELEASES)
                settings = Settings(
                    url=f"http://{name}",
                    connect=f"127.0.0.1:{HTTP}",
                    paths=f"/={answers} /a/page={answers}",
                    rate_keepalive=30,
                    connections=8,
                    rate_new=3,
                    rate_slow=1,
                    slow_seconds=2,
                    websockets=0,
                    uploads=0,
                )
                loads.append(stack.enter_context(Load(settings)))
            yield loads
        for (name, _), load in zip(roles, loads, strict=True):
            print(f"{name}: {load.report.failed} of {load.report.sent} requests failed")
            assert load.report.is_clean, load.report.failures

    def runs(self, playbook: str, what: str, release: str = FIRST, *, interrupts: Sequence[str] = ()) -> None:
        """A deploy or a rollback that succeeds, and interrupts these services only."""
        start = time.monotonic()
        said = self.team.deploys(release) if playbook == "deploy" else self.team.plays(playbook)
        verdict = json.loads((self.team.newcomer.here / ".deploy" / team.ENVIRONMENT / "verdict.json").read_text())
        interrupted = sorted(verdict.get("interrupted") or [])
        print(f"{what}: {playbook} in {time.monotonic() - start:.1f} s, interrupted: {', '.join(interrupted) or 'nothing'}")
        assert verdict["verdict"] == {"deploy": "deployed", "rollback": "rolled_back"}[playbook], said
        assert interrupted == sorted(interrupts), said

    @contextmanager
    def changed(self, what: str, release: str = FIRST, *, interrupts: Sequence[str] = ()) -> Iterator[None]:
        """Deployed inside the block, and rolled back after it."""
        self.runs("deploy", what, release, interrupts=interrupts)
        yield
        self.runs("rollback", what, interrupts=interrupts)


@pytest.fixture
def project(request: pytest.FixtureRequest, host: None, home: Path, tmp_path: Path) -> Site:
    """Deployed for the first time."""
    name = str(request.param)
    site = f"{name}.example"
    ssh = f"-F {ROOT}/.sandbox/ssh_config -o ControlMaster=auto -o ControlPersist=300s"
    here = tmp_path / name
    found = team.of(name, home, here, HOST, site, ANSIBLE_SSH_ARGS=ssh)
    difference = found.difference()
    (found.stack.parent / "sandbox.yml").write_text(SANDBOX)
    print("\n".join(["", *difference]))
    print("{} of the team's own lines changed, {} came".format(*counted(difference)))
    found.plays("provision")
    found.plays("claim")
    said = found.deploys(FIRST)
    assert f"VERDICT deployed: staging {FIRST} " in said
    return Site(found, site, said)


@dataclass
class Words:
    """What users were told is kept."""

    site: Site
    acknowledged: list[str] = field(default_factory=list)
    refused: int = 0

    def keep(self) -> None:
        word = f"word-{len(self.acknowledged) + self.refused}"
        status, _ = self.site.ask("/keep", body=word)
        if status == 200:
            self.acknowledged.append(word)
        else:
            self.refused += 1

    def are_kept(self, host: str = "") -> bool:
        status, found = self.site.ask("/kept", host)
        return status == 200 and set(self.acknowledged) <= set(found["kept"])


def containers(project: str, service: str) -> list[str]:
    labels = (
        "--filter",
        f"label=com.docker.compose.project={project}",
        "--filter",
        f"label=com.docker.compose.service={service}",
    )
    return on(HOST, "docker", "ps", "--no-trunc", *labels, "--format", "{{.ID}}").split()


def below(service: str, line: str) -> Callable[[str], str]:
    """With one more line of a service in the override."""
    return lambda text: text.replace(f"  {service}:\n", f"  {service}:\n    {line}\n")


def route(service: int, **more: Any) -> Callable[[str], str]:
    """With one more route of a service in the inventory."""

    def change(stack: dict[str, Any]) -> None:
        stack["services"][service]["routes"].append(more)

    return lambda text: with_stack(text, change)


@pytest.mark.parametrize("project", ["ballots"], indirect=True)
def test_a_voting_app_is_changed_in_five_ways_and_loses_no_request_and_no_vote(project: Site) -> None:
    found, tally = project.team, f"tally.{project.name}"
    votes = Words(project)
    script = found.newcomer.here / "healthchecks" / "cache.sh"
    with meanwhile(votes.keep, 0.2), project.asked((project.name, "ballot"), (tally, "tally")):
        before = {name: containers("ballots", name) for name in ("cache", "database")}
        with project.changed("image tag", SECOND):
            assert project.ask("/")[1]["release"] == f"ballot-{SECOND}"
        with (
            found.changed(found.override, below("ballot", "environment: {OPTION_A: Dogs}")),
            project.changed("environment value"),
        ):
            assert project.has("OPTION_A", "Dogs")
        with found.changed(found.override, below("ballot", "deploy: {replicas: 2}")), project.changed("number of replicas"):
            assert len(containers("ballots", "ballot")) == 2
        with found.changed(found.stack, route(1, host=project.name, paths=["/results"])), project.changed("route"):
            assert project.ask("/results")[1]["release"] == f"tally-{FIRST}"
        assert {name: containers("ballots", name) for name in before} == before, "nothing of theirs was changed"
        # Both mount the directory.
        with (
            found.changed(script, lambda text: f"{text}# Asked every five seconds.\n"),
            project.changed("mounted file", interrupts=["cache", "database"]),
        ):
            [cache] = containers("ballots", "cache")
            assert "every five seconds" in on(HOST, "docker", "exec", cache, "cat", "/healthchecks/cache.sh")
    print(f"{len(votes.acknowledged)} votes acknowledged, {votes.refused} refused while the cache was replaced")
    assert votes.acknowledged
    eventually(lambda: votes.are_kept(tally), "every vote that was acknowledged is counted")


@pytest.mark.parametrize("project", ["shop-api"], indirect=True)
def test_an_api_behind_a_job_is_changed_in_five_ways_and_loses_no_request_and_no_order(project: Site) -> None:
    found, pages = project.team, f"dashboard.{project.name}"
    api = replace(project, name=f"api.{project.name}")
    orders = Words(api)
    [database] = containers("shop-api", "db")
    with meanwhile(orders.keep, 0.2), project.asked((api.name, "api"), (pages, "front")):
        assert api.has("SECRET_KEY", found.person.vault["vault_secret_key"])
        found.edits_vault(vault_secret_key="the second key of the shop")
        project.runs("deploy", "secret")
        assert api.has("SECRET_KEY", "the second key of the shop")
        with project.changed("image tag", SECOND):
            assert api.ask("/")[1]["release"] == f"api-{SECOND}"
        production = "ENVIRONMENT: production"
        with (
            found.changed(found.stack, lambda text: text.replace("ENVIRONMENT: local", production)),
            project.changed("environment value"),
        ):
            assert api.has("ENVIRONMENT", "production")
        with found.changed(found.override, below("api", "deploy: {replicas: 2}")), project.changed("number of replicas"):
            assert len(containers("shop-api", "api")) == 2
        with found.changed(found.stack, route(1, host=pages, paths=["/api"])), project.changed("route"):
            assert api.ask("/api", pages)[1]["release"] == f"api-{FIRST}"
        assert api.has("SECRET_KEY", "the second key of the shop"), "a rollback has today's secrets"
    assert containers("shop-api", "db") == [database]
    print(f"{len(orders.acknowledged)} orders acknowledged, {orders.refused} refused")
    assert orders.acknowledged
    assert (orders.refused, orders.are_kept()) == (0, True)
    runs = on(HOST, "docker", "exec", database, "psql", "-U", "app", "-Atc", "select release, count(*) from run group by 1")
    # Of the first tag there are four releases; neither another secret nor a rollback is one.
    assert sorted(runs.split()) == [f"{FIRST}|4", f"{SECOND}|1"]


@pytest.mark.parametrize("project", ["letters"], indirect=True)
def test_a_single_replica_with_uploads_is_interrupted_as_announced_and_loses_nothing(project: Site) -> None:
    found = project.team
    letters = Words(project)
    plan = found.deploys(SECOND, "--check")
    assert "(interrupts app; stop-first: writes to the directory ./uploads)" in " ".join(plan.split())
    database = containers("letters", "db")
    with meanwhile(letters.keep, 0.2):
        assert project.has("LETTERS_ADMIN_PASSWORD", found.person.vault["vault_admin_password"])
        found.edits_vault(vault_admin_password="the second one of the admin")
        project.runs("deploy", "secret", interrupts=["app"])
        assert project.has("LETTERS_ADMIN_PASSWORD", "the second one of the admin")
        with project.changed("image tag", SECOND, interrupts=["app"]):
            assert project.ask("/")[1]["release"] == f"letters-{SECOND}"
        berlin = "    environment:\n      TZ: Europe/Berlin\n"
        with (
            found.changed(found.override, lambda text: text.replace("    environment:\n", berlin, 1)),
            project.changed("environment value", interrupts=["app"]),
        ):
            assert project.has("TZ", "Europe/Berlin")
        with found.changed(found.stack, route(0, host=f"www.{project.name}")), project.changed("route"):
            assert project.ask("/", f"www.{project.name}")[0] == 200
        assert containers("letters", "db") == database
        with (
            found.changed(found.override, below("db", "ports: !override ['127.0.0.1:5433:5432']")),
            project.changed("port", interrupts=["db"]),
        ):
            assert "127.0.0.1:5433" in on(HOST, "docker", "port", *containers("letters", "db"))
    print(f"{len(letters.acknowledged)} letters acknowledged, {letters.refused} refused in interruptions that were announced")
    assert letters.acknowledged
    eventually(letters.are_kept, "every letter that was acknowledged is in the database and in the uploads")
