# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepare a release on a host: everything a rollout will need is here, checked, before any container is touched."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import clock, leftovers, meminfo
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import ConfigError, DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import spoken
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import hardening
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import jobs as compose_jobs
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import served
from ansible_collections.morpheus.deploy.plugins.module_utils.host import hardening_here
from ansible_collections.morpheus.deploy.plugins.module_utils.host import images as local_images
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.host.retention import remove_images
from ansible_collections.morpheus.deploy.plugins.module_utils.host.stale import as_ever, seen
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.harm import (
    check_declared,
    check_mounts,
    take_precautions,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.jobs import Jobs
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.live import bring
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.migrations import Migrations
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.room import beside
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.usable import images_of
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.wanted import Wanted
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.wanted_images import WantedImages, refuse_foreign
from ansible_collections.morpheus.deploy.plugins.module_utils.release import project_drift
from ansible_collections.morpheus.deploy.plugins.module_utils.release.applied import accepted_edits
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.scratch import scratch
from ansible_collections.morpheus.deploy.plugins.module_utils.release.workspace import Workspace
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import Action, Step
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack


@dataclass(frozen=True)
class Prepared:
    """What ``prepare`` found and did. ``plan`` is what a rollout of this release would do now."""

    id: str
    live: str
    is_new: bool
    changed_secrets: list[str]
    changed_live_files: list[str]
    images: Mapping[str, Mapping[str, str]]
    steps: list[Step]
    replicas: list[Replica]
    # Whether this host has run the release before, so that its images are the ones that every host must use.
    was_live: bool
    # Whether an earlier rollout on this host was killed, so that its end is still to be written down.
    resumes: bool = False
    # Of the live release: files that Compose, containers or the edge read, and that are not as they should be, a sentence each.
    damage: list[str] = field(default_factory=list)
    # Of the live release: secrets that somebody changed on the host, put right where replicas have them mounted.
    put_right: list[str] = field(default_factory=list)
    # Versions of the schema that the release brings, when this host's lineage already knows of them; else none, so that the
    # migration tells it.
    versions: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    # Jobs of this release that are yet to be run on one host, which is this one; and those that have ended well for it here.
    jobs: list[str] = field(default_factory=list)
    jobs_done: list[str] = field(default_factory=list)
    # Flags that this host has and that stay, because those that the release came with are older.
    newer_flags: bytes = b""
    # Why a deploy would be refused here, where somebody asks for all of it.
    refusals: list[str] = field(default_factory=list)

    @property
    def pending(self) -> bool:
        """Whether a rollout of this release would do anything."""
        return bool(self.steps or self.damage) or self.live != self.id or self.resumes

    @property
    def changed(self) -> bool:
        return self.is_new or bool(self.changed_secrets or self.changed_live_files)


@spoken()
def prepare(
    host: StackHost,
    wanted: Wanted,
    migrations: Migrations,
    *,
    check_mode: bool,
    memory_free_mb: int = 0,
    refusals: list[str] | None = None,
) -> Prepared:
    """Bring images and files of ``wanted`` to this host. Nothing of what runs is touched, and on failure nothing is left.

    In check mode nothing is pulled either: an image that is not here yet counts as a changed one. ``memory_free_mb``: what must
    be left of the memory while a replica starts beside the one that it replaces. ``refusals``: gets, in check mode, why images,
    disk or memory do not suffice, where otherwise the first reason is raised.
    """
    releases = host.releases
    swept = [] if check_mode else _sweep(host)
    identity = wanted.id
    kept = releases.read(identity) if releases.has(identity) else None
    retained = kept.images if kept else None
    lineage = releases.lineage()
    lost = [problem] if identity in lineage.fates and (problem := releases.problem(identity)) else []
    migration = wanted.stack.migration
    accepted = accepted_edits(releases, lineage, migration, wanted.files) if migration else {}
    # Whichever host it is at work on, none may start a second one.
    waited_for = migrations.settle(migration, identity, look_only=check_mode) if migration else []
    # What was live once keeps its very images; what never was follows its tag, which may have been pushed again.
    known = retained or {} if identity in lineage.trail else {}
    with scratch(wanted.release, wanted.environment, wanted.files, wanted.secrets, wanted.rights, wanted.executable) as workspace:
        model = host.model(wanted.stack, workspace)
        host.require_routes(wanted.stack)
        check_declared(wanted.stack, model, workspace.given())
        variables = {**wanted.stack.variables, "STACK_RELEASE": wanted.release, "STACK_ENVIRONMENT": wanted.environment}
        if asked := hardening_here.problems(host, wanted.stack, workspace, model, variables):
            raise ConfigError(asked)
        check_mounts(host, wanted, workspace, model)
        jobs = Jobs(releases, host.one_offs, migrations)
        ending = compose_jobs.names(model["services"], wanted.stack.jobs)
        waited_for += jobs.settle(wanted.stack, ending, identity, look_only=check_mode)
        lineage.jobs = releases.lineage().jobs
        finder = WantedImages(host, wanted, known, lineage.live, refusals)
        images = finder.find(references(model, wanted.stack), pull=not check_mode)
        if any(images[name] != known[name] for name in images.keys() & known.keys()):
            raise DeployError(_other_digests(identity, known, images))
        refuse_foreign(host.engine, model, images)
        restored = [] if check_mode else local_images.restore(host.engine, images.values())
        hardened = hardening.applied(model, hardening.additions(wanted.stack, model))
        left_behind = take_precautions(host, wanted, workspace, hardened, images, lineage)
        broken = project_drift.kept(releases, releases.read(identity)) if retained is not None else []
        is_new = images != retained or bool(broken)
        manifest = Manifest(
            id=identity,
            release=wanted.release,
            environment=wanted.environment,
            stack=wanted.stack,
            images=images,
            created=clock.utc(time.time()),
            git_sha=wanted.git_sha,
            config_hash=wanted.config_hash,
            secrets=wanted.secret_names,
            schema=wanted.schema,
        )
        changed_secrets = releases.changed_secrets(wanted.secrets, wanted.rights)
        found = _preview(host, manifest, workspace, model, check_mode, lineage.live, changed_secrets)
        steps, replicas = found.steps, found.replicas
        memory, needed = meminfo.read(), beside(host.engine, steps, replicas, model)
        problem = needed.shortage(memory, memory_free_mb)
        if problem and refusals is None:
            raise DeployError(problem)
    if not check_mode:
        releases.write_secrets(wanted.secrets, wanted.rights, found.put_right)
    brought = bring(releases, wanted, check_mode=check_mode)
    if not check_mode:
        if is_new:
            releases.write_files(identity, wanted.release, wanted.environment, wanted.files, wanted.executable)
            releases.write_manifest(manifest)
            lineage.prepared(identity)
            lineage.schema.applied(accepted)
        if is_new or releases.is_recalled:
            releases.write_lineage(lineage)
        if kept and images != retained:
            left_behind += _let_go(host, kept)
    return Prepared(
        id=identity,
        live=lineage.live,
        is_new=is_new,
        changed_secrets=changed_secrets,
        changed_live_files=brought.changed,
        images=images,
        steps=steps,
        replicas=replicas,
        was_live=bool(known),
        resumes=lineage.rolling is not None,
        damage=found.damage,
        put_right=found.put_right if identity == lineage.live else [],
        versions=wanted.versions if manifest.schema and lineage.schema.knows(manifest.schema) else [],
        jobs=[one.service for one in steps if one.action is Action.RUN and wanted.stack.job(one.service).hosts == "one"],
        jobs_done=lineage.jobs.get(identity, []),
        newer_flags=brought.flags,
        warnings=[
            *hardening.warnings(wanted.stack, model),
            *swept,
            *finder.warnings,
            *restored,
            *left_behind,
            *waited_for,
            *lost,
            *broken,
            *found.damage,
            *brought.kept,
            *filter(None, [needed.doubt(memory, memory_free_mb)]),
        ],
        refusals=[*(refusals or []), *filter(None, [problem])],
    )


def _let_go(host: StackHost, before: Manifest) -> list[str]:
    """Images of a release that was prepared and never live, whose tag was pushed again since: no manifest names them any more."""
    try:
        remove_images(host, [before])
    except DeployError as exc:
        return [f"could not remove the images that {before.id} was prepared with before: {exc}"]
    return []


def _sweep(host: StackHost) -> list[str]:
    """Take away what runs that were killed have left of secrets. A sentence for each."""
    return [
        *leftovers.sweep(leftovers.memory(), leftovers.PREPARING),
        *leftovers.sweep_halves(host.releases.secrets),
        *leftovers.sweep_halves(host.releases.values.secrets),
    ]


def _other_digests(identity: str, known: Mapping[str, Mapping[str, str]], images: Mapping[str, Mapping[str, str]]) -> str:
    changed = sorted({known[name]["reference"] for name in images if name in known and images[name] != known[name]})
    return (
        f"this host has run release {identity} with another content of {', '.join(changed)} than the run's other hosts have: "
        "a tag was pushed again. Give the build a tag of its own and deploy that"
    )


@dataclass(frozen=True)
class _Preview:
    """``put_right``: secrets to be written where replicas have them mounted. ``damage``: of the live release."""

    steps: list[Step]
    replicas: list[Replica]
    put_right: list[str]
    damage: list[str]


def _preview(
    host: StackHost,
    manifest: Manifest,
    workspace: Workspace,
    model: Mapping[str, Any],
    check_mode: bool,
    live: str,
    changed_secrets: Sequence[str],
) -> _Preview:
    target = host.target(manifest, workspace, images=images_of(manifest), model=model, create_key=not check_mode)
    edge = host.edge(target)
    replicas = seen(host.engine, target.desired, host.observe(edge))
    put_right = sorted(as_ever(target.desired, replicas) & {*changed_secrets})
    damage = []
    if manifest.id == live:
        damage = [f"{host.releases.secrets / name} is not as it was written" for name in put_right]
        damage += host.damage(manifest, target, edge)
    return _Preview(served.due(host, target, replicas, edge), replicas, put_right, damage)


def references(model: Mapping[str, Any], stack: Stack) -> dict[str, str]:
    """service -> image. Of those behind a profile that is off, which nobody starts, the migration's alone."""
    once = stack.migration.service if stack.migration else ""
    return {
        name: service["image"]
        for name, service in model["services"].items()
        if service.get("image") and (name == once or not service.get("profiles"))
    }


def running(replicas: list[Replica]) -> list[str]:
    """Lines for a diff: what runs of each service."""
    return [f"{replica.name} {replica.image} {replica.state.value}" for replica in replicas]
