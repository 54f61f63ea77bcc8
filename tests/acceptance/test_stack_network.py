"""Replicas and the edge meet on a network of the stack, and no service of it reaches the metrics."""

from __future__ import annotations

import json
from typing import Any

from tests.acceptance.world import Environment, on

HOST = "staging-app-1"
ASK = (
    "import sys, urllib.request, urllib.error\n"
    "try: print(urllib.request.urlopen(sys.argv[1], timeout=5).status)\n"
    "except urllib.error.HTTPError as exc: print(exc.code)\n"
)


def networks(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(on(HOST, "docker", "inspect", name, "--format", "{{json .NetworkSettings.Networks}}"))
    return found


def test_replicas_meet_the_edge_on_the_stacks_network_and_get_no_metrics_there(staging: Environment) -> None:
    name = on(HOST, "docker", "ps", "--format", "{{.Names}}", "--filter", "label=com.docker.compose.service=api").splitlines()[0]
    assert {*networks(name)} == {"edge.morpheus", "morpheus_default"}
    edge = networks("edge-haproxy-1")
    assert {"edge", "edge.morpheus"} <= {*edge}
    address = edge["edge.morpheus"]["IPAddress"]
    said = on(HOST, "docker", "exec", name, "python3", "-c", ASK, f"http://{address}:8405/metrics")
    assert said.strip() == "404"
    assert on(HOST, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:8405/metrics") == "200"
