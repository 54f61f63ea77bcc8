# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that have their value from a variable, as files of one stack: see compose/variable_secrets.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import variable_secrets
from ansible_collections.morpheus.deploy.plugins.module_utils.release.secret_files import Rights, SecretFiles
from ansible_collections.morpheus.deploy.plugins.module_utils.release.workspace import VARIABLES


def place(files: SecretFiles, model: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Write those that services of ``model`` read, and give back what a generated Compose file says of them; nothing for none.

    ``given``: what gives variables their values.
    """
    named = variable_secrets.named(model)
    if lost := sorted({*named.values()} - given.keys()):
        raise DeployError(
            f"{files.secrets.parent / VARIABLES} gives no {', '.join(lost)}, from which a secret has its value; "
            "deploy the live release again, which brings it"
        )
    contents = {name: given[variable] for name, variable in named.items()}
    if contents:
        rights = {name: Rights(one.uid, one.mode, one.gid) for name, one in variable_secrets.readers(model).items()}
        files.write_secrets(contents, rights)
    return {"secrets": variable_secrets.placed(model, files.secrets)} if contents else {}
