# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``extends`` and ``include`` bring into a Compose file from others, with paths as they are below the stack's source."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.compose_merge import Override, merged

# Path below the stack's source -> content. None: there is no such file, or it lies outside; then it says why.
Read = Callable[[str], tuple[str | None, str]]
Parse = Callable[[str, str], Mapping[str, Any]]
# What a service that extends another one does not take over.
_DEPTH = 20
_REMOTE = ("oci:", "git@", "http:", "https:", "ssh:", "git:", "github.com/")
_ELEMENTS = ("services", "volumes", "networks", "configs", "secrets")


class Brought:
    def __init__(self, parse: Parse, read: Read, problems: list[str]) -> None:
        self._parse = parse
        self._read = read
        self._problems = problems
        self._known: dict[str, Mapping[str, Any] | None] = {}

    def included(self, name: str, content: Mapping[str, Any], depth: int = 0) -> dict[str, Mapping[str, Any]]:
        """File -> its content, of all that ``content`` includes; what it includes in turn first."""
        found: dict[str, Mapping[str, Any]] = {}
        given = content.get("include")
        for number, entry in enumerate(given if isinstance(given, list) else []):
            where = f"{name}: include[{number}]"
            paths = entry.get("path") if isinstance(entry, Mapping) else entry
            names = [str(one) for one in (paths if isinstance(paths, list) else [paths]) if one]
            if isinstance(entry, Mapping):
                self._variables(where, name, entry)
            whole: Mapping[str, Any] = {}
            directory = ""
            for path in names:
                file = self._file(where, posixpath.dirname(name), path)
                if file is None or depth > _DEPTH:
                    continue
                own = self._content(where, file)
                if not directory:
                    asked = entry.get("project_directory") if isinstance(entry, Mapping) else None
                    directory = self._directory(where, name, str(asked), file) if asked else posixpath.dirname(file)
                below = self.included(file, own, depth + 1)
                found |= below
                own = self.extended(file, {key: value for key, value in own.items() if key != "include"}, depth)
                whole = merged(whole, own)
            if whole:
                whole = relocated(whole, directory)
                self._conflicts(where, names, content, whole)
                found[self._name(name, names[0])] = whole
        return found

    def _variables(self, where: str, name: str, entry: Mapping[str, Any]) -> None:
        """Hosts read the variables of an included file from these, as root, and other stacks' secrets are files of theirs."""
        given = entry.get("env_file")
        for path in given if isinstance(given, list) else [given] if given else []:
            file = self._file(f"{where}.env_file", posixpath.dirname(name), str(path))
            if file is not None and not _is_set(file):
                text, why = self._read(file)
                if text is None:
                    self._problems.append(f'{where}.env_file: "{path}" {why}')

    def _directory(self, where: str, name: str, asked: str, file: str) -> str:
        """Where an included project lies: Compose reads the .env there, which nobody but the release may have written."""
        there = posixpath.normpath(posixpath.join(posixpath.dirname(name), asked))
        if not (there == "." or posixpath.dirname(file) == there or file.startswith(f"{there}/")):
            self._problems.append(
                f'{where}.project_directory: "{asked}" does not hold {file}, and hosts would read the variables in its .env; '
                f'write "{posixpath.relpath(".", posixpath.dirname(name) or ".")}", or leave it out'
            )
            return posixpath.dirname(file)
        return there

    def extended(self, name: str, content: Mapping[str, Any], depth: int = 0) -> Mapping[str, Any]:
        """``content`` with every service as it is with what it extends."""
        services = content.get("services")
        if not isinstance(services, Mapping) or depth > _DEPTH:
            return content
        found = {key: self._service(name, services, str(key), service, ()) for key, service in services.items()}
        return {**content, "services": found}

    def _service(self, name: str, services: Mapping[str, Any], key: str, service: Any, seen: tuple[tuple[str, str], ...]) -> Any:
        given = service.get("extends") if isinstance(service, Mapping) else None
        if not given:
            return service
        where = f"{name}: services.{key}.extends"
        base = str(given.get("service") or "") if isinstance(given, Mapping) else str(given)
        file = str(given.get("file") or "") if isinstance(given, Mapping) else ""
        own = {field: value for field, value in service.items() if field != "extends"}
        if (name, key) in seen:
            self._problems.append(f"{where}: forms a cycle ({' -> '.join(one for _, one in (*seen, (name, key)))})")
            return own
        source, path = services, name
        if file:
            found = self._file(where, posixpath.dirname(name), file)
            if found is None:
                return own
            path = found
            there = self._content(where, path).get("services")
            source = there if isinstance(there, Mapping) else {}
        if base not in source:
            known = ", ".join(sorted(map(str, source))) or "none"
            self._problems.append(f'{where}: {path} has no service "{base}"; it has {known}')
            return own
        taken = self._service(path, source, base, source[base], (*seen, (name, key)))
        if not isinstance(taken, Mapping):
            return own
        if file:
            away = posixpath.relpath(posixpath.dirname(path) or ".", posixpath.dirname(name) or ".")
            taken = relocated({"services": {base: taken}}, "" if away == "." else away)["services"][base]
        return merged({"services": {key: taken}}, {"services": {key: own}})["services"][key]

    def _file(self, where: str, directory: str, path: str) -> str | None:
        """The path below the stack's source; None, and said, when it is none that a release could have."""
        if path.startswith(_REMOTE) or "://" in path:
            self._problems.append(
                f'{where}: "{path}" comes from elsewhere, and hosts read nothing but the release; copy it into stack_source'
            )
            return None
        if "$" in path:
            self._problems.append(f'{where}: "{path}" has a variable that is not known here; write the path itself')
            return None
        if path.startswith(("/", "~")) or posixpath.normpath(posixpath.join(directory, path)).startswith(".."):
            self._problems.append(f'{where}: "{path}" must lie below stack_source, so that the release has it; copy it there')
            return None
        return self._name(posixpath.join(directory, "x"), path)

    @staticmethod
    def _name(beside: str, path: str) -> str:
        return posixpath.normpath(posixpath.join(posixpath.dirname(beside), path))

    def _content(self, where: str, file: str) -> Mapping[str, Any]:
        if file not in self._known:
            text, why = self._read(file)
            self._known[file] = None if text is None else self._parse(file, text)
            if text is None:
                self._problems.append(f'{where}: "{file}" {why}')
        return self._known[file] or {}

    def _conflicts(self, where: str, names: list[str], content: Mapping[str, Any], brought: Mapping[str, Any]) -> None:
        for element in _ELEMENTS:
            mine, theirs = content.get(element), brought.get(element)
            if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
                self._problems.extend(
                    f"{where}: {names[0]} has {element}.{key}, too, and Compose takes no two; rename one, or override it in "
                    "another file of stack.compose_files"
                    for key in mine
                    if key in theirs and mine[key] != theirs[key]
                )


def _is_set(file: str) -> bool:
    """Whether the deploy itself writes a file, from stack.env or the secrets of this stack."""
    return file.count("/") == 1 and file.partition("/")[0] in ("env", "secrets")


def relocated(content: Mapping[str, Any], directory: str) -> Mapping[str, Any]:
    """``content`` with the relative paths in it as they are from where ``directory`` lies."""
    if directory in ("", "."):
        return content
    services = content.get("services")
    found = {**content}
    if isinstance(services, Mapping):
        found["services"] = {name: _service(service, directory) for name, service in services.items()}
    for element in ("configs", "secrets"):
        given = content.get(element)
        if isinstance(given, Mapping):
            found[element] = {
                name: {**one, "file": _path(one["file"], directory)} if isinstance(one, Mapping) and one.get("file") else one
                for name, one in given.items()
            }
    return found


def _service(service: Any, directory: str) -> Any:
    if not isinstance(service, Mapping):
        return service
    found = {**service}
    for key in ("env_file", "label_file"):
        if key in service:
            found[key] = _each(service[key], lambda one: _file_entry(one, directory))
    if "volumes" in service:
        found["volumes"] = _each(service["volumes"], lambda one: _volume(one, directory))
    extended = service.get("extends")
    if isinstance(extended, Mapping) and extended.get("file"):
        found["extends"] = {**extended, "file": _path(extended["file"], directory)}
    return found


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, Override):
        return Override(_each(value.value, change))
    return [change(one) for one in value] if isinstance(value, list) else change(value)


def _file_entry(entry: Any, directory: str) -> Any:
    if isinstance(entry, Mapping):
        return {**entry, "path": _path(entry["path"], directory)} if entry.get("path") else entry
    return _path(entry, directory)


def _volume(entry: Any, directory: str) -> Any:
    if isinstance(entry, Mapping):
        return (
            {**entry, "source": _path(entry["source"], directory)}
            if entry.get("type") == "bind" and entry.get("source")
            else entry
        )
    if isinstance(entry, str) and entry.startswith("."):
        source, colon, rest = entry.partition(":")
        return f"{_path(source, directory)}{colon}{rest}"
    return entry


def _path(path: Any, directory: str) -> Any:
    if not isinstance(path, str) or path.startswith(("/", "~", "$")):
        return path
    found = posixpath.normpath(posixpath.join(directory, path))
    return found if found.startswith("..") else f"./{found}"
