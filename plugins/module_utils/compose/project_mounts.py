# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mounts of a project as Compose resolves it, and what a generated Compose file says of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import SECRETS_IN_CONTAINER
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.contents import Content, ContentStore
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.file_mounts import Kind, Mount, Sources, holds


@dataclass(frozen=True)
class ProjectMounts:
    """The mounts of a project as Compose resolves it, with the paths that it has in the project directory."""

    sources: Sources
    project: Path
    live: Path
    store: ContentStore

    def problems(self, model: Mapping[str, Any]) -> list[str]:
        found = [self.sources.problems(mount) for mount, _ in self._mounts(model)]
        return [problem for problems in found for problem in problems]

    def data(self, model: Mapping[str, Any]) -> set[str]:
        """Paths in the project directory that belong to the application, and hold nothing that the release ships."""
        names = {mount.name for mount, entry in self._mounts(model) if self._kind(entry) is Kind.DATA}
        return {name for name in names if not holds(name, self.sources.shipped)}

    def contents(self, model: Mapping[str, Any]) -> set[str]:
        """Paths in the project directory that are mounted from the content store instead."""
        names = {mount.name for mount, entry in self._mounts(model) if self._kind(entry) is Kind.CONTENT}
        return names | {name for name in map(self._config, (model.get("configs") or {}).values()) if name}

    def resolved(self, model: dict[str, Any]) -> dict[str, Any]:
        """``model`` with live files where they lie, and read-only what nobody may write to.

        Fingerprints are made of this: paths in the content store are not in it.
        """
        services = {
            name: {**service, "volumes": [self._resolved(entry) for entry in service["volumes"]]}
            if service.get("volumes")
            else service
            for name, service in (model.get("services") or {}).items()
        }
        return {**model, "services": services}

    def placed(self, model: Mapping[str, Any], service: str, files: Mapping[str, Path]) -> list[dict[str, Any]]:
        """Every bind mount of a service, secrets aside, with what it mounts of the release in the store.

        ``model``: resolved; ``files``: name -> where it lies now.
        """
        definition = model["services"][service]
        binds = [entry for entry in definition.get("volumes") or [] if entry.get("type") == "bind"]
        return [
            self._placed(definition, entry, files)
            for entry in binds
            if not (self._name(entry) and self._kind(entry) is Kind.SECRETS)
        ]

    def overrides(self, model: Mapping[str, Any], files: Mapping[str, Path]) -> Overrides:
        """What services mount otherwise than their Compose files say, with the files of the release in the store."""
        volumes: dict[str, Sequence[Mapping[str, Any]]] = {}
        for name in model.get("services") or {}:
            own = [entry for entry in self.placed(model, name, files) if self._is_ours(entry)]
            volumes |= {name: own} if own else {}
        placed = {name: self._config(definition) for name, definition in (model.get("configs") or {}).items()}
        configs = {name: {"file": str(self.store.place(_content(file, files)))} for name, file in placed.items() if file}
        inline = self.inline(model)
        return Overrides(volumes, {**configs, **inline}, frozenset(inline))

    def inline(self, model: Mapping[str, Any]) -> dict[str, dict[str, str]]:
        """Configs whose content stands in the Compose files themselves, as files in the store."""
        return {
            # Compose doubles $ in what it prints.
            name: {"file": str(self.store.place(Content(name, {name: str(one["content"]).replace("$$", "$").encode()})))}
            for name, one in (model.get("configs") or {}).items()
            if isinstance(one, Mapping) and one.get("content") is not None
        }

    def _mounts(self, model: Mapping[str, Any]) -> Iterator[tuple[Mount, Mapping[str, Any]]]:
        for name, service in (model.get("services") or {}).items():
            for entry in service.get("volumes") or []:
                relative = self._name(entry)
                if relative:
                    # Compose does not tell "rw" from nothing.
                    yield Mount(name, f"./{relative}", relative, False if entry.get("read_only") else None), entry

    def _name(self, entry: Mapping[str, Any]) -> str:
        """Path of a bind mount below the project directory; empty for any other mount."""
        return self._below(entry.get("source")) if entry.get("type") == "bind" else ""

    def _below(self, source: Any) -> str:
        path = Path(str(source or "/"))
        return str(path.relative_to(self.project)) if path == self.project or self.project in path.parents else ""

    def _config(self, definition: Any) -> str:
        name = self._below(definition.get("file")) if isinstance(definition, Mapping) else ""
        return name if name in self.sources.shipped else ""

    def _kind(self, entry: Mapping[str, Any]) -> Kind:
        return self.sources.kind(self._name(entry), writable=not entry.get("read_only"))

    def _resolved(self, entry: Mapping[str, Any]) -> Mapping[str, Any]:
        name = self._name(entry)
        kind = self._kind(entry) if name else Kind.DATA
        if kind is Kind.LIVE:
            return {**entry, "source": str(self.live / name), "read_only": True}
        return {**entry, "read_only": True} if kind is Kind.CONTENT else entry

    def _is_ours(self, entry: Mapping[str, Any]) -> bool:
        """Whether a placed mount is another one than the Compose files themselves would have."""
        parents = Path(str(entry.get("source") or "/")).parents
        return self.live in parents or self.store.root in parents

    def _placed(
        self,
        service: Mapping[str, Any],
        entry: Mapping[str, Any],
        files: Mapping[str, Path],
    ) -> dict[str, Any]:
        name = self._name(entry)
        if not name or self._kind(entry) is not Kind.CONTENT:
            return dict(entry)
        content = _content(name, files, *self._points(service, entry, files))
        # Made by nobody but us: where it is missing, the engine must say so.
        bind = {**(entry.get("bind") or {}), "create_host_path": False}
        return {**entry, "source": str(self.store.place(content)), "bind": bind}

    def _points(
        self, service: Mapping[str, Any], entry: Mapping[str, Any], files: Mapping[str, Path]
    ) -> tuple[set[str], set[str]]:
        """(directories, files) that must be in a mounted directory, because the service mounts something else over them."""
        directories: set[str] = set()
        single: set[str] = set()
        for other in service.get("volumes") or []:
            name = self._name(other)
            is_file = name in files if name else other.get("type") == "bind" and Path(str(other.get("source"))).is_file()
            (single if is_file else directories).add(str(other.get("target")))
        directories |= {str(one).partition(":")[0] for one in _list(service.get("tmpfs"))}
        for kind in ("configs", "secrets"):
            default = SECRETS_IN_CONTAINER.rstrip("/") if kind == "secrets" else "/"
            single |= {str(PurePosixPath(default, use.get("target") or use["source"])) for use in service.get(kind) or []}
        root = PurePosixPath(str(entry.get("target")))
        return (
            {str(PurePosixPath(one).relative_to(root)) for one in directories if root in PurePosixPath(one).parents},
            {str(PurePosixPath(one).relative_to(root)) for one in single if root in PurePosixPath(one).parents},
        )


@dataclass(frozen=True)
class Overrides:
    """What a generated Compose file says of mounts: service -> its bind mounts, config -> where it lies.

    ``inline``: those configs whose content stands in the Compose files themselves, which must forget it first.
    """

    volumes: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    configs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    inline: Collection[str] = ()


def _content(name: str, files: Mapping[str, Path], directories: Collection[str] = (), points: Collection[str] = ()) -> Content:
    """The file or directory ``name`` of a release."""
    base = PurePosixPath(name).name or "project"
    if name in files:
        return Content(base, {base: files[name]})
    prefix = "" if name == "." else f"{name}/"
    own = {f"{base}/{path.removeprefix(prefix)}": source for path, source in files.items() if path.startswith(prefix)}
    missing = [f"{base}/{one}" for one in points if f"{base}/{one}" not in own]
    return Content(base, own, [one for one in (f"{base}/{one}" for one in directories) if one not in own], missing)


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value] if isinstance(value, str) else []
