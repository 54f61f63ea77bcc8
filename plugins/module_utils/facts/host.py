# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of one host that an audit judges: names, modes, settings and what answers. No value leaves the host, and nothing is
changed on it; what the facts mean is said elsewhere (audit/report.py)."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import env_file as dotenv
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import DAEMON_FILE
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import refused_mounts
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.hardening import Hardening
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.host_paths import Own
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.refusals import Project
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import drift as edge_drift
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.egress.egress_filter import EgressFilter
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.compose_command import Compose
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.everything import Everything
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import (
    access,
    cis_containers,
    cis_controls,
    cis_daemon,
    cis_images,
    reach,
    sockets,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import disk as audit_disk
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import exemptions as audit_exemptions
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import files as audit_files
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import tls as tls_probe
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.containers import (
    ONEOFF,
    PROJECT,
    SERVICE,
    as_fact,
    described,
    env_names,
    labels_of,
    state_of,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.declared import declared
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.host import HostIdentity
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import url as connection_url
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases

HTTPS = "8443/tcp"
EVERYWHERE = "0.0.0.0"  # noqa: S104, RUF100 - told, not bound
TLS_SECONDS = 5.0
_ASSIGNED = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*(?:[=:]|$)", re.MULTILINE)


class HostAudit:
    """``root``: of the host's own files."""

    def __init__(
        self, engine: Everything, releases: Releases, root: Path = Path("/"), egress: EgressFilter | None = None
    ) -> None:
        self._engine = engine
        self._egress = egress or EgressFilter()
        self._releases = releases
        self._root = root
        volumes = engine.volumes()
        self._containers = [cis_containers.with_volumes(inspect, volumes) for inspect in engine.containers()]
        self._running = [inspect for inspect in self._containers if state_of(inspect) in cis_controls.RUNNING]

    def look(
        self,
        connections: Sequence[Mapping[str, Any]],
        timeout: float,
        database: str = "",
        project_ref: str = "",
        sites: Collection[str] | None = None,
    ) -> dict[str, Any]:
        """Everything; ``trouble`` says what could not be looked at. ``sites``: that the inventory has certificates of."""
        trials = self._start(connections, timeout)
        trouble: list[str] = []
        info = self._engine.info()
        manifest = self._manifest(trouble)
        found = {
            "identity": self._identity(trouble),
            "release": {"id": manifest.id, "release": manifest.release, "environment": manifest.environment} if manifest else {},
            "secrets": {name: list(variables) for name, variables in manifest.secrets.items()} if manifest else {},
            "services": self._services(manifest, trouble) if manifest else [],
            "env_files": self._env_files(manifest) if manifest else {},
            "containers": self._described(manifest),
            "engine": [as_fact(one) for one in cis_daemon.daemon_findings(info, _mapping(DAEMON_FILE))],
            "exemptions": self._exemptions(manifest) if manifest else [],
            "images": self._images(),
            "database": self._database(database, project_ref),
            "stacks": sorted(path.name for path in self._releases.root.parent.glob("*") if path.is_dir()),
            "accounts": audit_files.accounts(
                _text(self._root / "etc/passwd"), _text(self._root / "etc/group"), access.sudoers(self._root)
            ),
            "egress": self._egressed(trouble),
            "engine_sockets": audit_disk.sockets(self._root),
            "sockets": self._sockets(),
            "certificates": self._certificates(),
            "certificates_left": audit_disk.certificates_left(self._root, sites),
            "abandoned": audit_disk.abandoned(self._root),
            **audit_files.look(audit_disk.own(self._root)),
            **audit_disk.look(self._root, str(info.get("DockerRootDir") or ""), trouble),
        }
        return {**found, "proofs": [one for trial in trials for one in _proofs(*trial)], "trouble": trouble}

    def _manifest(self, trouble: list[str]) -> Manifest | None:
        try:
            live = self._releases.live()
            return self._releases.read(live) if live else None
        except DeployError as exc:
            trouble.append(str(exc))
            return None

    def _services(self, manifest: Manifest, trouble: list[str]) -> list[dict[str, Any]]:
        """What the release's Compose files give each service: names of keys and files."""
        workspace = self._releases.workspace(manifest.id)
        files = workspace.compose_files(manifest.stack.compose_files)
        try:
            profiles = manifest.stack.profiles
            model = Compose(self._releases.root.name, workspace.files, files, workspace.variables, (), profiles).written()
        except DeployError as exc:
            trouble.append(str(exc))
            return []
        return [
            declared(name, service, model, workspace.files) for name, service in sorted((model.get("services") or {}).items())
        ]

    def _exemptions(self, manifest: Manifest) -> list[dict[str, str]]:
        """What services ask of this host beyond what every service may: see audit_exemptions."""
        if Hardening.of(manifest.stack) is None:
            return []
        workspace = self._releases.workspace(manifest.id)
        files = workspace.compose_files(manifest.stack.compose_files)
        profiles = manifest.stack.profiles
        compose = Compose(self._releases.root.name, workspace.files, files, workspace.variables, (), profiles)
        own = Own.of(str(self._releases.root), workspace.shipped())
        # Where secrets have gone, what can be read without them; that nothing can be read is told where services are.
        for read, is_written in ((compose.model, False), (compose.written, True)):
            with suppress(DeployError):
                found = json.dumps([read(), compose.written()]).replace(str(workspace.files), str(self._releases.project))
                given = {"STACK_RELEASE": manifest.release, "STACK_ENVIRONMENT": manifest.environment}
                variables = {**manifest.stack.variables, **given}
                model, written = json.loads(found)
                project = Project(refused_mounts.with_files(model, written, variables), own, is_written)
                return audit_exemptions.exemptions(manifest.stack, project)
        return []

    def _env_files(self, manifest: Manifest) -> dict[str, list[str]]:
        """Path in the release -> names in it; secrets aside, which the manifest names."""
        files = self._releases.workspace(manifest.id).files
        known = {f"env/{name}.env": sorted(values) for name, values in manifest.stack.env.items()}
        others = [str(path.relative_to(files)) for path in files.rglob("*.env") if "secrets" not in path.relative_to(files).parts]
        return {**{name: sorted(set(_ASSIGNED.findall(_text(files / name)))) for name in others}, **known}

    def _egressed(self, trouble: list[str]) -> dict[str, Any]:
        """What is wrong with what keeps containers away, and what stacks are let through to."""
        try:
            admitted = {stack: [*one.kinds] for stack, one in self._egress.admitted().items()}
        except DeployError as exc:
            trouble.append(str(exc))
            admitted = {}
        return {"problems": self._egress.problems(), "admitted": admitted}

    def _identity(self, trouble: list[str]) -> dict[str, str]:
        try:
            owner = HostIdentity().read()
        except DeployError as exc:
            trouble.append(str(exc))
            return {}
        return {"environment": owner.environment, "claimed": owner.claimed} if owner.environment else {}

    def _database(self, secret: str, project_ref: str) -> str | None:
        """Why the secret is no way to the declared project, without a word of it; None when there is nothing to compare."""
        group, _, name = secret.partition(".")
        if group == "files":
            url: str | None = _text(self._releases.secrets / name).strip()
        else:
            url = dotenv.values(_text(self._releases.secrets / f"{group}.env")).get(name)
        if not (url and project_ref):
            return None
        try:
            return connection_url.project_problem(connection_url.parse(url), project_ref)
        except DeployError as exc:
            return str(exc)

    def _described(self, manifest: Manifest | None) -> list[dict[str, Any]]:
        hardening = Hardening.of(manifest.stack) if manifest else None
        own = self._releases.root.name
        return [described(inspect, self._image_names(inspect), hardening, own) for inspect in self._containers]

    def _image_names(self, inspect: Mapping[str, Any]) -> list[str]:
        return env_names((self._engine.image(inspect["Image"]).get("Config") or {}).get("Env"))

    def _images(self) -> list[dict[str, Any]]:
        found = []
        for identity in sorted({inspect["Image"] for inspect in self._containers}):
            inspect = self._engine.image(identity)
            if inspect:
                found += [as_fact(one) for one in cis_images.image_findings(inspect, self._engine.history(identity))]
        return found

    def _sockets(self) -> list[dict[str, Any]]:
        """Every listening socket with who holds it, and published ports, which need no socket of their own."""
        owners = sockets.owners()
        names = {inspect["Id"]: inspect["Name"].lstrip("/") for inspect in self._running}
        published = self._published()
        found = []
        for one in sockets.listeners():
            pid = owners.get(one.inode, 0)
            process = sockets.name(pid) if pid else ""
            _, leads_to = published.get((one.protocol, one.port), ("", ""))
            inside = leads_to if process == "docker-proxy" else names.get(sockets.container(pid), "")
            found.append(_socket(one.protocol, one.address, one.port, process, inside))
        seen = {(one["protocol"], one["port"]) for one in found}
        found += [
            _socket(protocol, address, port, "", name)
            for (protocol, port), (address, name) in published.items()
            if (protocol, port) not in seen
        ]
        return found

    def _published(self) -> dict[tuple[str, int], tuple[str, str]]:
        return {
            (protocol, port): (address or EVERYWHERE, inspect["Name"].lstrip("/"))
            for inspect in self._running
            for protocol, address, port in sockets.published((inspect.get("HostConfig") or {}).get("PortBindings") or {})
        }

    def _certificates(self) -> list[dict[str, Any]]:
        """What the edge serves for each site that it has a certificate of."""
        sites = sorted(
            path.stem for path in edge_drift.certificates(EdgePaths(audit_disk.own(self._root) / "edge")) if path.exists()
        )
        edge = next((one for one in self._running if labels_of(one).get(PROJECT) == "edge"), None)
        bindings = ((edge or {}).get("HostConfig") or {}).get("PortBindings") or {}
        places = sockets.published({HTTPS: bindings.get(HTTPS)})
        return [_served(site, port) for site in sites for _, _, port in places]

    def _start(self, connections: Sequence[Mapping[str, Any]], timeout: float) -> list[tuple[Any, ...]]:
        """Trials from this host and from one replica of each service, all at the same time."""
        if not connections:
            return []
        targets = [reach.Target(one["host"], one["port"], one.get("address") or "") for one in connections]
        places: dict[str, reach.Namespace | None] = {"": None}
        for inspect in self._running:
            labels = labels_of(inspect)
            if labels.get(PROJECT) == self._releases.root.name and labels.get(ONEOFF) != "True":
                namespace = reach.Namespace(inspect["State"]["Pid"], inspect["ResolvConfPath"], inspect["HostsPath"])
                places.setdefault(labels.get(SERVICE, inspect["Name"]), namespace)
        return [(service, connections, reach.Trial(targets, timeout, namespace).start()) for service, namespace in places.items()]


def _proofs(service: str, connections: Sequence[Mapping[str, Any]], trial: reach.Trial) -> list[dict[str, Any]]:
    return [
        {"from": service, "name": one["name"], "host": one["host"], "port": one["port"], "wanted": one["wanted"], **result}
        for one, result in zip(connections, trial.results(), strict=True)
    ]


def _served(site: str, port: int) -> dict[str, Any]:
    found: dict[str, Any] = {"site": site, "port": port, "pem": "", "protocols": {}, "trouble": ""}
    try:
        found["pem"] = tls_probe.certificate("127.0.0.1", port, site, TLS_SECONDS)
    except OSError as exc:
        return {**found, "trouble": str(exc)}
    return {**found, "protocols": tls_probe.protocols("127.0.0.1", port, site, TLS_SECONDS)}


def _socket(protocol: str, address: str, port: int, process: str, container: str) -> dict[str, Any]:
    return {"protocol": protocol, "address": address, "port": port, "process": process, "container": container}


def _mapping(path: Path) -> dict[str, Any]:
    """What a JSON file holds; nothing when it is missing or broken."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(errors="replace")
    return ""
