"""What a team has that comes with a Compose file and a host of its own, on which nothing of ours is: molecule's."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException

from sandbox.world import MOLECULE_DOMAIN, MOLECULE_HOST

HOST = MOLECULE_HOST.name
[HTTP] = [published for published, port in MOLECULE_HOST.edge_ports if port == 80]

# As a team has it, for plain Compose.
COMPOSE = r"""---
services:
  web:
    image: morpheus/web:${STACK_RELEASE:?}
    restart: unless-stopped
    healthcheck:
      interval: 4s
      timeout: 2s
      start_period: 10s
      start_interval: 1s
      test:
        - CMD
        - bash
        - -c
        - exec 3<>/dev/tcp/127.0.0.1/8080; printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3; grep -m1 '^HTTP.* 200' <&3
    deploy:
      replicas: 2
      resources:
        limits: {cpus: "0.25", memory: 128M, pids: 64}
"""
# The network of the sandbox, which a newcomer's hosts do not have.
SANDBOX = """---
docker_engine_registry_mirrors: ["http://registry.sandbox:5000"]
docker_engine_dns: [172.17.0.1]
"""


def served() -> str:
    """The release of which a user of the site gets an answer; empty while there is none."""
    connection = HTTPConnection("127.0.0.1", HTTP, timeout=10)
    try:
        connection.request("GET", "/healthz", headers={"Host": MOLECULE_DOMAIN})
        answer = connection.getresponse()
        body = answer.read()
        return str(json.loads(body)["version"]) if answer.status == 200 else ""
    except (OSError, HTTPException):
        return ""
    finally:
        connection.close()
