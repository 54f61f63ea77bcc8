"""What an adoption means, as Ansible asks it of a host with a command docker of its own."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.labels import FINGERPRINT
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import sockets

from tests.unit.endings.ran import run
from tests.unit.endings.worlds import World
from tests.unit.plugins.module_utils.adoption import test_look as adopting

CAPSYS = pytest.CaptureFixture[str]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


DOCKER = """#!/bin/sh
# Answers with the files that lie beside it.
cd "$(dirname "$0")" || exit 9
case "$*" in
  "ps --all --quiet --no-trunc") cat ids ;;
  "container inspect "*) cat containers ;;
  "network ls "* | "volume ls "*) ;;
  *" config --format json") printf '%s\n' "$*" > asked; cat model ;;
  *) echo "nobody expected: $*" >&2; exit 9 ;;
esac
"""
SHOP = {
    "release": "1.0",
    "environment": "staging",
    "stack": {"name": "shop", "compose_files": ["compose.yml"]},
    "files": {"compose.yml": base64.b64encode(b"services: {}").decode()},
    "secrets": {"api.env": "KEY=first-canary"},
}


def container(project: str, service: str, image: str, port: str = "", volume: str = "") -> dict[str, Any]:
    """As docker inspect tells of one that Compose has started."""
    labels = {"com.docker.compose.project": project, "com.docker.compose.service": service}
    labels |= {"com.docker.compose.container-number": "1", "com.docker.compose.oneoff": "False"}
    mounts = [{"Type": "volume", "Name": volume, "Destination": "/var/lib/postgresql/data"}] if volume else []
    return {
        "Id": f"{project}-{service}",
        "Name": f"/{project}-{service}-1",
        "State": {"Running": True},
        "Config": {"Image": image, "Labels": labels, "Env": ["KEY=second-canary"]},
        "HostConfig": {"PortBindings": {"8000/tcp": [{"HostPort": port}]} if port else {}},
        "Mounts": mounts,
    }


WEB = container("shop", "web", "shop/web:latest", port="8000")
DB = container("shop", "db", "postgres:16", volume="shop_data")
PROXY = container("shop", "proxy", "traefik:3", port="80")


def project(world: World, *containers: Mapping[str, Any]) -> Path:
    """A host with a command docker of its own, on which these run. Its directory."""
    place = world.root / "bin"
    place.mkdir()
    (place / "docker").write_text(DOCKER)
    (place / "docker").chmod(0o755)
    (place / "ids").write_text("".join(f"{one['Id']}\n" for one in containers))
    (place / "containers").write_text(json.dumps(containers))
    model: dict[str, Any] = json.loads(json.dumps(adopting.MODEL))
    model["services"]["web"]["environment"] = {"KEY": "first-canary"}
    (place / "model").write_text(json.dumps(model))
    world.monkeypatch.setenv("PATH", f"{place}:/usr/bin:/bin")
    world.monkeypatch.setattr(sockets, "listeners", list)
    return place


def test_an_adoption_is_planned_from_what_runs_and_changes_nothing(world: World, capsys: CAPSYS) -> None:
    place = project(world, WEB, DB, PROXY)
    result = run("stack_adoption_info", capsys, SHOP)
    assert (result["changed"], result["adopted"], result["waits"], result["holders"]) == (False, False, True, ["shop-proxy-1"])
    assert result["plan"] == [
        "db: shop-db-1 (postgres:16) is replaced once; keeps the volume shop_data",
        "proxy: shop-proxy-1 ends, for the release has no service proxy; its volumes stay on this host",
        "web: shop-web-1 (shop/web:latest) is replaced once",
        "web: port 8000 of this host no longer leads to it, for the release does not publish it",
        "edge: port 80 from shop-proxy-1, once every candidate has passed its gate: shop-proxy-1 is stopped and the edge starts "
        "at once; when it does not answer, shop-proxy-1 is started again",
        "interrupts db from the stop of its container until the next one has passed its gate (writes to the volume data)",
        "interrupts every user of this host for as long as shop-proxy-1 takes to stop and the edge to start, a second or two",
    ]
    assert run("stack_adoption_info", capsys, SHOP, check_mode=True) == result
    asked = (place / "asked").read_text().split()
    workspace = Path(asked[asked.index("--project-directory") + 1])
    assert (asked[asked.index("--file") + 1], workspace.exists()) == (str(workspace / "compose.yml"), False)


def test_a_project_that_was_adopted_is_said_to_be(world: World, capsys: CAPSYS) -> None:
    ours = {**WEB, "Config": {**WEB["Config"], "Labels": {**WEB["Config"]["Labels"], FINGERPRINT: "f"}}}
    project(world, ours)
    result = run("stack_adoption_info", capsys, SHOP)
    assert (result["changed"], result["adopted"], result["waits"], result["plan"]) == (False, True, False, [])


def test_an_adoption_is_refused_with_all_that_speaks_against_it(world: World, capsys: CAPSYS) -> None:
    redis = container("shop", "redis", "redis:7")
    foreign = container("blog", "proxy", "traefik:3", port="443")
    project(world, WEB, DB, redis, foreign)
    result = run("stack_adoption_info", capsys, SHOP)
    problems = [
        "port 443 is held by the container blog-proxy-1, of the project blog; it may serve others as well, and they would be "
        "gone. When it serves nothing but this stack: -e adopt_ports_from=blog-proxy-1. Otherwise bring what it serves to the "
        "edge first, or give the edge other ports (edge_http_port, edge_https_port)",
        "services.redis: shop-redis-1 runs, and the release has no service redis, so it would be removed. Add it to the Compose "
        "file, or -e adopt_drops=redis if it may go",
    ]
    assert (result["failed"], result["problems"]) == (True, problems)
    assert result["msg"] == "2 problems in the configuration:\n" + "\n".join(f"  - {one}" for one in problems)
    meant = {**SHOP, "drops": ["redis"], "ports_from": ["blog-proxy-1"]}
    assert run("stack_adoption_info", capsys, meant)["holders"] == ["blog-proxy-1"]


def test_an_adoption_of_a_host_without_docker_is_refused(world: World, capsys: CAPSYS) -> None:
    (project(world) / "docker").unlink()
    world.monkeypatch.setenv("PATH", str(world.root / "bin"))
    assert run("stack_adoption_info", capsys, SHOP)["msg"] == (
        "this host has no docker command, so nothing runs here that could be taken over; for a bare host: "
        "playbooks/provision.yml and deploy.yml"
    )
