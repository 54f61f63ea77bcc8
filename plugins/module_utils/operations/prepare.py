# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""Prepare a release on a host: everything a rollout will need is here, checked, before any container is touched."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import leftovers
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import (
    ConfigError,
    DeployError,
    EngineError,
    RegistryDownError,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import spoken
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import hardening, precautions
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import model as compose_model
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import rules as compose_rules
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.precautions import Here
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import served
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.images import Disk, Image
from ansible_collections.morpheus.deploy.plugins.module_utils.host import hardening_here
from ansible_collections.morpheus.deploy.plugins.module_utils.host import images as local_images
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.host.target import Target
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Lineage
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.migrations import Migrations
from ansible_collections.morpheus.deploy.plugins.module_utils.release import project_drift, schema_files
from ansible_collections.morpheus.deploy.plugins.module_utils.release.applied import accepted_edits
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest, config_hash, release_id, variables
from ansible_collections.morpheus.deploy.plugins.module_utils.release.scratch import scratch
from ansible_collections.morpheus.deploy.plugins.module_utils.release.secret_files import Rights
from ansible_collections.morpheus.deploy.plugins.module_utils.release.workspace import Workspace
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import Step
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

# What stands for the id of an image that check mode does not pull.
NOT_PULLED = "not pulled: "


@dataclass(frozen=True)
class Wanted:
    """A release as the controller describes it. ``files``, ``live_files`` and ``secrets``: relative path -> content.

    ``rights``: of secrets. ``executable``: those of the files that can be run.

    ``digests``: image reference -> digest that another host of this run has found; empty where each host may look itself.
    """

    release: str
    environment: str
    stack: Stack
    files: Mapping[str, bytes]
    secrets: Mapping[str, str]
    git_sha: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)
    rights: Mapping[str, Rights] = field(default_factory=dict)
    live_files: Mapping[str, bytes] = field(default_factory=dict)
    executable: Collection[str] = ()

    @property
    def secret_names(self) -> dict[str, list[str]]:
        return {name: variables(name, content) for name, content in self.secrets.items()}

    @property
    def config_hash(self) -> str:
        return config_hash(self.environment, self.stack, self.files, self.secret_names, self.executable)

    @property
    def id(self) -> str:
        return release_id(self.release, self.config_hash)

    @property
    def versions(self) -> list[str]:
        """Versions of the schema that its files bring, oldest first."""
        migration = self.stack.migration
        return schema_files.schema_versions(self.files, migration.directory) if migration else []

    @property
    def schema(self) -> dict[str, str]:
        versions, migration = self.versions, self.stack.migration
        return {"head": versions[-1], "compatible_since": migration.compatible_since} if versions and migration else {}


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
    # Versions of the schema that the release brings, when this host's lineage already knows of them; else none, so that the
    # migration tells it.
    versions: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def pending(self) -> bool:
        """Whether a rollout of this release would do anything."""
        return bool(self.steps or self.damage) or self.live != self.id or self.resumes

    @property
    def changed(self) -> bool:
        return self.is_new or bool(self.changed_secrets or self.changed_live_files)


@spoken()
def prepare(host: StackHost, wanted: Wanted, migrations: Migrations, *, check_mode: bool) -> Prepared:
    """Bring images and files of ``wanted`` to this host. Nothing of what runs is touched, and on failure nothing is left.

    In check mode nothing is pulled either: an image that is not here yet counts as a changed one.
    """
    releases = host.releases
    swept = [] if check_mode else _sweep(host)
    identity = wanted.id
    retained = releases.read(identity).images if releases.has(identity) else None
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
        _check_watches(wanted.stack, model)
        variables = {"STACK_RELEASE": wanted.release, "STACK_ENVIRONMENT": wanted.environment}
        if asked := hardening_here.problems(host, wanted.stack, workspace, model, variables):
            raise ConfigError(asked)
        _check_mounts(host, wanted, workspace, model)
        finder = _Images(host, wanted, known, lineage.live)
        images = finder.find(_references(model), pull=not check_mode)
        if known and images != known:
            raise DeployError(_other_digests(identity, known, images))
        restored = [] if check_mode else local_images.restore(host.engine, images.values())
        hardened = hardening.applied(model, hardening.additions(wanted.stack, model))
        left_behind = _take_precautions(host, wanted, workspace, hardened, images, lineage)
        broken = project_drift.kept(releases, releases.read(identity)) if retained is not None else []
        is_new = images != retained or bool(broken)
        manifest = Manifest(
            id=identity,
            release=wanted.release,
            environment=wanted.environment,
            stack=wanted.stack,
            images=images,
            created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            git_sha=wanted.git_sha,
            config_hash=wanted.config_hash,
            secrets=wanted.secret_names,
            schema=wanted.schema,
        )
        steps, replicas, damage = _preview(host, manifest, workspace, model, check_mode, lineage.live)
    changed_secrets = releases.changed_secrets(wanted.secrets, wanted.rights)
    live = wanted.stack.live_files, wanted.live_files, wanted.executable
    changed_live_files = releases.live_files.changed(*live)
    if not check_mode:
        releases.write_secrets(wanted.secrets, wanted.rights)
        releases.live_files.write(*live)
        if is_new:
            releases.write_files(identity, wanted.release, wanted.environment, wanted.files, wanted.executable)
            releases.write_manifest(manifest)
            lineage.prepared(identity)
            lineage.schema.applied(accepted)
        if is_new or releases.is_recalled:
            releases.write_lineage(lineage)
    return Prepared(
        id=identity,
        live=lineage.live,
        is_new=is_new,
        changed_secrets=changed_secrets,
        changed_live_files=changed_live_files,
        images=images,
        steps=steps,
        replicas=replicas,
        was_live=bool(known),
        resumes=lineage.rolling is not None,
        damage=damage,
        versions=wanted.versions if manifest.schema and lineage.schema.knows(manifest.schema) else [],
        warnings=[
            *hardening.warnings(wanted.stack, model),
            *swept,
            *finder.warnings,
            *restored,
            *left_behind,
            *waited_for,
            *lost,
            *broken,
            *damage,
        ],
    )


def _sweep(host: StackHost) -> list[str]:
    """Take away what runs that were killed have left of secrets. A sentence for each."""
    return [
        *leftovers.sweep(leftovers.memory(), leftovers.PREPARING),
        *leftovers.sweep_halves(host.releases.secrets),
    ]


def _check_watches(stack: Stack, model: Mapping[str, Any]) -> None:
    seconds = {one.name: one.health.failing_seconds for one in stack.services if one.health}
    services = compose_model.services(model)
    found = [one for name, service in services.items() for one in compose_rules.watch_problems(name, service, seconds.get(name))]
    if found:
        raise ConfigError(found)


def _check_mounts(host: StackHost, wanted: Wanted, workspace: Workspace, model: Mapping[str, Any]) -> None:
    """Refuse what would be written to and is shipped, and files that would hide the application's data from it."""
    mounts = host.mounts(wanted.stack, workspace)
    problems = mounts.problems(model)
    strangers = host.releases.strangers(wanted.stack, workspace.shipped(), mounts.contents(model), mounts.data(model))
    problems += [
        f"stack.files: {name} is shipped, and {host.releases.project / name} holds what no release brought there "
        f"({', '.join(found[:3])}{', ...' if found[3:] else ''}), which services would no longer see; move it elsewhere on this "
        f"host, or take {name} out of stack.files so that it stays the application's data"
        for name, found in strangers.items()
    ]
    if problems:
        raise ConfigError(problems)


def _take_precautions(
    host: StackHost,
    wanted: Wanted,
    workspace: Workspace,
    model: Mapping[str, Any],
    images: Mapping[str, Mapping[str, str]],
    lineage: Lineage,
) -> list[str]:
    """Raise ConfigError for what this release would do to data and networks that are here. What data it leaves behind."""
    # In check mode nobody knows what an image will declare that is not here yet.
    ids = {name: image["id"] for name, image in images.items() if not image["id"].startswith(NOT_PULLED)}
    here = host.here(model, ids, _live_model(host, wanted, lineage.live))
    problems = precautions.problems(model, host.ground(wanted.stack, workspace), here)
    problems += _lost_data(host, wanted.id, model, here, lineage)
    problems += hardening_here.strangers(wanted.stack, host.releases.root.name, model, here, hardening_here.routes())
    if problems:
        raise ConfigError(problems)
    return [
        f"the volume {name}, which {services} of the live release mounts, is mounted by no service of this one. It stays on this "
        f"host with its data; when no way back needs it any more: docker volume rm {name}"
        for name, services in sorted(precautions.left_behind(model, here.live).items())
        if host.engine.volume(name) is not None
    ]


def _lost_data(host: StackHost, identity: str, model: Mapping[str, Any], here: Here, lineage: Lineage) -> list[str]:
    """Volumes that this release needs, that it or the live one has had here, and that are gone: an empty one would hide it."""
    missing = precautions.missing_data(model, here.volumes)
    if not missing or identity in lineage.trail:
        return precautions.lost_data(missing)
    if lineage.live and host.releases.has(lineage.live):
        manifest = host.releases.read(lineage.live)
        # What cannot be read, because its secrets have gone since, cannot be compared.
        with suppress(EngineError, ConfigError, OSError):
            live = here.live or host.resolved(manifest.stack, host.releases.workspace(manifest.id))
            had = precautions.missing_data(live, here.volumes).values()
            return precautions.lost_data({key: name for key, name in missing.items() if name in had})
    return []


def require_harmless(host: StackHost, identity: str, target: Target, lineage: Lineage) -> None:
    """Raise ConfigError for what a release prepared before would do to what has come here since."""
    here = host.here(target.model, {}, {})
    problems = _lost_data(host, identity, target.model, here, lineage)
    problems += precautions.two_writers(target.model, host.ground(target.stack, target.workspace), here)
    problems += [str(one) for one in precautions.network_divergences(target.model, here) if one.stops]
    if problems:
        raise ConfigError(problems)


def _live_model(host: StackHost, wanted: Wanted, live: str) -> Mapping[str, Any]:
    """The project of the live release; empty where its Compose files are the same, so that Compose need not be asked."""
    if not (live and host.releases.has(live)):
        return {}
    manifest = host.releases.read(live)
    if project_drift.kept(host.releases, manifest):
        # What was lost cannot be compared.
        return {}
    stack, workspace = manifest.stack, host.releases.workspace(live)
    before = [(name, (workspace.files / name).read_bytes()) for name in stack.compose_files]
    if before == [(name, wanted.files[name]) for name in wanted.stack.compose_files]:
        return {}
    with suppress(EngineError):
        return host.resolved(stack, workspace)
    # Its secrets have gone since. Then only what the new files say themselves can be compared.
    return {}


def _other_digests(identity: str, known: Mapping[str, Mapping[str, str]], images: Mapping[str, Mapping[str, str]]) -> str:
    changed = sorted({known[name]["reference"] for name in images if name in known and images[name] != known[name]})
    return (
        f"this host has run release {identity} with another content of {', '.join(changed)} than the run's other hosts have: "
        "a tag was pushed again. Give the build a tag of its own and deploy that"
    )


def images_of(manifest: Manifest) -> dict[str, tuple[str, str]]:
    """service -> (reference, identity of the content), as compose_model.desired_services takes them."""
    return {name: (image["reference"], image["id"]) for name, image in manifest.images.items()}


def missing_images(host: StackHost, manifest: Manifest) -> list[str]:
    """References of the release's images that this host no longer has."""
    return sorted({image["reference"] for image in local_images.missing(host.engine, manifest.images.values())})


def require_images(host: StackHost, manifest: Manifest) -> None:
    """Raise EngineError, naming every image of ``manifest`` that this host no longer has."""
    missing = missing_images(host, manifest)
    if missing:
        raise EngineError(
            f"this host has lost {', '.join(missing)}, which release {manifest.id} needs; "
            "deploy that release again to pull it, or choose another one"
        )


def target_of(host: StackHost, manifest: Manifest, section: str = "update_config") -> Target:
    """A release of this host, ready to be compared with what runs. Raises DeployError, which says what was lost."""
    try:
        workspace = host.releases.workspace(manifest.id)
        return host.target(manifest, workspace, images=images_of(manifest), section=section)
    except (EngineError, ConfigError, OSError):
        # Compose tells where it stopped, and not why the file is not what it was.
        require_files(host, manifest)
        require_secrets(host, manifest)
        raise


def require_files(host: StackHost, manifest: Manifest) -> None:
    """Raise DeployError when what is kept of a release is not what was tried and found good."""
    broken = project_drift.kept(host.releases, manifest)
    if broken:
        raise DeployError(
            f"{'; '.join(broken)}. Deploy release {manifest.id} again, which writes them anew, or choose another one"
        )


def missing_secrets(host: StackHost, manifest: Manifest) -> list[str]:
    """``<file>: <variable>`` (``<file>`` for a file secret) of what the release reads and this host no longer has."""
    found = []
    for name, needed in sorted(manifest.secrets.items()):
        present = host.releases.secret_names(name)
        if present is None and not needed:
            found.append(name)
        found += [f"{name}: {variable}" for variable in needed if present is None or variable not in present]
    return found


def require_secrets(host: StackHost, manifest: Manifest) -> None:
    """Raise DeployError, naming every secret that the release needs and that has been taken away since."""
    missing = missing_secrets(host, manifest)
    if missing:
        raise DeployError(
            f"release {manifest.id} reads secrets that this host no longer has ({', '.join(missing)}). Put them back into "
            "stack_secrets or stack_secret_files and deploy the live release again; then run this again"
        )


def pinned_images(host: StackHost, manifest: Manifest) -> dict[str, str]:
    """service -> how to run exactly its image here."""
    return {name: local_images.pinned(host.engine, image) for name, image in manifest.images.items()}


def _preview(
    host: StackHost, manifest: Manifest, workspace: Workspace, model: Mapping[str, Any], check_mode: bool, live: str
) -> tuple[list[Step], list[Replica], list[str]]:
    target = host.target(manifest, workspace, images=images_of(manifest), model=model, create_key=not check_mode)
    edge = host.edge(target)
    replicas = host.observe(edge)
    damage = []
    if manifest.id == live:
        damage = host.damage(manifest, target, edge)
    return served.due(host, target, replicas, edge), replicas, damage


def _references(model: Mapping[str, Any]) -> dict[str, str]:
    """service -> image, those behind a profile included: a migration runs in one of them."""
    return {name: service["image"] for name, service in model["services"].items() if service.get("image")}


class _Images:
    """Finds the images of a release: recorded ones first, then what the run's other hosts use, then what the tag says now."""

    def __init__(self, host: StackHost, wanted: Wanted, known: Mapping[str, Mapping[str, str]], live: str) -> None:
        self._engine = host.engine
        self._wanted = wanted
        self._known = {image["reference"]: image for image in known.values()}
        self._live = host.releases.read(live).images if live and host.releases.has(live) else {}
        self.warnings: list[str] = []

    def find(self, references: Mapping[str, str], *, pull: bool) -> dict[str, dict[str, str]]:
        """service -> {reference, digest, id}. Nothing is pulled when the disk has no room for all of it."""
        here = {reference: self._here(reference) for reference in sorted(set(references.values()))}
        missing = [reference for reference, image in here.items() if image is None]
        if pull and missing:
            self._require_room([name for name, reference in references.items() if reference in missing], len(missing))
        with ThreadPoolExecutor(max(1, min(4, len(missing)))) as pool:
            pulled = dict(zip(missing, pool.map(self._pulled if pull else self._not_pulled, missing), strict=True))
        return {name: dict(here[reference] or pulled[reference]) for name, reference in references.items()}

    def _here(self, reference: str) -> Mapping[str, str] | None:
        """The image when it need not be pulled: its very content is known, and on this host."""
        known = self._known.get(reference)
        digest = self._digest(reference)
        if known and known["digest"] == digest and self._engine.image(known["id"]):
            return known
        image = self._engine.image(_pinned(reference, digest)) if digest else None
        return _entry(reference, image, digest) if image else None

    def _pulled(self, reference: str) -> Mapping[str, str]:
        digest = self._digest(reference)
        if digest:
            return _entry(reference, self._engine.pull(_pinned(reference, digest)), digest)
        try:
            image = self._engine.pull(reference)
        except RegistryDownError as exc:
            # A registry that is down must not stop the deploy of what is here already. Any other answer is one: it must.
            local = self._engine.image(reference)
            if local is None:
                raise
            image = local
            self.warnings.append(
                f"{reference}: the image that this host had under this tag already is used, {image.id}, because no registry "
                f"could say whether it is still the one: {exc}"
            )
        return _entry(reference, image, image.digest)

    def _digest(self, reference: str) -> str:
        known = self._known.get(reference, {})
        return self._wanted.digests.get(reference) or known.get("digest", "")

    def _not_pulled(self, reference: str) -> Mapping[str, str]:
        known = self._known.get(reference)
        if known and known["digest"] and known["digest"] == self._digest(reference):
            # It was taken away; the digest would bring the very same again.
            return known
        image = self._engine.image(reference)
        if image:
            return _entry(reference, image, image.digest)
        # The tag is not on this host. Nobody here knows better than that it leads to what runs under its name; a deploy asks.
        running = next((one for one in self._live.values() if one["reference"] == reference), None)
        if running and self._digest(reference) in ("", running["digest"]) and self._engine.image(running["id"]):
            return running
        return {"reference": reference, "digest": "", "id": f"{NOT_PULLED}{reference}"}

    def _require_room(self, services: list[str], count: int) -> None:
        """An image yet to be pulled is taken to be as large as the one that it replaces; a registry does not say."""
        sizes = {self._live[name]["id"]: self._engine.size(self._live[name]["id"]) for name in services if name in self._live}
        disk = self._engine.disk()
        expected, keep_free = sum(sizes.values()), self._wanted.stack.keep_free_mb * 1_000_000
        if disk.free < expected + keep_free:
            raise DeployError(_no_room(disk, count, expected, keep_free))


def _no_room(disk: Disk, count: int, expected: int, keep_free: int) -> str:
    return (
        f"the engine's disk ({disk.path}) has {_mb(disk.free)} free of {_mb(disk.total)}, and {_mb(expected + keep_free)} are "
        f"needed: about {_mb(expected)} for {count} images to be pulled (the size of those that run now) and {_mb(keep_free)} to "
        "be kept free (stack.keep_free_mb). Nothing was pulled or changed. See what takes the space with: docker system df"
    )


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


def _entry(reference: str, image: Image, digest: str) -> dict[str, str]:
    return {"reference": reference, "digest": digest, "id": image.id}


def _pinned(reference: str, digest: str) -> str:
    return Image(reference, "", digest).pinned


def running(replicas: list[Replica]) -> list[str]:
    """Lines for a diff: what runs of each service."""
    return [f"{replica.name} {replica.image} {replica.state.value}" for replica in replicas]
