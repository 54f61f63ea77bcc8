"""What exists in the sandbox: every name, address, port and demo value, and nothing that acts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
STATE = ROOT / ".sandbox"

LABEL = "morpheus.sandbox=1"
# Labels are inherited: the base has one of its own, so that an image someone else builds on it is not taken for ours.
BASE_LABEL = "morpheus.sandbox.base=1"
CONTENT_LABEL = "morpheus.sandbox.content"

BASE_IMAGE = "debian:trixie-slim"
HAPROXY_IMAGE = "haproxy:3.0"
POSTGRES_IMAGE = "postgres:17"
REGISTRY_IMAGE = "registry:2"
HOST_IMAGE = "sandbox/host:latest"
RUNPOD_IMAGE = "sandbox/runpod:latest"
ALERT_SINK_IMAGE = "sandbox/alert-sink:latest"
SUPABASE_IMAGE = "sandbox/supabase:latest"

IMAGE_DIRECTORIES = {
    HOST_IMAGE: "host",
    REGISTRY_IMAGE: "registry",
    POSTGRES_IMAGE: "postgres",
    HAPROXY_IMAGE: "haproxy",
    RUNPOD_IMAGE: "runpod",
    ALERT_SINK_IMAGE: "alert-sink",
    SUPABASE_IMAGE: "supabase",
}
# All others are built on the base.
BUILT_ON = {SUPABASE_IMAGE: POSTGRES_IMAGE}
# What a host pulls by its public name, as if the registry were Docker Hub.
PUBLIC_IMAGES = (HAPROXY_IMAGE, POSTGRES_IMAGE)


@dataclass(frozen=True)
class StandIn:
    """Of an official image: Debian's package and its program, what that is called in the image, and where it writes."""

    image: str
    package: str
    official: str
    data: str

    @property
    def arguments(self) -> dict[str, str]:
        """Of images/monitoring/Dockerfile."""
        program = f"/usr/bin/{self.package}"
        return {"PACKAGE": self.package, "PROGRAM": program, "OFFICIAL": self.official, "DATA": self.data}


# What stacks/monitoring pulls. Made when asked for, since nothing else needs them.
MONITORING_IMAGES = (
    StandIn("prom/prometheus:v2.53.3", "prometheus", "prometheus", "/prometheus"),
    StandIn("prom/alertmanager:v0.28.1", "prometheus-alertmanager", "alertmanager", "/alertmanager"),
    StandIn("prom/blackbox-exporter:v0.26.0", "prometheus-blackbox-exporter", "blackbox_exporter", "/var/empty"),
    StandIn("prom/node-exporter:v1.9.0", "prometheus-node-exporter", "node_exporter", "/var/empty"),
    StandIn("prometheuscommunity/postgres-exporter:v0.17.1", "prometheus-postgres-exporter", "postgres_exporter", "/var/empty"),
)

REGISTRY = "127.0.0.1:5000"
DATABASE_PORT = 5432

# Demo values, not secrets: nothing outside the sandbox knows them.
DATABASE_PASSWORDS = {"staging": "staging-db-demo-password", "production": "production-db-demo-password"}
RUNPOD_API_KEYS = {"staging-runpod-demo-key": "staging", "production-runpod-demo-key": "production"}
RUNPOD_ADMIN_KEYS = {f"{environment}-runpod-admin-demo-key": environment for environment in ("staging", "production")}
# References of projects as the Management API takes them, and its tokens, which are scoped to one project each.
SUPABASE_PROJECTS = {"staging": "stagingmorpheusproja", "production": "productionmorpheuspr"}
SUPABASE_TOKENS = {f"{environment}-supabase-demo-token": environment for environment in SUPABASE_PROJECTS}
VAULT_PASSWORDS = {"staging": "staging-demo-vault", "production": "production-demo-vault"}

SUBNETS = {"staging": "10.77.1", "production": "10.77.2"}
DOMAINS = {"staging": "staging.morpheus.app", "production": "morpheus.app"}
MOLECULE_DOMAIN = "molecule.morpheus.app"
# Each preview has a name below it.
PREVIEW_DOMAIN = "preview.morpheus.app"
DATABASE_NAMES = {environment: f"db.{ref}.supabase.co" for environment, ref in SUPABASE_PROJECTS.items()}
# Of the databases of branches, which differ by their ports. Only staging's project has any, and only its network leads to them.
BRANCHES_NAME = "branches.supabase.co"


@dataclass(frozen=True)
class Attachment:
    """A container's place on the network of an environment."""

    environment: str
    number: int
    aliases: tuple[str, ...] = ()

    @property
    def network(self) -> str:
        return network_name(self.environment)

    @property
    def address(self) -> str:
        return f"{SUBNETS[self.environment]}.{self.number}"


@dataclass(frozen=True)
class Host:
    """A machine that Ansible reaches by SSH."""

    name: str
    place: Attachment
    # The public name that it serves; its certificate carries it.
    domain: str
    ssh_port: int
    edge_ports: tuple[tuple[int, int], ...] = ()
    # Whether it serves, and its certificate carries, all names below it as well.
    wildcard: bool = False

    @property
    def ports(self) -> tuple[tuple[int, int], ...]:
        return ((self.ssh_port, 22), *self.edge_ports)


@dataclass(frozen=True)
class Service:
    """A part of the outside world that the hosts or the controller talk to."""

    name: str
    image: str
    port: int
    places: tuple[Attachment, ...]
    ports: tuple[tuple[int, int], ...] = ()
    volume: str = ""
    variables: tuple[str, ...] = ()


def network_name(environment: str) -> str:
    return f"sandbox-{environment}"


_STAGING, _PRODUCTION = DOMAINS["staging"], DOMAINS["production"]
STANDARD_HOSTS = (
    Host("staging-app-1", Attachment("staging", 11, (_STAGING,)), _STAGING, 2211, ((8443, 443), (8080, 80))),
    Host("production-app-1", Attachment("production", 11), _PRODUCTION, 2221),
    Host("production-app-2", Attachment("production", 12), _PRODUCTION, 2222),
    Host("production-lb-1", Attachment("production", 21, (_PRODUCTION,)), _PRODUCTION, 2223, ((9443, 443), (9080, 80))),
)
# Molecule makes and removes its host itself, once for each scenario.
MOLECULE_HOST = Host(
    "molecule-app-1", Attachment("staging", 31, (MOLECULE_DOMAIN,)), MOLECULE_DOMAIN, 2231, ((8453, 443), (8090, 80))
)
# Of previews. Branches hang off staging's project, so it is in staging's network.
PREVIEW_HOST = Host("preview-app-1", Attachment("staging", 41), PREVIEW_DOMAIN, 2241, ((8463, 443), (8100, 80)), wildcard=True)
HOSTS = (*STANDARD_HOSTS, MOLECULE_HOST, PREVIEW_HOST)


def database(environment: str) -> Service:
    """Stands in for the environment's Supabase project; the other environment has no way to it."""
    return Service(
        name=f"supabase-{environment}",
        image=POSTGRES_IMAGE,
        port=DATABASE_PORT,
        places=(Attachment(environment, 5, (DATABASE_NAMES[environment],)),),
        volume="/var/lib/postgresql/data",
        variables=(f"POSTGRES_PASSWORD={DATABASE_PASSWORDS[environment]}",),
    )


def supabase_world() -> dict[str, Any]:
    """What the stand-in of Supabase's APIs is told (images/supabase/server.py)."""
    projects = {
        ref: {
            "name": environment,
            "url": f"http://{ref}.supabase.co",
            "database": {"host": DATABASE_NAMES[environment], "port": DATABASE_PORT},
            "keys": {role: f"{environment}-{role}-demo-key" for role in ("anon", "service_role")},
            "jwt_secret": f"{environment}-jwt-demo-secret",
        }
        for environment, ref in SUPABASE_PROJECTS.items()
    }
    tokens = {token: [SUPABASE_PROJECTS[environment]] for token, environment in SUPABASE_TOKENS.items()}
    branches = {"host": BRANCHES_NAME, "directory": "/var/lib/branches"}
    return {"organization": "morpheus", "projects": projects, "tokens": tokens, "branches": branches}


_BRANCHES = {"staging": (BRANCHES_NAME,)}


def _everywhere(number: int, *aliases: str) -> tuple[Attachment, ...]:
    return tuple(Attachment(environment, number, aliases) for environment in SUBNETS)


SERVICES = (
    Service(
        name="sandbox-registry",
        image=REGISTRY_IMAGE,
        port=5000,
        places=_everywhere(2, "registry.sandbox"),
        ports=((5000, 5000),),
        volume="/var/lib/registry",
    ),
    Service(
        name="runpod",
        image=RUNPOD_IMAGE,
        port=80,
        places=_everywhere(3, "api.runpod.ai", "api.runpod.io"),
        variables=(f"RUNPOD_API_KEYS={json.dumps(RUNPOD_API_KEYS)}", f"RUNPOD_ADMIN_KEYS={json.dumps(RUNPOD_ADMIN_KEYS)}"),
    ),
    Service(
        name="apis-supabase",
        image=SUPABASE_IMAGE,
        port=80,
        places=tuple(
            Attachment(environment, 6, ("api.supabase.com", f"{ref}.supabase.co", *_BRANCHES.get(environment, ())))
            for environment, ref in SUPABASE_PROJECTS.items()
        ),
        variables=(f"SUPABASE_WORLD={json.dumps(supabase_world())}",),
    ),
    Service(name="alert-sink", image=ALERT_SINK_IMAGE, port=80, places=_everywhere(4, "alerts.sandbox")),
    *(database(environment) for environment in SUBNETS),
)
