# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One stack on this host: reads releases, observes the engine and the edge, and hands both to planner and executor."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import ConfigError, DeployError, missing_library
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import OVERRIDE
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import data as compose_data
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import defaults, hardening, precautions
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import jobs as compose_jobs
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import model as compose_model
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import rules as compose_rules
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.contents import LookingStore
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.file_mounts import Sources
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.precautions import Here
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.project_mounts import ProjectMounts
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import haproxy, route_options, served
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import networks as edge_networks
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import state as edge_state
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.admission import Edge
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.configuration import EdgeConfiguration
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths, edge_settings
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.validation import validate_edge
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.compose_command import Compose
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.engine import Engine
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.one_offs import OneOffs
from ansible_collections.morpheus.deploy.plugins.module_utils.health import gate
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import Endpoint
from ansible_collections.morpheus.deploy.plugins.module_utils.health.seen import Health
from ansible_collections.morpheus.deploy.plugins.module_utils.host import as_users
from ansible_collections.morpheus.deploy.plugins.module_utils.host.names import next_names, taken
from ansible_collections.morpheus.deploy.plugins.module_utils.host.target import Target
from ansible_collections.morpheus.deploy.plugins.module_utils.host.through import Through
from ansible_collections.morpheus.deploy.plugins.module_utils.release import project_drift, project_files, variable_secrets
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.release.workspace import Workspace
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.plan import plan
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import Action, Step
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica, stack_network
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack
from ansible_collections.morpheus.deploy.plugins.module_utils.words import openly, said


class StackHost:
    def __init__(self, stack: str, client: Any, edge_root: Path = EDGE_ROOT, releases: Releases | None = None) -> None:
        if gate.import_error:
            raise missing_library("jmespath")
        self.stack = stack
        self.releases = releases or Releases(stack)
        said.know_directory(self.releases.secrets)
        self.engine = Engine(client, stack, stack_network(stack))
        self.one_offs = OneOffs(client, stack)
        # Of jobs that run on one host: whether on this one, and which have ended well for the release on another.
        self.runs_jobs = True
        self.jobs_done: Collection[str] = ()
        # The lock of the rollout at work, which the commands that it starts must keep too.
        self.hold: list[int] = []
        self.releases.running = self.engine.witnesses
        self.edge_paths = EdgePaths(edge_root)
        self._settings = edge_settings(self.edge_paths)
        self._edge_engine = Engine(client, edge_state.PROJECT)
        self.through = Through(stack, self.engine)

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
        additions = defaults.beside_hardening(manifest.stack, found)
        model = hardening.applied(found, additions)
        ending = compose_jobs.names(found["services"], manifest.stack.jobs)

        def locate(path: Path) -> Path:
            inside = path == self.releases.project or self.releases.project in path.parents
            return workspace.files / path.relative_to(self.releases.project) if inside else path

        key = self.releases.key(create_key)
        fingerprints = compose_model.Fingerprints(model, self.releases.project, key, locate, workspace.given())
        ground = self.ground(manifest.stack, workspace)
        desired = compose_model.desired_services(model, images, manifest.stack.ports, fingerprints, section, ground, ending)
        desired = [replace(one, due=self._is_due(manifest, one.name)) if one.job else one for one in desired]
        data = self.mounts(manifest.stack, workspace).data(model)
        return Target(manifest.release, manifest.stack, workspace, model, desired, additions, data)

    def _is_due(self, manifest: Manifest, job: str) -> bool:
        here = manifest.stack.job(job).hosts == "each" or (self.runs_jobs and job not in self.jobs_done)
        return here and self.releases.lineage().is_due(manifest.id, job)

    def ground(self, stack: Stack, workspace: Workspace) -> compose_data.Ground:
        """What tells a service's data from the release's files."""
        return compose_data.Ground.of(stack, workspace.shipped(), [str(self.releases.project)])

    def model(self, stack: Stack, workspace: Workspace) -> dict[str, Any]:
        """What Compose makes of the files, with the paths that they will have in the project directory.

        ConfigError when it may not run. What it asks of the host is judged when it is prepared: see hardening_here.
        """
        model = self.resolved(stack, workspace)
        routed = stack.routed
        problems = [
            problem
            for name, service in compose_model.services(model).items()
            for problem in compose_rules.problems(name, service, routed=name in routed)
        ]
        if problems:
            raise ConfigError(problems)
        return self.mounts(stack, workspace).resolved(model)

    def mounts(self, stack: Stack, workspace: Workspace, live_files: Collection[str] = ()) -> ProjectMounts:
        sources = Sources.of(stack, workspace.shipped(), live_files)
        return ProjectMounts(sources, self.releases.project, self.releases.live_files.root, self.releases.contents)

    def resolved(self, stack: Stack, workspace: Workspace) -> dict[str, Any]:
        """The same, unchecked."""
        return self._in_project(self._compose(stack, workspace).model(), stack, workspace)

    def written(self, stack: Stack, workspace: Workspace) -> dict[str, Any]:
        """The same with variables and env files unread."""
        return self._in_project(self._compose(stack, workspace).written(), stack, workspace)

    def _compose(self, stack: Stack, workspace: Workspace) -> Compose:
        files = workspace.compose_files(stack.compose_files)
        return Compose(self.stack, workspace.files, files, workspace.variables, (), stack.profiles)

    def _in_project(self, found: Mapping[str, Any], stack: Stack, workspace: Workspace) -> dict[str, Any]:
        text = json.dumps(found).replace(str(workspace.files), str(self.releases.project))
        model: dict[str, Any] = json.loads(text)
        # Not what runs on other hosts alone.
        for name in stack.elsewhere:
            (model.get("services") or {}).pop(name, None)
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
        if target is None:
            return Edge(self.stack, self._configuration(), (), {}, 0)
        return Edge(self.stack, self._configuration(), target.routed, target.routes, target.most, target.workspace.users)

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
            drain_seconds=target.stack.drain_seconds,
            replace_created_before=replace_created_before,
            routing=edge.routing(),
        )

    def require_routes(self, stack: Stack) -> None:
        """Raise what is wrong with the routes of ``stack``: EdgeError when one of them leads to another stack of this host."""
        problems = [
            problem
            for number, service in enumerate(stack.services)
            for problem in route_options.all_problems(f"stack.services[{number}]", service.routes)
        ]
        if problems:
            raise ConfigError(problems)
        wanted = haproxy.stack_routes(stack.services)
        if stack.has_route_options:
            route_options.require_known(self.edge_paths)
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
            names = next_names(self.stack, target, observed, counts)
            squatters = sorted(names & self.engine.others().keys())
            if squatters:
                raise DeployError(taken(squatters))

    def unanswered(self, target: Target, observed: Sequence[Replica], edge: Edge) -> dict[str, str]:
        """See served.unanswered."""
        return served.unanswered(target, observed, edge, self.users(target), self.scheme(target))

    def users(self, target: Target) -> list[Endpoint]:
        """See as_users.endpoints."""
        return as_users.endpoints(target, self.edge_paths)

    def scheme(self, target: Target) -> str:
        """See as_users.scheme."""
        return as_users.scheme(target.stack, self.edge_paths)

    def ask_edge(self, target: Target, guard: Callable[[], None]) -> Health:
        """See as_users.public_check."""
        return as_users.public_check(target, self.edge_paths, guard)

    def damage(self, manifest: Manifest, target: Target, edge: Edge) -> list[str]:
        """Of the live release: files that Compose, containers or HAProxy read and that are not as they should be."""
        looking = LookingStore(self.releases.contents.root)
        mounts = replace(self.mounts(target.stack, target.workspace), store=looking)
        placed = mounts.overrides(target.model, target.workspace.shipped())
        found = project_drift.project(self.releases, manifest, looking.differing, placed.inline, target.model, target.desired)
        differing = [self.edge_paths.conf / name for name in edge.differences()]
        found += self.through.troubles(target.stack.egress)
        return [*found, *(f"{path} is not as the live release and what is admitted have it" for path in differing)]

    def compose(self, target: Target) -> Compose:
        """Compose in the project directory, which must hold the target's files (Releases.activate)."""
        names = project_files.composed(self.releases.project, target.stack.compose_files)
        files = [self.releases.project / name for name in names]
        variables = target.workspace.variables
        return Compose(self.stack, self.releases.project, files, variables, self.hold, target.stack.profiles)

    def write_override(self, target: Target, identity: str, pinned: Mapping[str, str]) -> None:
        """What compose_model.override says, and the files that it mounts; and an .env, so that people can type docker compose."""
        # The fingerprints of the target are kept from here on, and so is their key.
        self.releases.key(create=True)
        mounts = self.mounts(target.stack, target.workspace)
        placed = mounts.overrides(target.model, target.workspace.shipped())
        override = compose_model.override(target.model, target.desired, pinned, target.labels(identity), target.additions, placed)
        as_ever = project_files.as_ever(self.releases.project, target.desired)
        given = variable_secrets.place(self.releases.values, target.model, target.workspace.given(), as_ever)
        text = json.dumps(OVERRIDE.numbered({**override, **given}), indent=2, sort_keys=True).replace("$", "$$") + "\n"
        write_atomically(self.releases.project / "override.json", text, mode=0o644)
        project_files.write_inline(self.releases.project, placed.inline, given.get("secrets", ()))
        interpolation = target.workspace.interpolation.read_text()
        generated = project_files.by_hand(self.releases.project, target.stack, target.workspace, interpolation, self.stack)
        for name, content in generated.items():
            write_atomically(self.releases.project / name, content, mode=0o644)
        if project_files.BY_HAND not in generated:
            (self.releases.project / project_files.BY_HAND).unlink(missing_ok=True)

    def _configuration(self) -> EdgeConfiguration:
        return EdgeConfiguration(self.edge_paths, self._validate)

    def _validate(self, candidate: Path) -> str:
        edge_state.require(self.edge_image_trouble())
        return validate_edge(self.engine, self._settings, candidate)
