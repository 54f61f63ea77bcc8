# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""One stack on this host: reads releases, observes the engine and the edge, and hands both to planner and executor."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import leftovers
from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import (
    ConfigError,
    DeployError,
    EdgeError,
    missing_library,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import OVERRIDE
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import data as compose_data
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import hardening, precautions
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import model as compose_model
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import rules as compose_rules
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.contents import LookingStore
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.file_mounts import ProjectMounts, Sources
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.precautions import Here
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import haproxy, own_edge, routes, served
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import networks as edge_networks
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import state as edge_state
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.admission import (
    EDGE_ROOT,
    HAPROXY_DIRECTORY,
    Edge,
    EdgeConfiguration,
    EdgePaths,
    edge_settings,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.engine import (
    FINGERPRINT,
    PARTS,
    PORT,
    RELEASE,
    Compose,
    Engine,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.one_offs import OneOffs
from ansible_collections.morpheus.deploy.plugins.module_utils.health import gate
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import (
    Answer,
    Clock,
    Condemned,
    Endpoint,
    Expectation,
    Gate,
    Health,
    Rules,
    SystemClock,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.health.http import HttpProbe
from ansible_collections.morpheus.deploy.plugins.module_utils.health.user_errors import Answered
from ansible_collections.morpheus.deploy.plugins.module_utils.release import project_drift, project_files
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import (
    Manifest,
    Releases,
    Rights,
    Workspace,
    place_files,
    place_secret,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.cut import Count
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.execute import Busy
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.plan import (
    Action,
    DesiredService,
    Order,
    Replica,
    State,
    Step,
    plan,
    stack_network,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.words import openly, said

HAPROXY_FILES = ("haproxy.cfg", "stacks")
# Without an HTTP health check Docker's verdict counts; a service without a healthcheck must at least keep running.
DOCKER_RULES = Rules(successes=2, interval_seconds=0.25, timeout_seconds=5.0, deadline_seconds=120.0)
NO_HEALTHCHECK_SECONDS = 3.0
PUBLIC_INTERVAL_SECONDS = 0.05


@dataclass(frozen=True)
class Target:
    """A release made ready to be compared with what runs: Compose's model and the services it asks for."""

    release: str
    stack: Mapping[str, Any]
    workspace: Workspace
    model: Mapping[str, Any]
    desired: list[DesiredService]
    # Service -> what hardens it, beside what its files say. Part of ``model`` already.
    additions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # Paths in the project directory that belong to the application.
    data: Collection[str] = ()

    @property
    def services(self) -> dict[str, Mapping[str, Any]]:
        return {service["name"]: service for service in self.stack["services"]}

    @property
    def routed(self) -> set[str]:
        return {service.name for service in self.desired if service.routed}

    @property
    def routes(self) -> dict[str, str]:
        """Key of each route (see haproxy.route_key) -> service."""
        return haproxy.stack_routes(self.stack["services"])

    def expectation(self, service: str) -> Expectation:
        health = self.services[service]["health"]
        return Expectation(health["status"], health["expect"], health["version"], self.release)


class StackHost:
    def __init__(self, stack: str, client: Any, edge_root: Path = EDGE_ROOT, releases: Releases | None = None) -> None:
        if gate.import_error:
            raise missing_library("jmespath")
        self.stack = stack
        self.releases = releases or Releases(stack)
        said.know_directory(self.releases.secrets)
        self.engine = Engine(client, stack, stack_network(stack))
        self.one_offs = OneOffs(client, stack)
        # The lock of the rollout at work, which the commands that it starts must keep too.
        self.hold: list[int] = []
        self.releases.running = self.engine.witnesses
        self.edge_paths = EdgePaths(edge_root)
        self._settings = edge_settings(self.edge_paths)
        self._edge_engine = Engine(client, edge_state.PROJECT)

    def target(
        self,
        manifest: Manifest,
        workspace: Workspace,
        *,
        images: Mapping[str, tuple[str, str]],
        model: Mapping[str, Any] | None = None,
        create_key: bool = False,
        section: str = "update_config",
    ) -> Target:
        """``images``: service -> (reference, identity), see compose_model.desired_services."""
        said.know_open(openly.of_manifest(manifest.as_dict()))
        found = model or self.model(manifest.stack, workspace)
        additions = hardening.additions(manifest.stack, found)
        model = hardening.applied(found, additions)
        ports = {service["name"]: service["port"] for service in manifest.stack["services"] if service["routes"]}

        def locate(path: Path) -> Path:
            inside = path == self.releases.project or self.releases.project in path.parents
            return workspace.files / path.relative_to(self.releases.project) if inside else path

        key = self.releases.key(create_key)
        fingerprints = compose_model.Fingerprints(model, self.releases.project, key, locate)
        ground = self.ground(manifest.stack, workspace)
        desired = compose_model.desired_services(model, images, ports, fingerprints, section, ground)
        data = self.mounts(manifest.stack, workspace).data(model)
        return Target(manifest.release, manifest.stack, workspace, model, desired, additions, data)

    def ground(self, stack: Mapping[str, Any], workspace: Workspace) -> compose_data.Ground:
        """What tells a service's data from the release's files."""
        return compose_data.Ground.of(stack, workspace.shipped(), [str(self.releases.project)])

    def model(self, stack: Mapping[str, Any], workspace: Workspace) -> dict[str, Any]:
        """What Compose makes of the files, with the paths that they will have in the project directory.

        ConfigError when it may not run. What it asks of the host is judged when it is prepared: see hardening_here.
        """
        model = self.resolved(stack, workspace)
        routed = {service["name"] for service in stack["services"] if service["routes"]}
        problems = [
            problem
            for name, service in compose_model.services(model).items()
            for problem in compose_rules.problems(name, service, routed=name in routed)
        ]
        if problems:
            raise ConfigError(problems)
        return self.mounts(stack, workspace).resolved(model)

    def mounts(self, stack: Mapping[str, Any], workspace: Workspace, live_files: Collection[str] = ()) -> ProjectMounts:
        sources = Sources.of(stack, workspace.shipped(), live_files)
        return ProjectMounts(sources, self.releases.project, self.releases.live_files.root, self.releases.contents)

    def resolved(self, stack: Mapping[str, Any], workspace: Workspace) -> dict[str, Any]:
        """The same, unchecked."""
        return self._in_project(self._compose(stack, workspace).model(), workspace)

    def written(self, stack: Mapping[str, Any], workspace: Workspace) -> dict[str, Any]:
        """The same with variables and env files unread."""
        return self._in_project(self._compose(stack, workspace).written(), workspace)

    def _compose(self, stack: Mapping[str, Any], workspace: Workspace) -> Compose:
        files = workspace.compose_files(stack["compose_files"])
        return Compose(self.stack, workspace.files, files, workspace.interpolation)

    def _in_project(self, found: Mapping[str, Any], workspace: Workspace) -> dict[str, Any]:
        text = json.dumps(found).replace(str(workspace.files), str(self.releases.project))
        model: dict[str, Any] = json.loads(text)
        return model

    def here(self, model: Mapping[str, Any], images: Mapping[str, str], live: Mapping[str, Any]) -> Here:
        """What the precautions look at. ``images``: service -> id of its new image; ``live``: see Here."""
        return Here(
            mounted=self.engine.mounted(),
            networks={name: found for name in precautions.names(model, "networks") if (found := self.engine.network(name))},
            volumes=self.volumes(model),
            declared={service: self.engine.declared_volumes(image) for service, image in images.items()},
            live=live,
        )

    def volumes(self, model: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        """Those that services of the project use and that are here: name -> as the engine inspects it."""
        return {name: found for name in precautions.names(model, "volumes") if (found := self.engine.volume(name))}

    def edge(self, target: Target | None) -> Edge:
        """The edge as it shall be with ``target``; without one the stack has nothing there."""
        desired = target.desired if target else []
        replicas = max((service.replicas for service in desired if service.routed), default=0)
        return Edge(self.stack, self._configuration(), target.routed if target else (), target.routes if target else {}, replicas)

    def observe(self, edge: Edge) -> list[Replica]:
        return self.engine.observe(edge.admitted())

    def look(self, edge: Edge | None) -> tuple[list[Replica], list[str]]:
        """The same, and in words what nobody can tell a replica. Without an edge none of them is admitted."""
        return self.engine.look(edge.admitted() if edge else set())

    def plan(
        self, target: Target, observed: Sequence[Replica], edge: Edge, replace_created_before: float | None = None
    ) -> list[Step]:
        """The steps that lead from what is observed, here and at the edge, to ``target``. DeployError when a route is taken."""
        return plan(
            target.desired,
            observed,
            drain_seconds=float(target.stack["drain_seconds"]),
            replace_created_before=replace_created_before,
            routing=edge.routing(),
        )

    def require_routes(self, stack: Mapping[str, Any]) -> None:
        """Raise what is wrong with the routes of ``stack``: EdgeError when one of them leads to another stack of this host."""
        problems = [
            problem
            for number, service in enumerate(stack["services"])
            for problem in routes.problems(f"stack.services[{number}]", service["routes"])
        ]
        if problems:
            raise ConfigError(problems)
        wanted = haproxy.stack_routes(stack["services"])
        if wanted:
            Edge(self.stack, self._configuration(), (), wanted, 0).routing()

    def edge_troubles(self) -> list[str]:
        """See edge_state.troubles."""
        return edge_state.troubles(self._edge_engine)

    def stack_troubles(self) -> list[str]:
        """See edge_networks.troubles."""
        return edge_networks.troubles(self._edge_engine, self.stack)

    def join_edge(self, target: Target) -> None:
        """Before any replica starts: it and the edge meet on a network that no other stack is on."""
        if target.routed:
            edge_networks.mark(self.edge_paths)
            edge_networks.join(self._edge_engine, self.stack)

    def edge_unfinished(self) -> str:
        """See edge_state.interrupted."""
        return edge_state.interrupted(self._edge_engine)

    def edge_image_trouble(self) -> list[str]:
        """Nothing serves worse without it, but the next change of the edge's configuration cannot be checked."""
        image = self._settings["image"]
        lost = self.engine.image(image) is None
        return [f"the edge's image {image} is not on this host any more, or has lost its name (docker rmi)"] if lost else []

    def require_ground(self, target: Target, observed: Sequence[Replica], steps: Sequence[Step]) -> None:
        """Raise DeployError when the edge, or a container that has the name of a candidate, would make ``steps`` fail."""
        starts = {step.service for step in steps if step.action is Action.START}
        if target.routed:
            edge_state.require_whole(self._edge_engine)
            edge_state.require(self.edge_troubles())
            edge_networks.require_own(self._edge_engine, self.stack)
        if starts:
            counts = {
                name: sum(step.count for step in steps if step.service == name and step.action is Action.START) for name in starts
            }
            names = _next_names(self.stack, target, observed, counts)
            squatters = sorted(names & self.engine.others().keys())
            if squatters:
                raise DeployError(_taken(squatters))

    def unanswered(self, target: Target, observed: Sequence[Replica], edge: Edge) -> dict[str, str]:
        """See served.unanswered."""
        return served.unanswered(target, observed, edge, self.users(target))

    def users(self, target: Target) -> list[Endpoint]:
        """How users ask: the stack's public check, or every route at this host's own edge."""
        check = target.stack.get("public_check")
        if check:
            expectation = Expectation(version=check["version"], release=target.release)
            return [served.public(check, own_edge.endpoint("edge", self.edge_paths, check, expectation))]
        if not target.routes:
            return []
        own = own_edge.OwnEdge.of(self.edge_paths)
        return [served.route(key, own.https if own.tls else own.http, tls=own.tls) for key in sorted(target.routes)]

    def ask_edge(self, target: Target, guard: Callable[[], None]) -> Health:
        """What the stack's public check sees at this host's own edge; the connection goes to this machine, whatever DNS says."""
        check = target.stack["public_check"]
        expectation = Expectation(version=check["version"], release=target.release)
        try:
            endpoint = own_edge.endpoint("edge", self.edge_paths, check, expectation)
        except EdgeError as exc:
            return Health("edge", check["url"], violation=str(exc))
        rules = Rules(check["successes"], PUBLIC_INTERVAL_SECONDS, deadline_seconds=check["deadline_seconds"])

        def give_up(_: Endpoint) -> str:
            guard()
            return ""

        return Gate(rules, HttpProbe(), SystemClock(), give_up).wait([endpoint])[0]

    def damage(self, manifest: Manifest, target: Target, edge: Edge) -> list[str]:
        """Of the live release: files that Compose, containers or HAProxy read and that are not as they should be."""
        found = project_drift.project(self.releases, manifest, self._lost_contents(target))
        differing = [self.edge_paths.conf / name for name in edge.differences()]
        return [*found, *(f"{path} is not as the live release and what is admitted have it" for path in differing)]

    def _lost_contents(self, target: Target) -> list[Path]:
        """What services mount of the release in the content store and does not lie there as it should."""
        looking = LookingStore(self.releases.contents.root)
        mounts = replace(self.mounts(target.stack, target.workspace), store=looking)
        mounts.overrides(target.model, target.workspace.shipped())
        return looking.differing

    def compose(self, target: Target) -> Compose:
        """Compose in the project directory, which must hold the target's files (Releases.activate)."""
        names = [*target.stack["compose_files"], "override.json"]
        files = [self.releases.project / name for name in names]
        return Compose(self.stack, self.releases.project, files, self._interpolation, self.hold)

    def write_override(self, target: Target, identity: str, pinned: Mapping[str, str]) -> None:
        """What compose_model.override says, and the files that it mounts; and an .env, so that people can type docker compose."""
        # The fingerprints of the target are kept from here on, and so is their key.
        self.releases.key(create=True)
        labels = {
            service.name: {
                FINGERPRINT: service.fingerprint,
                PARTS: json.dumps(dict(service.parts), sort_keys=True),
                RELEASE: identity,
                **({PORT: str(service.port)} if service.routed else {}),
            }
            for service in target.desired
        }
        mounts = self.mounts(target.stack, target.workspace)
        placed = mounts.overrides(target.model, target.workspace.shipped())
        override = compose_model.override(target.model, target.desired, pinned, labels, target.additions, placed)
        text = json.dumps(OVERRIDE.numbered(override), indent=2, sort_keys=True).replace("$", "$$") + "\n"
        write_atomically(self.releases.project / "override.json", text, mode=0o644)
        interpolation = target.workspace.interpolation.read_text()
        variables = project_files.environment(interpolation, self.stack, target.stack["compose_files"])
        write_atomically(self._interpolation, variables, mode=0o644)

    @property
    def _interpolation(self) -> Path:
        return self.releases.project / ".env"

    def _configuration(self) -> EdgeConfiguration:
        return EdgeConfiguration(self.edge_paths, self._validate)

    def _validate(self, candidate: Path) -> str:
        edge_state.require(self.edge_image_trouble())
        return validate_edge(self.engine, self._settings, candidate)


def _next_names(stack: str, target: Target, observed: Sequence[Replica], counts: Mapping[str, int]) -> set[str]:
    """Names that Compose may give to the candidates of services (``counts``: how many), which it numbers upwards."""
    found = set()
    for service in (one for one in target.desired if one.name in counts):
        fixed = target.model.get("services", {}).get(service.name, {}).get("container_name")
        numbers = [one.number for one in observed if one.service == service.name]
        # What goes first may take the highest number along.
        first = (
            1
            if service.policy.order is Order.STOP_FIRST
            else 1
            + max((one.number for one in observed if one.service == service.name and one.state is not State.DEAD), default=0)
        )
        last = max(numbers, default=0) + counts[service.name]
        found |= {fixed} if fixed else {f"{stack}-{service.name}-{number}" for number in range(first, last + 1)}
    return found


def _taken(names: Sequence[str]) -> str:
    listed, first = ", ".join(names), names[0]
    what = (
        f"the container {listed} has the name that a new replica gets"
        if len(names) == 1
        else f"the containers {listed} have the names that new replicas get"
    )
    return (
        f"{what}, and is none of this stack's replicas. On this host: docker rename {first} {first}-other, or, when nobody needs "
        f"it, docker rm -f {first}; then run this again. Nothing was changed"
    )


def validate_edge(engine: Engine, settings: Mapping[str, str], candidate: Path) -> str:
    """What HAProxy, in the very image that runs, says against a configuration directory; empty when it accepts it."""
    command = ["haproxy", "-c", *(part for name in HAPROXY_FILES for part in ("-f", f"{HAPROXY_DIRECTORY}/{name}"))]
    code, output = engine.run_tool(settings["image"], command, {candidate: HAPROXY_DIRECTORY}, settings["user"])
    alerts = [line.split(" : ", 1)[-1] for line in output.splitlines() if "[ALERT]" in line]
    return "" if code == 0 else "; ".join(alerts[:3]) or output


@contextmanager
def scratch(
    release: str,
    environment: str,
    files: Mapping[str, bytes],
    secrets: Mapping[str, str],
    rights: Mapping[str, Rights] | None = None,
    executable: Collection[str] = (),
) -> Iterator[Workspace]:
    """A workspace in memory that is gone afterwards: what may yet be refused leaves no trace."""
    with leftovers.directory(leftovers.memory(), leftovers.PREPARING) as directory:
        for name, content in secrets.items():
            place_secret(directory / "secrets" / name, content, (rights or {}).get(name, Rights()))
        (directory / "secrets").mkdir(exist_ok=True)
        yield place_files(directory, release, environment, files, directory / "secrets", executable)


@dataclass(frozen=True)
class HostEngine:
    """execute.EngineVerbs on the real engine."""

    host: StackHost
    compose: Compose
    edge: Edge

    def observe(self) -> list[Replica]:
        return self.host.observe(self.edge)

    def start(self, service: str, total: int) -> None:
        self.compose.scale_up(service, total)

    def stop(self, replicas: Sequence[Replica], grace_seconds: float | None) -> None:
        self.host.engine.stop(replicas, grace_seconds)

    def remove(self, replicas: Sequence[Replica]) -> None:
        self.host.engine.remove(replicas)

    def last_words(self, replica: Replica) -> str:
        return self.host.engine.last_words(replica)

    def ended_at(self, replica: Replica) -> float | None:
        return self.host.engine.ended_at(replica)


@dataclass(frozen=True)
class HostEdge:
    """execute.EdgeVerbs on the real edge."""

    host: StackHost
    edge: Edge
    # Service -> port of replicas that do not say it, because an older version started them.
    ports: Mapping[str, int] = field(default_factory=dict)

    def admit(self, service: str, replicas: Sequence[Replica]) -> None:
        if replicas:
            addresses = self.host.engine.addresses(replicas)
            places = {replica.name: haproxy.Place(addresses[replica.name], replica.port) for replica in replicas}
            self.edge.admit(service, places, self.ports.get(service, 0))

    def routes(self) -> dict[str, str]:
        return self.edge.routes()

    def route(self, routes: Mapping[str, str]) -> None:
        self.edge.route(routes)

    def drain(self, service: str, replicas: Sequence[Replica]) -> None:
        self.edge.drain(service, [replica.name for replica in replicas])

    def forget(self, service: str, replicas: Sequence[Replica]) -> None:
        self.edge.forget(service, [replica.name for replica in replicas])

    def busy(self, service: str, replica: Replica) -> Busy:
        requests, tunnels = self.edge.load(service, replica.name)
        return Busy(requests.sessions, tunnels.sessions, self.edge.may_come(service, replica.name))

    def counts(self, service: str, replica: Replica) -> dict[int, Count]:
        return {
            pid: Count(requests.sessions, tunnels.sessions, requests.broken_off)
            for pid, (requests, tunnels) in self.edge.load_by_worker(service, replica.name).items()
        }

    def answered(self, service: str, names: Sequence[str]) -> dict[str, Answered]:
        return {name: Answered(load.answers, load.bad_answers) for name, load in self.edge.answered(service, names).items()}


@dataclass
class HostGate:
    """execute.GateVerbs: asks each replica at its own address, by HTTP or, without a health check of ours, Docker."""

    host: StackHost
    target: Target
    clock: Clock
    guard: Callable[[], None] = lambda: None
    probe: HttpProbe = field(default_factory=HttpProbe)
    # When the run began, by the clock that dates containers; and container -> how often the engine had restarted it at its gate.
    since: float = field(default_factory=time.time)
    restarts: dict[str, int] = field(default_factory=dict)

    def wait(self, service: str, replicas: Sequence[Replica]) -> list[Health]:
        for replica in replicas:
            # What this run has started must never have ended; what it found may have, long ago.
            found = replica.created < int(self.since)
            self.restarts[replica.id] = self.host.engine.restarts(replica) if found else 0
        return self._gate(service, replicas).wait(self._endpoints(service, replicas))

    def watch(self, service: str, replicas: Sequence[Replica], seconds: float, condemned: Condemned) -> list[Health]:
        return self._gate(service, replicas).watch(self._endpoints(service, replicas), seconds, condemned)

    def _gate(self, service: str, replicas: Sequence[Replica]) -> Gate:
        by_name = {replica.name: replica for replica in replicas}

        def give_up(endpoint: Endpoint) -> str:
            self.guard()
            replica = by_name[endpoint.name]
            return self.host.engine.failure(replica, self.restarts.get(replica.id, 0))

        def docker_verdict(endpoint: Endpoint, timeout: float) -> Answer:
            return self._docker_verdict(by_name[endpoint.name])

        health = self._health(service)
        if not health:
            return Gate(DOCKER_RULES, docker_verdict, self.clock, give_up)
        names = ("successes", "interval_seconds", "timeout_seconds", "deadline_seconds")
        return Gate(Rules(**{name: health[name] for name in names}), self.probe, self.clock, give_up)

    def _endpoints(self, service: str, replicas: Sequence[Replica]) -> list[Endpoint]:
        health = self._health(service)
        if not health:
            return [Endpoint(replica.name, f"docker://{replica.name}/health") for replica in replicas]
        addresses = self.host.engine.addresses(replicas)
        port = self.target.services[service]["port"]
        return [
            Endpoint(name, f"http://{address}:{port}{health['path']}", expectation=self.target.expectation(service))
            for name, address in addresses.items()
        ]

    def _health(self, service: str) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self.target.services.get(service, {}).get("health")
        return found

    def _docker_verdict(self, replica: Replica) -> Answer:
        verdict = self.host.engine.health(replica)
        if not verdict and time.time() - replica.created < NO_HEALTHCHECK_SECONDS:
            verdict = "running for too short a time to tell (it has no healthcheck)"
        good = verdict in ("healthy", "")
        return Answer(0.0, 200 if good else 503, b"" if good else verdict.encode())
