# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""File secrets: what keeps one from being written, and whether those that Compose files name are given. Prints no content."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z")
_MODE = re.compile(r"0[46][04]0\Z")
_KEYS = ("content", "owner", "mode")
_LARGEST_UID = 2**32 - 2
DIRECTORY = "secrets"


def problems(files: Mapping[str, Any]) -> list[str]:
    """What is wrong with ``stack_secret_files``, each problem beginning with its path."""
    found = []
    for name, given in files.items():
        path = f"stack_secret_files.{name}"
        if not _NAME.match(str(name)):
            found.append(f"{path}: the name becomes a file name: letters, digits, -, _ and .")
        elif str(name).endswith(".env"):
            found.append(f"{path}: names that end with .env are those of stack_secrets; choose another one")
        elif not isinstance(given, Mapping):
            found.append(f"{path}: must be a mapping with content, not {schema.kind(given)}")
        else:
            found += [f"{path}{problem}" for problem in _entry_problems(given)]
    return found


def rights(given: Mapping[str, Any]) -> dict[str, Any]:
    """Owner and mode of an entry without problems."""
    return {"owner": given.get("owner", 0), "mode": given.get("mode", "0400")}


def reference_problems(model: Mapping[str, Any], names: Collection[str], env_names: Collection[str]) -> list[str]:
    """Secrets of the Compose files that nothing writes, and services that use one which is not there.

    ``names``: file secrets; ``env_names``: env files with secrets, which can be read whole too.
    """
    given = model.get("secrets")
    defined: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    found = [problem for name, one in defined.items() for problem in _definition_problems(name, one, names, env_names)]
    for service, content in model["services"].items():
        uses = content.get("secrets") if isinstance(content, Mapping) else None
        for use in uses if isinstance(uses, list) else []:
            source = use.get("source") if isinstance(use, Mapping) else use
            if isinstance(source, str) and source not in defined:
                known = ", ".join(sorted(map(str, defined))) or "none"
                found.append(f'services.{service}.secrets: the Compose files have no secret "{source}"; they have {known}')
    return found


def _entry_problems(given: Mapping[str, Any]) -> list[str]:
    found = [f".{key}: unknown key; known are {', '.join(_KEYS)}" for key in given if key not in _KEYS]
    content, owner, mode = given.get("content"), given.get("owner", 0), given.get("mode", "0400")
    if content is None:
        found.append(".content: required; the secret itself")
    elif not isinstance(content, str):
        found.append(f".content: {schema.no_string(content)}")
    elif not _is_encodable(content):
        found.append(".content: holds half of a surrogate pair, which UTF-8 cannot carry")
    if not isinstance(owner, int) or isinstance(owner, bool) or not 0 <= owner <= _LARGEST_UID:
        found.append(f".owner: must be a uid, a whole number, not {schema.kind(owner)}")
    if not isinstance(mode, str) or not _MODE.match(mode):
        found.append('.mode: must be "0400", "0600", "0440" or "0640", quoted; nobody but owner and group may read a secret')
    return found


def _definition_problems(name: str, definition: Any, names: Collection[str], env_names: Collection[str]) -> list[str]:
    path = f"secrets.{name}"
    file = definition.get("file") if isinstance(definition, Mapping) else None
    if not file and isinstance(definition, Mapping) and definition.get("environment"):
        # Whether a variable gives it is variable_secrets' matter.
        return []
    if not file:
        return [f"{path}: says neither file nor environment, and hosts have no external secrets; {_lines(name)}"]
    text = str(file).removeprefix("./")
    directory, _, base = text.rpartition("/")
    if text.startswith("/"):
        # A file that the host has of its own; what may be mounted of a host is another check's matter.
        return []
    if directory != DIRECTORY:
        return [f"{path}.file: nothing writes {file}; {_lines(name)}"]
    if base in names or base.removesuffix(".env") in env_names:
        return []
    option = f"stack_secrets.{base.removesuffix('.env')}" if base.endswith(".env") else f"stack_secret_files.{base}"
    return [f"{option}: required, because {path}.file reads {file}"]


def _lines(name: str) -> str:
    variable = re.sub(r"[^a-z0-9]+", "_", str(name).lower())
    return (
        f"write secrets: {{{name}: !override {{file: ./secrets/{name}}}}} in an override, and in the inventory "
        f'stack_secret_files: {{{name}: {{content: "{{{{ vault_{variable} }}}}"}}}}'
    )


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
