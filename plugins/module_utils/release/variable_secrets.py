# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that have their value from a variable, as files of one stack: see compose/variable_secrets.py."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import variable_secrets
from ansible_collections.morpheus.deploy.plugins.module_utils.release.secret_files import Rights, SecretFiles
from ansible_collections.morpheus.deploy.plugins.module_utils.release.workspace import VARIABLES


def place(
    files: SecretFiles, model: Mapping[str, Any], given: Mapping[str, str], as_ever: Collection[str] = ()
) -> dict[str, Any]:
    """Write those that services of ``model`` read, and give back what a generated Compose file says of them; nothing for none.

    ``given``: what gives variables their values. ``as_ever``: services that are as they were when this was last done. What they
    read and somebody changed since is put right where it lies, because their replicas mount it.
    """
    named = variable_secrets.named(model)
    if lost := sorted({*named.values()} - given.keys()):
        raise DeployError(
            f"{files.secrets.parent / VARIABLES} gives no {', '.join(lost)}, from which a secret has its value; "
            "deploy the live release again, which brings it"
        )
    contents = {name: given[variable] for name, variable in named.items()}
    if contents:
        # Another file in its place would be seen by replicas to come alone.
        files.write_secrets(contents, _rights(model), [path.name for path in differing(files, model, given, as_ever)])
    return {"secrets": variable_secrets.placed(model, files.secrets)} if contents else {}


def differing(files: SecretFiles, model: Mapping[str, Any], given: Mapping[str, str], as_ever: Collection[str]) -> list[Path]:
    """Those that are gone, or that have another content, owner or mode than when they were written.

    One whose value has been given another since is not among them: nobody who reads it is ``as_ever``, and all will be replaced.
    """
    named = variable_secrets.named(model)
    there = {name for name in named if (files.secrets / name).is_file()}
    same = {name for name, services in variable_secrets.served(model).items() if services & {*as_ever}}
    contents = {name: given[named[name]] for name in there & same if named[name] in given}
    changed = files.changed_secrets(contents, _rights(model))
    return [files.secrets / name for name in named if name in changed or name not in there]


def _rights(model: Mapping[str, Any]) -> dict[str, Rights]:
    return {name: Rights(one.uid, one.mode, one.gid) for name, one in variable_secrets.readers(model).items()}
