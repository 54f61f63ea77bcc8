# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release declares of its services, for an audit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import SECRETS_IN_CONTAINER


def declared(name: str, service: Mapping[str, Any], model: Mapping[str, Any], files: Path) -> dict[str, Any]:
    """What Compose files as written give a service. A key without a value comes from the shell, which is empty here."""
    env_files = service.get("env_file") or []
    entries = [env_files] if isinstance(env_files, str) else env_files
    paths = [str(entry["path"] if isinstance(entry, Mapping) else entry) for entry in entries]
    given = service.get("environment") or {}
    pairs = given.items() if isinstance(given, Mapping) else [tuple(str(entry).split("=", 1)) for entry in given]
    return {
        "name": name,
        "once": bool(service.get("profiles")),
        "env_files": [path.removeprefix(f"{files}/").removeprefix("./") for path in paths],
        "environment": sorted(pair[0] for pair in pairs if len(pair) == 2 and pair[1] is not None),
        "files": [_file_secret(entry, model, files) for entry in service.get("secrets") or []],
    }


def _file_secret(entry: Any, model: Mapping[str, Any], files: Path) -> dict[str, str]:
    """Name below /run/secrets in the container, and what of the stack it comes from."""
    source = str(entry.get("source") if isinstance(entry, Mapping) else entry)
    target = str((entry.get("target") if isinstance(entry, Mapping) else "") or source)
    definition = (model.get("secrets") or {}).get(source) or {}
    if definition.get("environment"):
        return {"target": target.removeprefix(SECRETS_IN_CONTAINER), "file": f"the variable {definition['environment']}"}
    path = str(definition.get("file") or "").removeprefix(f"{files}/").removeprefix("./")
    return {"target": target.removeprefix(SECRETS_IN_CONTAINER), "file": path}
