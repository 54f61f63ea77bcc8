# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the relative paths stand for that services mount: files of the release, live files, or the application's data.

Files of the release are mounted read-only from the content store, live files read-only from a directory that the next deploy
changes, and everything else is data: it lies in the project directory, and nobody but the application touches it.

Used twice, like compose_rules: on the controller over the files as written, and on the host over the project as Compose resolves
it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

_SECRETS = "secrets"


class Kind(Enum):
    CONTENT = "files of the release"
    LIVE = "live files"
    SECRETS = "secrets"
    DATA = "the application's data"


@dataclass(frozen=True)
class Mount:
    """A bind mount of a path below the project directory.

    ``text``: the source as written. ``name``: relative to the project directory, "." for all of it. ``writable``: None where the
    file does not say, which is what most files do.
    """

    service: str
    text: str
    name: str
    writable: bool | None = None


@dataclass(frozen=True)
class Sources:
    """``entries``: what stack.files and compose_files name; ``shipped``: every file of the release.

    ``live``: directories of stack.live_files; ``live_files``: every file in them, as far as they are known here.
    """

    entries: Collection[str]
    shipped: Collection[str]
    live: Collection[str] = ()
    live_files: Collection[str] = ()

    @classmethod
    def of(cls, stack: Stack, shipped: Collection[str], live_files: Collection[str] = ()) -> Sources:
        entries = [posixpath.normpath(name) for name in (*stack.compose_files, *stack.brought_files, *stack.files)]
        live = [posixpath.normpath(name) for name in stack.live_files]
        return cls([*entries, "env"], frozenset(map(posixpath.normpath, shipped)), live, frozenset(live_files))

    def kind(self, name: str, *, writable: bool) -> Kind:
        """A directory of which only a part is shipped, and which can be written to, is left as it is: see ``problems``."""
        if below(name, [_SECRETS]):
            return Kind.SECRETS
        if below(name, self.live):
            return Kind.LIVE
        shipped = name in self.shipped or holds(name, self.shipped)
        return Kind.CONTENT if shipped and (below(name, self.entries) or not writable) else Kind.DATA

    def problems(self, mount: Mount) -> list[str]:
        path = f"services.{mount.service}.volumes"
        parts = sorted(one for one in self.live if one != mount.name and holds(mount.name, [one]))
        if parts:
            return [
                f'{path}: "{mount.text}" contains {parts[0]} of stack.live_files, which changes while the rest does not; '
                f"mount ./{parts[0]} by itself"
            ]
        if mount.name in self.live_files:
            return [f"{path}: {self._no_single_file(mount.text, mount.name)}"]
        if below(mount.name, self.live):
            return (
                [f'{path}: "{mount.text}" is in stack.live_files, which only a deploy writes; add :ro'] if mount.writable else []
            )
        if below(mount.name, [_SECRETS]) or mount.writable is False:
            return []
        shipped = sorted(one for one in self.shipped if below(one, [mount.name]))
        if not shipped:
            return []
        if below(mount.name, self.entries):
            mend = "add :ro, or take it out of stack.files so that it becomes the application's data"
            text = f'{path}: "{mount.text}" is mounted writable, but is shipped by stack.files and never changes; {mend}'
            return [text] if mount.writable else []
        return [
            f'{path}: "{mount.text}" can be written to, and stack.files ships {shipped[0]} in it, which never changes; add :ro, '
            "or mount what is shipped and what is written as two directories"
        ]

    def config_problems(self, configs: Any) -> list[str]:
        """Configs whose file nothing brings to the hosts, or whose file would stay the old one."""
        found = []
        for name, definition in configs.items() if isinstance(configs, Mapping) else []:
            source = str(definition.get("file") or "") if isinstance(definition, Mapping) else ""
            if isinstance(definition, Mapping) and definition.get("environment"):
                mend = f'write content: "${{{definition["environment"]}}}" instead, which becomes a file on the host'
                found.append(f"configs.{name}.environment: needs a root that can be written to; {mend}")
            if isinstance(definition, Mapping) and definition.get("external") not in (None, False, "false"):
                mend = f"write file: ./{name} instead, and {name} under stack.files"
                found.append(f"configs.{name}.external: is for Swarm alone, and Compose takes none; {mend}")
            relative = _relative(source if source.startswith((".", "/", "~", "$")) or not source else f"./{source}")
            if below(relative, self.live):
                found.append(f"configs.{name}.file: {self._no_single_file(source, relative)}")
            elif relative and relative not in self.shipped:
                found.append(f"configs.{name}.file: nothing ships {source}; add {relative} to stack.files")
        return found

    def volume_problems(self, volumes: Any) -> list[str]:
        """Named volumes that are a directory of the project in disguise, and would be written to with the next release."""
        found = []
        for name, definition in volumes.items() if isinstance(volumes, Mapping) else []:
            options = definition.get("driver_opts") if isinstance(definition, Mapping) else None
            device = str(options.get("device") or "") if isinstance(options, Mapping) else ""
            relative = _relative(device)
            if relative and (
                relative in self.shipped or holds(relative, [*self.shipped, *self.live]) or below(relative, self.live)
            ):
                found.append(
                    f'volumes.{name}.driver_opts.device: "{device}" is shipped with the stack; mount {device} itself in the '
                    "services, without a named volume"
                )
        return found

    def _no_single_file(self, text: str, name: str) -> str:
        directory = next(one for one in self.live if below(name, [one]))
        return f'"{text}" is a single file of stack.live_files, and containers never see one change; mount ./{directory}'


def below(name: str, directories: Collection[str]) -> bool:
    """Whether ``name`` is one of ``directories`` or lies in one; all lies in "."."""
    return any(one in (name, ".") or name.startswith(f"{one}/") for one in directories)


def holds(directory: str, names: Collection[str]) -> bool:
    """Whether one of ``names`` lies in ``directory``."""
    return any(directory == "." or name.startswith(f"{directory}/") for name in names)


def written(service: str, definition: Mapping[str, Any]) -> list[Mount]:
    """Relative bind mounts of a service as its files write it; of several at one target the last counts, as in Compose."""
    found: dict[str, Mount | None] = {}
    entries = definition.get("volumes")
    for entry in entries if isinstance(entries, list) else []:
        source, target, writable = _entry(entry)
        name = _relative(source)
        found[posixpath.normpath(target)] = Mount(service, source, name, writable) if name else None
    return [mount for mount in found.values() if mount]


def _entry(entry: Any) -> tuple[str, str, bool | None]:
    """(source, target, whether it can be written to) of a bind mount; an empty source when it is none."""
    if isinstance(entry, Mapping):
        source = str(entry.get("source") or "") if entry.get("type") == "bind" else ""
        source = source if source.startswith(("/", ".", "~", "$")) or not source else f"./{source}"
        said = entry.get("read_only")
        return source, str(entry.get("target") or ""), None if said is None else said is False
    source, _, rest = str(entry).partition(":")
    target, _, mode = rest.partition(":")
    words = mode.split(",")
    if not rest:
        return "", source, None
    return source if source.startswith(".") else "", target, False if "ro" in words else True if "rw" in words else None


def _relative(source: str) -> str:
    """The source below the project directory; empty when it lies elsewhere or only the host knows."""
    name = posixpath.normpath(source) if source.startswith(".") and "$" not in source else ".."
    return "" if name == ".." or name.startswith("../") else name
