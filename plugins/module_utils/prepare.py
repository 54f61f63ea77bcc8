# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""Prepare a release on a host: everything a rollout will need is here, checked, before any container is touched."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.engine import Engine, Image
from ansible_collections.morpheus.deploy.plugins.module_utils.errors import EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.host import StackHost, scratch
from ansible_collections.morpheus.deploy.plugins.module_utils.plan import Replica, Step, plan
from ansible_collections.morpheus.deploy.plugins.module_utils.release import Manifest, Workspace, release_id


@dataclass(frozen=True)
class Wanted:
    """A release as the controller describes it. ``files`` and ``secrets``: relative path -> content."""

    release: str
    environment: str
    stack: Mapping[str, Any]
    files: Mapping[str, bytes]
    secrets: Mapping[str, str]
    git_sha: str = ""

    @property
    def id(self) -> str:
        return release_id(self.release, self.environment, self.stack, self.files)


@dataclass(frozen=True)
class Prepared:
    """What ``prepare`` found and did. ``plan`` is what a rollout of this release would do now."""

    id: str
    live: str
    is_new: bool
    changed_secrets: list[str]
    images: Mapping[str, Mapping[str, str]]
    steps: list[Step]
    replicas: list[Replica]

    @property
    def changed(self) -> bool:
        return self.is_new or bool(self.changed_secrets)


def prepare(host: StackHost, wanted: Wanted, *, check_mode: bool) -> Prepared:
    """Bring images and files of ``wanted`` to this host. Nothing of what runs is touched, and on failure nothing is left.

    In check mode nothing is pulled either: an image that is not here yet counts as a changed one.
    """
    releases = host.releases
    identity = wanted.id
    is_new = not releases.has(identity)
    live = releases.live()
    with scratch(wanted.release, wanted.environment, wanted.files, wanted.secrets) as workspace:
        model = host.model(wanted.stack, workspace)
        known = {} if is_new else releases.read(identity).images
        images = _images(host.engine, _references(model), known, pull=not check_mode)
        manifest = Manifest(
            id=identity,
            release=wanted.release,
            environment=wanted.environment,
            stack=wanted.stack,
            images=images,
            created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            git_sha=wanted.git_sha,
        )
        steps, replicas = _preview(host, manifest, workspace, model, check_mode)
    changed_secrets = releases.changed_secrets(wanted.secrets)
    if not check_mode:
        releases.write_secrets(wanted.secrets)
        if is_new:
            releases.write_files(identity, wanted.release, wanted.environment, wanted.files)
            releases.write_manifest(manifest)
    return Prepared(
        id=identity,
        live=live,
        is_new=is_new,
        changed_secrets=changed_secrets,
        images=images,
        steps=steps,
        replicas=replicas,
    )


def images_of(manifest: Manifest) -> dict[str, tuple[str, str]]:
    """service -> (reference, identity of the content), as compose_model.desired_services takes them."""
    return {name: (image["reference"], image["id"]) for name, image in manifest.images.items()}


def require_images(host: StackHost, manifest: Manifest) -> None:
    """Raise EngineError, naming every image of ``manifest`` that this host no longer has."""
    missing = sorted({image["reference"] for image in manifest.images.values() if host.engine.image(image["id"]) is None})
    if missing:
        raise EngineError(
            f"this host has lost {', '.join(missing)}, which release {manifest.id} needs; "
            "deploy that release again to pull it, or choose another one"
        )


def pinned_images(manifest: Manifest) -> dict[str, str]:
    return {name: Image(image["reference"], image["id"], image["digest"]).pinned for name, image in manifest.images.items()}


def _preview(
    host: StackHost, manifest: Manifest, workspace: Workspace, model: Mapping[str, Any], check_mode: bool
) -> tuple[list[Step], list[Replica]]:
    target = host.target(manifest, workspace, images=images_of(manifest), model=model, create_key=not check_mode)
    replicas = host.observe(host.edge(target))
    return plan(target.desired, replicas, drain_seconds=manifest.stack["drain_seconds"]), replicas


def _references(model: Mapping[str, Any]) -> dict[str, str]:
    """service -> image, those behind a profile included: a migration runs in one of them."""
    return {name: service["image"] for name, service in model["services"].items() if service.get("image")}


def _images(
    engine: Engine, references: Mapping[str, str], known: Mapping[str, Mapping[str, str]], *, pull: bool
) -> dict[str, dict[str, str]]:
    def find(reference: str) -> dict[str, str]:
        recorded = next((image for image in known.values() if image["reference"] == reference), None)
        if recorded and engine.image(recorded["id"]):
            return dict(recorded)
        image = _pulled(engine, reference) if pull else engine.image(reference)
        if image is None:
            return {"reference": reference, "digest": "", "id": f"not pulled: {reference}"}
        return {"reference": reference, "digest": image.digest, "id": image.id}

    distinct = sorted(set(references.values()))
    with ThreadPoolExecutor(max(1, min(4, len(distinct)))) as pool:
        found = dict(zip(distinct, pool.map(find, distinct), strict=True))
    return {name: found[reference] for name, reference in references.items()}


def _pulled(engine: Engine, reference: str) -> Image:
    try:
        return engine.pull(reference)
    except EngineError:
        # A registry that is down must not stop the deploy of what is here already.
        local = engine.image(reference)
        if local is None:
            raise
        return local


def running(replicas: list[Replica]) -> list[str]:
    """Lines for a diff: what runs of each service."""
    return [f"{replica.name} {replica.image} {replica.state.value}" for replica in replicas]
