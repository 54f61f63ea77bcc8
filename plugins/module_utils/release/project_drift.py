# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the files of a release are no longer as they were written: where it is kept, and where Compose and containers read them."""

from __future__ import annotations

import errno
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import is_executable
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import DamagedError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import sentence
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import variable_secrets
from ansible_collections.morpheus.deploy.plugins.module_utils.release import project_files
from ansible_collections.morpheus.deploy.plugins.module_utils.release import variable_secrets as secret_values
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest, config_hash
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.release.workspace import interpolation
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import DesiredService


def kept(releases: Releases, manifest: Manifest) -> list[str]:
    """What is wrong where the release is kept. Deploying it again restores it."""
    workspace = releases.workspace(manifest.id)
    found = []
    if manifest.config_hash and _hash(manifest, workspace.shipped()) != manifest.config_hash:
        found.append(f"files of release {manifest.id} in {workspace.files} are not as they were written")
    if _bytes(workspace.interpolation) != _interpolation(manifest).encode():
        found.append(_not_as_written(workspace.interpolation))
    if not (workspace.files / "secrets").is_symlink():
        found.append(f"{workspace.files / 'secrets'} is not a link to the secrets")
    return found


def project(
    releases: Releases,
    manifest: Manifest,
    lost: Collection[Path],
    inline: Collection[str] = (),
    model: Mapping[str, Any] = MappingProxyType({}),
    desired: Sequence[DesiredService] = (),
) -> list[str]:
    """What is wrong in the project directory and in the content store. A rollout of the release mends it, even without a step.

    ``lost``: what services mount of the content store and does not lie there as it should. ``inline``: configs whose content
    stands in the Compose files; ``model``: the project, whose secrets with a value from a variable must be as they were written;
    ``desired``: who is to read them.
    """
    given = variable_secrets.placed(model, releases.values.secrets)
    shipped = releases.workspace(manifest.id).shipped()
    ours, directory = releases.activated(), releases.project
    differing = sorted(name for name, source in shipped.items() if name in ours and _bytes(directory / name) != _bytes(source))
    found = [f"{name} in the project directory is not the release's" for name in differing]
    found += [f"{path}, which services mount, is not the release's" for path in lost]
    values = releases.workspace(manifest.id).given() if given else {}
    as_ever = project_files.as_ever(releases.project, desired)
    found += [_not_as_written(path) for path in secret_values.differing(releases.values, model, values, as_ever)]
    found += [note for note in releases.notes if str(directory) in note]
    workspace = releases.workspace(manifest.id)
    generated = project_files.by_hand(directory, manifest.stack, workspace, _interpolation(manifest), releases.root.name)
    found += [_not_as_written(directory / name) for name, text in generated.items() if _bytes(directory / name) != text.encode()]
    if not project_files.is_forgotten(directory, inline, given):
        found.append(_not_as_written(directory / project_files.INLINE))
    if not (directory / "secrets").is_symlink():
        found.append(f"{directory / 'secrets'} is not a link to the secrets")
    try:
        project_files.mounted(directory)
    except DamagedError as exc:
        return [*found, str(exc)]
    if project_files.activated_release(directory)[0] != manifest.id:
        found.append(f"{directory / 'override.json'} is not of release {manifest.id}")
    return found


def _not_as_written(path: Path) -> str:
    return sentence(IsADirectoryError(errno.EISDIR, "", str(path))) if path.is_dir() else f"{path} is not as it was written"


def _hash(manifest: Manifest, shipped: Mapping[str, Path]) -> str:
    contents = {name: path.read_bytes() for name, path in shipped.items()}
    executable = {name for name, path in shipped.items() if is_executable(path)}
    return config_hash(manifest.environment, manifest.stack, contents, dict(manifest.secrets), executable)


def _interpolation(manifest: Manifest) -> str:
    return interpolation(manifest.release, manifest.environment)


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
