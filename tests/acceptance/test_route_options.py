"""Options of routes as a deploy brings them and a rollback takes them back: under load, and nobody is replaced for them."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.world import Environment, on, says

HOST = "staging-app-1"
EDGE = "/var/lib/morpheus.deploy/edge/conf"
MAP = f"{EDGE}/routes.map"
MOVED: dict[str, Any] = {"paths": ["/moved"], "redirect": {"url": "/health", "status": 307}}
STRIPPED: dict[str, Any] = {"paths": ["/stripped"], "strip_prefix": True}
SHORT: dict[str, Any] = {"paths": ["/api/stories"], "max_body": "10b"}
USERS = f"{EDGE}/stacks/morpheus.users.cfg"
ANNA, BERT = "a password of anna's", "a password of bert's"
# Nobody of the sandbox comes from there (RFC 5737).
CLOSED: dict[str, Any] = {"paths": ["/closed"], "allow": ["192.0.2.7"]}
STAFF: dict[str, Any] = {
    "paths": ["/staff"],
    "basic_auth": "staff",
    "response_headers": {"X-Robots-Tag": "noindex", "Server": ""},
}
ROOM: dict[str, Any] = {"paths": ["/room"], "sticky": True}


@pytest.fixture
def optional(inventories: Path, staging: Environment) -> Iterator[Environment]:
    """Staging with the same release, whose routes have options."""
    path = inventories / "staging" / "group_vars" / "all" / "stack.yml"
    variables = yaml.safe_load(path.read_text())
    api, web = variables["stack"]["services"]
    api["routes"].append({"host": staging.site, **SHORT})
    web["routes"] += [{"host": staging.site, **MOVED}, {"host": f"*.{staging.site}", "hsts": {"max_age_seconds": 0}}]
    web["routes"].append({"host": staging.site, **STRIPPED})
    path.write_text(yaml.safe_dump(variables))
    yield replace(staging, inventories=str(inventories))
    staging.deployed("1.0.0")


@pytest.mark.deep
def test_options_come_and_go_under_load_and_replace_nobody(staging: Environment, optional: Environment) -> None:
    before = staging.containers(HOST)
    with staging.load() as load:
        site = staging.site
        planned = [f"api: take over the route {site}/api/stories/", f"web: take over the routes *.{site}/, {site}/moved/"]
        says(optional.deployed("1.0.0", "--check", "--diff"), planned)
        assert (staging.ask("/moved")[0], staging.ask("/stripped/")[0]) == (404, 404)
        optional.deployed("1.0.0")
        status, headers, _ = staging.ask("/moved")
        assert (status, headers["location"]) == (307, "/health")
        assert staging.ask("/stripped/")[0] == 200
        assert staging.ask("/api/stories", told={"title": "longer than ten bytes"})[0] == 413
        status, headers, _ = staging.ask("/", more={"Host": f"any.{staging.site}"})
        assert (status, headers["strict-transport-security"]) == (200, "max-age=0")
        lines = on(HOST, "cat", MAP).splitlines()
        assert lines[0] == "# morpheus.deploy format 2"
        assert f'{staging.site}/api/stories/ morpheus.api|{{"max_body":10}}' in lines
        assert f'*.{staging.site}/ morpheus.web|{{"hsts":"0"}}' in lines
        assert optional.verdict()["verdict"] == "deployed"
        run = staging.play("rollback.yml")
        assert run.code == 0, run.output
        assert (staging.ask("/moved")[0], staging.ask("/stripped/")[0]) == (404, 404)
        assert staging.ask("/api/stories", told={"title": "longer than ten bytes"})[0] != 413
        assert "format 2" not in on(HOST, "cat", MAP)
    assert load.report.failed == 0, load.report
    assert staging.containers(HOST) == before


def hashed(password: str) -> str:
    return subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=password, capture_output=True, text=True, check=True
    ).stdout.strip()


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


@dataclass
class Closed:
    """Staging with routes that are not open to all. ``hashes``: those that its vault would hold."""

    environment: Environment
    path: Path
    hashes: list[str]

    def write(self, users: Mapping[str, str]) -> None:
        variables = yaml.safe_load(self.path.read_text())
        hashes = {user: hashed(password) for user, password in users.items()}
        self.hashes += hashes.values()
        variables["stack_secrets"]["staff"] = hashes
        self.path.write_text(yaml.safe_dump(variables))
        made = self.environment.play("playbooks/fingerprint.yml")
        assert made.code == 0, made.output


@pytest.fixture
def closed(inventories: Path, staging: Environment) -> Iterator[Closed]:
    path = inventories / "staging" / "group_vars" / "all" / "stack.yml"
    variables = yaml.safe_load(path.read_text())
    web = variables["stack"]["services"][1]
    web["routes"] = [
        {**route, "compression": True}
        for route in [*web["routes"], *({"host": staging.site, **one} for one in (CLOSED, STAFF, ROOM))]
    ]
    path.write_text(yaml.safe_dump(variables))
    found = Closed(replace(staging, inventories=str(inventories)), path, [])
    found.write({"anna": ANNA})
    yield found
    staging.deployed("1.0.0")


@pytest.mark.deep
def test_who_may_come_comes_and_goes_under_load_and_replaces_nobody(staging: Environment, closed: Closed) -> None:
    before = staging.containers(HOST)
    runs = []
    with staging.load() as load:
        runs.append(closed.environment.deployed("1.0.0"))
        assert staging.ask("/closed")[0] == 403
        status, headers, _ = staging.ask("/staff")
        assert (status, headers["x-robots-tag"]) == (401, "noindex")
        assert headers["www-authenticate"] == 'Basic realm="staff", charset="UTF-8"'
        assert staging.ask("/staff", more=basic("anna", BERT))[0] == 401
        status, headers, _ = staging.ask("/staff", more=basic("anna", ANNA))
        assert status not in (401, 403, 503)
        assert (headers["x-robots-tag"], headers.get("server")) == ("noindex", None)
        assert staging.ask("/room")[1]["set-cookie"].startswith("edge-sticky=")
        assert staging.ask("/", more={"Accept-Encoding": "gzip"})[1]["content-encoding"] == "gzip"
        assert on(HOST, "stat", "-c", "%a", USERS).strip() == "400"
        # Another password of the same release: no replica reads it.
        closed.write({"anna": BERT})
        runs.append(closed.environment.deployed("1.0.0"))
        answers = [staging.ask("/staff", more=basic("anna", password))[0] for password in (ANNA, BERT)]
        assert [answer == 401 for answer in answers] == [True, False]
        run = staging.play("rollback.yml")
        assert run.code == 0, run.output
        assert staging.ask("/closed")[0] not in (401, 403)
        assert "userlist" not in on(HOST, "cat", USERS)
    assert load.report.failed == 0, load.report
    assert staging.containers(HOST) == before
    manifests = on(HOST, "sh", "-c", "cat /var/lib/morpheus.deploy/stacks/morpheus/releases/*/manifest.json")
    said = "".join(one.output for one in [*runs, run]) + manifests
    assert not [one for one in closed.hashes if one in said]


@pytest.mark.deep
def test_what_an_option_cannot_be_is_refused_before_any_host_is_asked(inventories: Path, optional: Environment) -> None:
    path = inventories / "staging" / "group_vars" / "all" / "stack.yml"
    path.write_text(path.read_text().replace("10b", "ten bytes"))
    run = optional.deploy("1.0.0")
    assert run.code != 0
    says(
        run,
        [
            'stack.services[0].routes[1].max_body: "ten bytes" is no size; write a number with b, k, m or g behind it, '
            'as in "10m"',
            "VERDICT refused",
        ],
    )
