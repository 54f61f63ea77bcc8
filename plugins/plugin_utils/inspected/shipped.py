# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the directory of a Compose file a release ships, because services mount it, and what of these mounts goes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.compose import data as compose_data
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.needed import Needed, Source
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.tagged import Override, Reset

KEY = "holds a private key, which no release ships; mount it as a file secret (stack_secret_files, docs/security.md)"


def mounts(needed: Needed, services: Mapping[str, Mapping[str, Any]], source: Source, configs: Any) -> None:
    """Files that a release ships, and mounts of sources that are in the image already. ``configs``: of the Compose file."""
    shipped = [path for path in _named(services, configs) if path in source.sizes and path not in source.keys]
    for name, service in services.items():
        given = service.get("volumes")
        kept = []
        for entry in given if isinstance(given, list) else []:
            one = next(iter(compose_data.mounts({"volumes": [entry]})), None)
            how = _mounted(one, source, built="build" in service) if one else "data"
            if how == "shipped" and one:
                shipped.append(str(PurePosixPath(one.source)))
            if how == "key" and one:
                needed.say(f"services.{name}.volumes", "yours", f"{one.source} {KEY}")
            if how not in ("code", "key"):
                kept.append(entry)
        if isinstance(given, list) and len(kept) < len(given):
            why = "hosts have no checkout: sources are in the image, and private keys in the vault"
            needed.change(name, "volumes", Override(kept) if kept else Reset(), why)
    if shipped:
        needed.stack["files"] = list(dict.fromkeys(shipped))
        needed.say("stack.files", "given", f"a release ships {', '.join(needed.stack['files'])}, which services see read-only")


def _named(services: Mapping[str, Mapping[str, Any]], configs: Any) -> Iterator[str]:
    """Files that the Compose file names otherwise than by a mount."""
    for one in configs.values() if isinstance(configs, Mapping) else ():
        if isinstance(one, Mapping) and one.get("file"):
            yield str(PurePosixPath(str(one["file"])))
    for service in services.values():
        given = service.get("label_file")
        yield from (str(PurePosixPath(str(one))) for one in (given if isinstance(given, list) else [given]) if one)


def _mounted(mount: compose_data.Mount, source: Source, *, built: bool) -> str:
    if mount.kind == "volume" and not mount.source:
        # In the middle of the sources, it keeps what the image brought.
        return "code" if built else "data"
    path = str(PurePosixPath(mount.source))
    if mount.kind != "bind" or path.startswith(("/", "~", "..", "$")):
        return "data"
    is_file, size = path in source.sizes, source.below(path)
    if path == "." or (built and not mount.read_only and size):
        return "code" if built else "data"
    if any(f"{one}/".startswith(f"{path}/") for one in source.keys):
        return "key"
    return "shipped" if is_file or (size and not _is_data(mount.target)) else "data"


def _is_data(target: str) -> bool:
    return target.startswith(("/var/lib/", "/data")) or target.rstrip("/").endswith(("/data", "/uploads", "/media", "/storage"))
