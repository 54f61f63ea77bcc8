# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of a project that have their value from a variable (``secrets.<name>.environment``), as files of the host. Pure.

Compose would copy each into its containers, which it cannot where the root is read-only. Who may read it is what Compose would
have made of it: everybody in the container, unless services say otherwise.

Used twice, like compose_rules: on the controller over the files as written, and on the host over the project as Compose resolves
it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z")
_MODE = re.compile(r"(?:0o?)?[0-7]{1,4}\Z")
# Nothing writes to what is mounted read-only.
_NO_WRITING = 0o555


@dataclass(frozen=True)
class Reader:
    """To whom a service gives a secret: what Compose makes of what it says."""

    uid: int = 0
    gid: int = 0
    mode: int = 0o444


def named(model: Mapping[str, Any]) -> dict[str, str]:
    """Secret -> variable. One that no service reads is read by nobody here either."""
    defined = model.get("secrets")
    found = {}
    for _, use in _uses(model):
        one = defined.get(_source(use)) if isinstance(defined, Mapping) else None
        if isinstance(one, Mapping) and one.get("environment") and not one.get("file"):
            found[_source(use)] = str(one["environment"])
    return dict(sorted(found.items()))


def problems(model: Mapping[str, Any], given: Collection[str]) -> list[str]:
    """``given``: names of the variables that the stack gives. What a shell has says nothing."""
    found = []
    for name, variable in named(model).items():
        path = f"secrets.{name}"
        if not _NAME.match(name):
            found.append(f"{path}: the name becomes a file name: letters, digits, -, _ and .")
        if variable not in given:
            found.append(
                f'{path}.environment: {variable} has no value; write {variable}: "{{{{ vault_{variable.lower()} }}}}" under '
                f"stack_secret_variables, or, if it is not secret, {variable}: <value> under stack.variables"
            )
        try:
            readers = _readers(model, name)
        except ValueError:
            found.append(f"{path}: a service reads it with a uid, gid or mode that is no number, such as mode: 0440")
            continue
        if len(set(readers.values())) > 1:
            found.append(
                f"{path}: is one file on a host, and {' and '.join(f'services.{one}' for one in readers)} read it with another "
                "uid, gid or mode each; write the same at all of them, or a secret for each"
            )
    return found


def notes(model: Mapping[str, Any], plain: Collection[str]) -> list[str]:
    """``plain``: names of the variables that are part of the release."""
    return [
        f"secrets.{name}.environment: {variable} is in stack.variables, so it lies readable in inventory and releases; "
        "stack_secret_variables would have it from the vault"
        for name, variable in named(model).items()
        if variable in plain
    ]


def readers(model: Mapping[str, Any]) -> dict[str, Reader]:
    """Secret -> who may read it, where ``problems`` are none."""
    return {name: next(iter(_readers(model, name).values())) for name in named(model)}


def served(model: Mapping[str, Any]) -> dict[str, set[str]]:
    """Secret -> the services that read it."""
    return {name: {service for service, use in _uses(model) if _source(use) == name} for name in named(model)}


def placed(model: Mapping[str, Any], directory: Path) -> dict[str, dict[str, str]]:
    """What a generated Compose file says of them, with the files in ``directory``."""
    return {name: {"file": str(directory / name)} for name in named(model)}


def _readers(model: Mapping[str, Any], name: str) -> dict[str, Reader]:
    found = {}
    for service, use in _uses(model):
        if _source(use) == name:
            said = use if isinstance(use, Mapping) else {}
            uid, gid = (int(str(said.get(key) or 0)) for key in ("uid", "gid"))
            found[service] = Reader(uid, gid, _mode(said.get("mode")) & _NO_WRITING)
    return found


def _mode(given: Any) -> int:
    if given is None:
        return Reader.mode
    if isinstance(given, int):
        return given
    if not _MODE.match(str(given)):
        raise ValueError(given)
    return int(str(given).replace("o", ""), 8)


def _uses(model: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(service, how it reads a secret)."""
    services = model.get("services")
    for name, service in services.items() if isinstance(services, Mapping) else []:
        uses = service.get("secrets") if isinstance(service, Mapping) else None
        for use in uses if isinstance(uses, list) else []:
            if isinstance(use, str) or (isinstance(use, Mapping) and isinstance(use.get("source"), str)):
                yield str(name), use


def _source(use: Any) -> str:
    return str(use["source"] if isinstance(use, Mapping) else use)
