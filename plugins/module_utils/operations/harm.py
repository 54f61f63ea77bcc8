# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release would do to the data, mounts and networks of this host: refused before anything is changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import ConfigError, EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import jobs as compose_jobs
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import model as compose_model
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import placement, precautions, shared, variable_secrets
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import rules as compose_rules
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.precautions import Here
from ansible_collections.morpheus.deploy.plugins.module_utils.host import hardening_here
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.host.target import Target
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Lineage
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.wanted import Wanted
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.wanted_images import NOT_PULLED
from ansible_collections.morpheus.deploy.plugins.module_utils.release import project_drift
from ansible_collections.morpheus.deploy.plugins.module_utils.release.workspace import Workspace
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack


def check_declared(stack: Stack, model: Mapping[str, Any], given: Collection[str]) -> None:
    """Refuse what services say that cannot be done. Not asked of a release that a host has: it can be gone back to.

    ``given``: names of the stack's variables.
    """
    seconds = {one.name: one.health.failing_seconds for one in stack.services if one.health}
    services = compose_model.services(model)
    found = [one for name, service in services.items() for one in compose_rules.watch_problems(name, service, seconds.get(name))]
    for problems in compose_jobs.problems(services, stack.jobs, stack.routed).values():
        found += problems
    for name, service in services.items():
        found += [*placement.problems(name, service), *shared.problems(name, services, routed=name in stack.routed)]
    found += variable_secrets.problems(model, given)
    if found:
        raise ConfigError(found)


def check_mounts(host: StackHost, wanted: Wanted, workspace: Workspace, model: Mapping[str, Any]) -> None:
    """Refuse what would be written to and is shipped, and files that would hide the application's data from it."""
    mounts = host.mounts(wanted.stack, workspace)
    problems = mounts.problems(model)
    strangers = host.releases.strangers(wanted.stack, workspace.shipped(), mounts.contents(model), mounts.data(model))
    problems += [
        f"stack.files: {name} is shipped, and {host.releases.project / name} contains files that no release brought "
        f"({', '.join(found[:3])}{', ...' if found[3:] else ''}), and services would no longer see them; move them elsewhere on "
        f"this host, or take {name} out of stack.files so that they stay the application's data"
        for name, found in strangers.items()
    ]
    if problems:
        raise ConfigError(problems)


def take_precautions(
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
    six = hardening_here.unfiltered(model, lambda: host.engine.version())
    problems += hardening_here.strangers(wanted.stack, host.releases.root.name, model, here, hardening_here.routes(), six)
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
