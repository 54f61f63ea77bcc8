"""Whether a host is in exactly the state that a release means: containers, what the edge admits, backends and routes."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator

from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import HAPROXY_DIRECTORY
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket

from tests.edge_lab.examples import Release, Service
from tests.edge_lab.host import STACK, LabHost
from tests.edge_lab.toys import ToyDocker

PREFIX = f"{STACK}."
_NOT_ADMITTED = 0x01 | 0x02 | 0x08 | 0x10 | 0x20
_MAINTENANCE = 0x01 | 0x02 | 0x20


def differences(host: LabHost, docker: ToyDocker, release: Release) -> Iterator[str]:
    socket = Socket(str(host.edge_paths.socket))
    yield from _containers(host, docker, release)
    yield from _servers(socket, docker, release)
    yield from _backends(socket, release)
    yield from _routes(host, socket, release)
    lineage = host.releases.lineage()
    if lineage.live != f"{release.name}-id" or lineage.rolling:
        yield f"the lineage says that {lineage.live or 'nothing'} is live and {lineage.rolling} is under way"


def _containers(host: LabHost, docker: ToyDocker, release: Release) -> Iterator[str]:
    wanted = Counter({(one.name, one.fingerprint): one.replicas for one in host.wanted(release)})
    seen = Counter((one.service, one.fingerprint) for one in host.engine.observe(set()) if one.state.value == "running")
    names = sorted(one["Names"][0] + " " + one["State"] for one in docker.containers(all=True))
    if +wanted != seen or len(names) != seen.total():
        expected = ", ".join(f"{count} of {service}" for (service, _), count in wanted.items())
        yield f"expected containers {expected} of release {release.name}, found {', '.join(names)}"


def _servers(socket: Socket, docker: ToyDocker, release: Release) -> Iterator[str]:
    """Every replica of a routed service is admitted at its address and port, for each purpose; nothing else has a place."""
    rows = [row for row in _table(socket.ask("show servers state")) if row["be_name"].startswith(PREFIX)]
    for suffix in sorted({"", *(_suffix(row["be_name"]) for row in rows)}):
        wanted = {
            (f"{PREFIX}{one.name}{suffix}", container.name, container.address, str(one.port))
            for one in release.services
            if one.routes
            for container in docker.of_service(one.name)
        }
        mine = [row for row in rows if _suffix(row["be_name"]) == suffix]
        seen = {
            (row["be_name"], row["srv_fqdn"], row["srv_addr"], row["srv_port"])
            for row in mine
            if not int(row["srv_admin_state"]) & _NOT_ADMITTED
        }
        if seen != wanted:
            yield f"admitted wrongly: {sorted(seen - wanted)}; not admitted: {sorted(wanted - seen)}"
        drained = [row for row in mine if int(row["srv_admin_state"]) & 0x18 and not int(row["srv_admin_state"]) & _MAINTENANCE]
        if drained:
            yield f"still has a place: {[(row['be_name'], row['srv_name'], row['srv_fqdn']) for row in drained]}"


def _suffix(backend: str) -> str:
    return "".join(f".{part}" for part in backend.split(".")[2:])


def _table(text: str) -> Iterator[dict[str, str]]:
    lines = text.splitlines()
    header = next(line[2:].split() for line in lines if line.startswith("# "))
    for line in lines:
        if line and line[0].isdigit() and " " in line:
            yield dict(zip(header, line.split(), strict=False))


def _backends(socket: Socket, release: Release) -> Iterator[str]:
    wanted = {one.name for one in release.services if one.routes}
    seen = {
        line.removeprefix(PREFIX).split(".")[0] for line in socket.ask("show backend").splitlines() if line.startswith(PREFIX)
    }
    if seen != wanted:
        yield f"expected backends of {sorted(wanted)}, HAProxy has {sorted(seen)}"


def _routes(host: LabHost, socket: Socket, release: Release) -> Iterator[str]:
    options = {one.name: _options(one) for one in release.services}
    wanted = sorted(
        f"{owner or '*'}{path.rstrip('/')}/ {PREFIX}{service}{options[service]}"
        for (owner, path), service in release.routes().items()
    )
    lines = (host.edge_paths.conf / "routes.map").read_text().splitlines()
    written = sorted(line for line in lines if not line.startswith("#"))
    table = socket.ask(f"show map {HAPROXY_DIRECTORY}/routes.map")
    running = sorted(" ".join(line.split()[1:]) for line in table.splitlines() if line.strip())
    if written != wanted:
        yield f"routes.map should be {wanted} and is {written}"
    if running != wanted:
        yield f"HAProxy's routes should be {wanted} and are {running}"


def _options(one: Service) -> str:
    """As they stand in the map."""
    tag = json.dumps([["X-Tag", one.tag]], separators=(",", ":")).encode()
    said = {
        **({"response_headers": base64.urlsafe_b64encode(tag).decode().rstrip("=")} if one.tag else {}),
        **({"timeout_seconds": one.timeout_seconds} if one.timeout_seconds else {}),
    }
    return f"|{json.dumps(said, separators=(',', ':'))}" if said else ""
