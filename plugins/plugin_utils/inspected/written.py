# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A first environment with what a look at the Compose file has found: the files that new_environment writes, and an override."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.inspection import Inspection
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.tagged import dump
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment.asked import Asked
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment.files import Answers
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment.project import (
    INVENTORIES,
    Encrypts,
    File,
    NewEnvironment,
    Opens,
)

# Between these lies what the look has found, in the file that new_environment writes.
BEGIN = "# What a Compose file cannot say. How services run and are updated stands in the Compose files.\n"
END = "# HTTPS: certificate"
_RELEASE = """
# The release is the tag of the images: ${STACK_RELEASE} in the Compose files. Named with each deploy, or here.
# stack_release: "1.0.0"

"""


def name_of(write: str) -> str:
    """The environment that ``-e write=`` names."""
    parent, _, name = write.rstrip("/").rpartition("/")
    if parent != INVENTORIES or not name:
        raise DeployError(
            f'write: "{write}" must be {INVENTORIES}/<name> in the current directory, such as {INVENTORIES}/staging'
        )
    return name


class _LookedAt(NewEnvironment):
    """Its stack.yml holds what the look has found, and its vault the secrets of the team's env files, where that is wanted."""

    def __init__(self, found: Inspection, imports: bool, *given: Any) -> None:
        self._found, self._imports = found, imports
        super().__init__(*given)

    def _stack(self, answers: Answers) -> str:
        return with_found(super()._stack(answers), self._found)

    def _imported(self) -> Mapping[str, str]:
        return self._found.needed.values if self._imports else {}

    def _lost(self, path: str, options: str) -> str:
        if not path.endswith("/stack.yml"):
            return super()._lost(path, options)
        return (
            "what this look has found would be lost. Copy its lines, which it shows without -e write, or, when nothing in the "
            f"file is yours, remove it (rm {path}) and type this again"
        )


def environment(
    root: Path,
    asked: Asked,
    found: Inspection,
    opens: Opens,
    encrypts: Encrypts,
    variables: Mapping[str, str],
    *,
    imports: bool = False,
) -> NewEnvironment:
    """As a new environment is, with more in its stack.yml and with the override; what is there stays as it is.

    ``imports``: secrets of the team's env files come into its vault.
    """
    made = _LookedAt(found, imports, root, asked, opens, encrypts, variables)
    # What users reach is known by now, so nothing is left to be filled in.
    first: Mapping[str, Any] = next(iter(found.needed.stack["services"]), {})
    known = {"service": first.get("name", ""), "port": first.get("port", 0), "health": first.get("health", {}).get("path", "")}
    made.answers = replace(made.answers, **known)
    path = os.path.relpath(found.path.absolute().parent / found.override_name, root)
    if found.needed.override:
        if (root / path).exists():
            made.left.append(path)
        else:
            made.files.append(File(path, found.override, None))
    imported = found.needed.values if imports else {}
    made.release = found.needed.release or made.release
    made.vault_names = [name for name in found.vault_names if name not in imported]
    vault = f"{made.here}/group_vars/vault.yml"
    if imported:
        said = "has the values of"
        made.notes.append(f"{vault} {said} {', '.join(sorted(imported))}; see that they are those of this environment")
    if made.vault_names:
        made.notes.append(f"{vault} must hold {', '.join(made.vault_names)} before a deploy")
    return made


def with_found(text: str, found: Inspection) -> str:
    head, rest = text.split(BEGIN, 1)
    _, tail = rest.split(END, 1)
    more = "# Secrets; the values stand in the vault.\n" + dump(found.secrets) + "\n" if found.secrets else ""
    return f"{head}{BEGIN}{dump({'stack': found.needed.stack})}{_RELEASE}{more}{END}{tail}"
