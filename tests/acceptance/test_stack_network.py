"""Replicas and the edge meet on a network of the stack, and containers reach neither metrics nor SSH nor metadata."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.world import PRODUCTION, Environment, eventually, on

HOST = "staging-app-1"
ASK = (
    "import sys, urllib.request, urllib.error\n"
    "try: print(urllib.request.urlopen(sys.argv[1], timeout=5).status)\n"
    "except urllib.error.HTTPError as exc: print(exc.code)\n"
)


def networks(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(on(HOST, "docker", "inspect", name, "--format", "{{json .NetworkSettings.Networks}}"))
    return found


@pytest.mark.deep
def test_replicas_meet_the_edge_on_the_stacks_network_and_get_no_metrics_there(staging: Environment) -> None:
    name = on(HOST, "docker", "ps", "--format", "{{.Names}}", "--filter", "label=com.docker.compose.service=api").splitlines()[0]
    assert {*networks(name)} == {"edge.morpheus", "morpheus_default"}
    edge = networks("edge-haproxy-1")
    assert {"edge", "edge.morpheus"} <= {*edge}
    address = edge["edge.morpheus"]["IPAddress"]
    said = on(HOST, "docker", "exec", name, "python3", "-c", ASK, f"http://{address}:8405/metrics")
    assert said.strip() == "404"
    assert on(HOST, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:8405/metrics") == "200"


# All at once, a line each: whether a connection is opened.
TRY = """
import concurrent.futures, socket, sys
def attempt(target):
    try: socket.create_connection(target, 3.0).close()
    except OSError as exc: return "closed" if isinstance(exc, TimeoutError) else str(exc)
    return "open"
targets = [(address, int(port)) for address, _, port in (one.rpartition(":") for one in sys.argv[1:])]
with concurrent.futures.ThreadPoolExecutor(len(targets)) as pool: print(*pool.map(attempt, targets), sep="\\n")
"""
METADATA = "169.254.169.254"
OTHER = "other-stack"


def reached(host: str, name: str, targets: Sequence[str]) -> dict[str, str]:
    said = on(host, "docker", "exec", name, "python3", "-c", TRY, *targets).splitlines()
    return dict(zip(targets, said, strict=True))


def address(host: str) -> str:
    """By which other machines reach it."""
    links = json.loads(on(host, "ip", "-json", "-4", "address", "show", "scope", "global"))
    own = [link for link in links if not link.get("ifname", "").startswith(("br-", "docker"))]
    return next(str(info["local"]) for link in own for info in link.get("addr_info", ()) if "local" in info)


def answers(host: str, url: str) -> bool:
    return on(host, "curl", "-s", "-o", "/dev/null", url, "-w", "%{http_code}", check=False) == "200"


@contextmanager
def listening(host: str) -> Iterator[None]:
    """The cloud's metadata and metrics that are published for other machines."""
    stubs = {"stub-metadata": (METADATA, "8169"), "stub-metrics": (address(host), "8405")}
    on(host, "ip", "address", "add", f"{METADATA}/32", "dev", "lo")
    try:
        for unit, (where, port) in stubs.items():
            on(
                host,
                "systemd-run",
                "--unit",
                unit,
                "python3",
                "-m",
                "http.server",
                port,
                "--bind",
                where,
                "--directory",
                "/run/lock",
            )
        for where, port in stubs.values():
            ask = f"http://{where}:{port}/"
            eventually(partial(answers, host, ask), ask)
        yield
    finally:
        on(host, "systemctl", "stop", *stubs, check=False)
        on(host, "ip", "address", "del", f"{METADATA}/32", "dev", "lo")


@contextmanager
def another_stack(host: str, image: str) -> Iterator[str]:
    """A container on a network of its own."""
    on(host, "docker", "network", "create", OTHER)
    try:
        command = ["python3", "-c", "import time; time.sleep(3600)"]
        on(
            host,
            "docker",
            "run",
            "--detach",
            "--name",
            OTHER,
            "--network",
            OTHER,
            "--entrypoint",
            command[0],
            image,
            *command[1:],
        )
        yield OTHER
    finally:
        on(host, "docker", "rm", "--force", OTHER, check=False)
        on(host, "docker", "network", "rm", OTHER)


def admitting(inventories: Path, *words: str) -> Environment:
    path = inventories / "production/group_vars/all/stack.yml"
    found = yaml.safe_load(path.read_text())
    found["stack"]["egress"] = [*words]
    path.write_text(yaml.safe_dump(found))
    return replace(PRODUCTION, inventories=str(inventories))


@pytest.mark.deep
def test_containers_reach_no_ssh_no_metadata_and_no_metrics_unless_the_stack_says_so(
    production: Environment, inventories: Path
) -> None:
    host, other = production.hosts
    gateway = on(host, "docker", "network", "inspect", "morpheus_default", "-f", "{{(index .IPAM.Config 0).Gateway}}").strip()
    # This host by two of its addresses, the other host, and the balancer.
    ssh = [f"{one}:22" for one in (gateway, address(host), address(other), address("production-lb-1"))]
    forbidden = [*ssh, f"{METADATA}:8169", f"{address(host)}:8405"]

    def everywhere(word: str) -> dict[str, str]:
        return dict.fromkeys(forbidden, word)

    def now() -> dict[str, str]:
        return reached(host, next(iter(production.containers(host, "api"))), forbidden)

    with listening(host):
        assert now() == everywhere("closed")
        # Users, and the host itself, go where they went.
        assert production.health()[0] == 200
        assert on(host, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"http://{METADATA}:8169/") == "200"
        on(host, "systemctl", "restart", "docker")
        assert now() == everywhere("closed")
        on(host, "systemctl", "restart", "container-egress")
        assert now() == everywhere("closed")

        # Without the rules all of it is reached, so it is they that keep containers away.
        on(host, "iptables", "-t", "raw", "-D", "PREROUTING", "-j", "MORPHEUS-EGRESS")
        assert now() == everywhere("open")
        audit = production.play("playbooks/audit.yml")
        assert audit.code == 2
        assert "egress-filter" in audit.output
        assert production.play("playbooks/provision.yml", "--tags", "egress").code == 0
        assert now() == everywhere("closed")
        again = production.play("playbooks/provision.yml", "--tags", "egress")
        assert again.code == 0
        assert re.findall(rf"{host} +: ok=\d+ +changed=(\d+)", again.output) == ["0"]

        let = admitting(inventories, "metadata", "metrics", "ssh").deploy("1.0.0")
        assert let.code == 0, let.output
        assert now() == everywhere("open")
        # What a stack is let through to is no other stack's.
        image = on(
            host, "docker", "ps", "--format", "{{.Image}}", "--filter", "label=com.docker.compose.service=api"
        ).splitlines()[0]
        with another_stack(host, image) as name:
            assert reached(host, name, [f"{address(host)}:22", f"{METADATA}:8169"]) == {
                f"{address(host)}:22": "closed",
                f"{METADATA}:8169": "closed",
            }
            replica = json.loads(
                on(
                    host,
                    "docker",
                    "inspect",
                    next(iter(production.containers(host, "api"))),
                    "--format",
                    "{{json .NetworkSettings.Networks}}",
                )
            )
            services = [f"{one['IPAddress']}:8000" for one in replica.values()]
            assert "open" not in reached(host, name, services).values()
        away = admitting(inventories).deploy("1.0.0")
        assert away.code == 0, away.output
        assert now() == everywhere("closed")
