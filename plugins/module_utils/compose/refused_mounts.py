# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service may not mount or read of its host, by whatever name: paths, named volumes, configs, secrets, env files. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.interpolation import substituted
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import keys as compose_keys
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.host_paths import is_socket, reaches_socket
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.refusals import (
    SOCKET,
    Project,
    Refusal,
    as_list,
    as_mapping,
    is_true,
)

_KEEP = "keep data in a named volume or in a directory of the stack (./data)"
_TYPES = ("bind", "image", "tmpfs", "volume")
_PRIVATE = ("", "private", "rprivate")
_PROPAGATIONS = ("private", "rprivate", "rshared", "rslave", "shared", "slave")
_READ = ("env_file", "label_file")
_NO_DOTENV = (
    "the .env of a project reaches no container: put its variables into stack.variables and stack_secret_variables, and write "
    "env_file: [env/variables.env, secrets/variables.env] for a service that reads them all"
)
_FROM_RELEASE = "use env/<name>.env (from stack.env) or secrets/<name>.env (from stack_secrets)"


@dataclass(frozen=True)
class _Mount:
    """``source``: as written. ``options``: of the short syntax, or the same words of the long one."""

    kind: str
    source: str
    writes: bool
    propagation: str = ""
    relabels: bool = False


def of_service(path: str, service: Mapping[str, Any], project: Project) -> Iterator[Refusal]:
    for key, mount in _mounts(service):
        yield from _of_mount(f"{path}.{key}", mount, project)
    yield from _nested(path, service, project)
    for key in _READ:
        for file, optional in _files(service.get(key)):
            # A variable could be anything; those that every release has stand there no more.
            if "$" in file or not project.own.is_file(file, optional):
                mend = "name it in stack.files" if key != "env_file" else _NO_DOTENV if _is_dotenv(file) else _FROM_RELEASE
                yield Refusal(key, f'{path}.{key}: "{file}" is not a file of the release', mend)


def with_files(model: Mapping[str, Any], written: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    """``model``, which Compose has resolved, with the files that services read: it takes them over and names none.

    ``written``: what Compose says of its files with variables unread. ``variables``: those that every release has.
    """
    said = as_mapping(written.get("services"))
    read = {name: {key: _substituted(one[key], variables) for key in _READ if key in one} for name, one in said.items()}
    services = {name: {**service, **read.get(name, {})} for name, service in as_mapping(model.get("services")).items()}
    return {**model, "services": services}


def _substituted(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _substituted(part, variables) for key, part in value.items()}
    if isinstance(value, list):
        return [_substituted(part, variables) for part in value]
    return substituted(value, variables) if isinstance(value, str) else value


def _is_dotenv(file: str) -> bool:
    return posixpath.normpath(file) == ".env"


def _mounts(service: Mapping[str, Any]) -> Iterator[tuple[str, _Mount]]:
    """(key that says it, mount)."""
    for entry in as_list(service.get("volumes")):
        yield "volumes", _long(entry) if isinstance(entry, Mapping) else _short(str(entry))
    for kind in ("configs", "secrets"):
        for use in as_list(service.get(kind)):
            yield kind, _Mount(kind, str(use.get("source") if isinstance(use, Mapping) else use), writes=False)


def _long(entry: Mapping[str, Any]) -> _Mount:
    bind = as_mapping(entry.get("bind"))
    return _Mount(
        str(entry.get("type") or "volume"),
        str(entry.get("source") or ""),
        not is_true(entry.get("read_only")),
        str(bind.get("propagation") or ""),
        bool(bind.get("selinux")),
    )


def _short(entry: str) -> _Mount:
    source, _, rest = entry.partition(":")
    if not rest:
        # A path in the container alone.
        return _Mount("volume", "", writes=True)
    options = rest.rpartition(":")[2].split(",")
    kind = "bind" if source.startswith(("/", ".", "~", "$")) else "volume"
    propagation = next((one for one in options if one in _PROPAGATIONS), "")
    return _Mount(kind, source, "ro" not in options, propagation, bool({"z", "Z"} & set(options)))


def _of_mount(path: str, mount: _Mount, project: Project) -> Iterator[Refusal]:
    if project.is_open(mount.source):
        # Only the host knows what it stands for, and judges again.
        return
    if mount.kind in ("configs", "secrets"):
        yield from _of_definition(path, mount, project)
    elif mount.kind == "volume":
        yield from _of_volume(path, mount, project)
    elif mount.kind == "bind":
        yield from _of_path(path, mount, project)
    elif mount.kind not in _TYPES:
        yield Refusal("volumes", f'{path}: the type "{mount.kind}" is not one of {", ".join(_TYPES)}')


def _of_path(path: str, mount: _Mount, project: Project) -> Iterator[Refusal]:
    source = mount.source
    here = project.own.absolute(source)
    if reaches_socket(here):
        text = f'{path}: "{source}" gives the engine\'s socket, which makes the service root on the host'
        yield Refusal(SOCKET, text)
    name = project.own.name(here)
    # All of the project directory is what file_mounts judges.
    if name != "." and not is_socket(here) and not project.own.may_mount(here, mount.writes, mount.relabels):
        yield Refusal("volumes", f'{path}: "{source}" belongs to the host', _KEEP)
    elif project.own.is_set(name):
        yield Refusal("volumes", f'{path}: "{source}" is written by the deploy itself (from stack.env)', _KEEP)
    if mount.propagation not in _PRIVATE:
        text = f'{path}: "{source}" is mounted with propagation {mount.propagation}, so that mounts pass between service and host'
        yield Refusal("volumes", text, "remove the propagation")


def _of_volume(path: str, mount: _Mount, project: Project) -> Iterator[Refusal]:
    volume = project.definition("volumes", mount.source)
    options = as_mapping(volume.get("driver_opts"))
    device = str(options.get("device") or "")
    if device.startswith(("/", ".", "~")) and reaches_socket(project.own.absolute(device)):
        text = f'{path}: "{device}" gives the engine\'s socket, which makes the service root on the host'
        yield Refusal(SOCKET, text)
    for what in _odd_volume(volume, options, project):
        yield Refusal("volumes", f"{path}: the volume {mount.source} {what}", "declare it without")


def _odd_volume(volume: Mapping[str, Any], options: Mapping[str, Any], project: Project) -> Iterator[str]:
    driver = str(volume.get("driver") or "local")
    if driver != "local" and not project.is_open(driver):
        yield f'has the driver "{driver}", a program of the host'
    if options:
        yield f"has driver_opts ({', '.join(sorted(map(str, options)))}), which can show any directory of the host"
    if volume.get("external") not in (None, False, "false"):
        yield "is external, so it may be another stack's"
    unknown = compose_keys.unknown_keys("volumes", volume)
    if unknown:
        yield f"has {', '.join(unknown)}, which nobody has reviewed yet"


def _of_definition(path: str, mount: _Mount, project: Project) -> Iterator[Refusal]:
    definition = project.definition(mount.kind, mount.source)
    file = _source(mount, project)
    if file and not project.is_open(file):
        yield from _of_path(path, _Mount("bind", file, writes=False), project)
        name = project.own.name(project.own.absolute(file))
        # Of a relative path, file_mounts and secret_files say it on the controller, with what to do.
        if name and not project.own.is_file(file) and (file.startswith("/") or not project.written):
            yield Refusal("volumes", f'{path}: "{file}" is not a file of the release', "name it in stack.files")
    unknown = compose_keys.unknown_keys(mount.kind, definition)
    if unknown:
        text = f"{path}: {mount.kind}.{mount.source} has {', '.join(unknown)}, which nobody has reviewed yet"
        yield Refusal(mount.kind, text)


def _nested(path: str, service: Mapping[str, Any], project: Project) -> Iterator[Refusal]:
    """Data in a directory that a service can write to: a link that it makes there would be followed by the engine, as root."""
    writers = list(_writers(project))
    for key, mount in _mounts(service):
        here = _data(mount, project)
        for writer, directory in writers:
            if here.startswith(f"{directory}/") or (directory == "." and here not in ("", ".")):
                text = (
                    f'{path}.{key}: "{_source(mount, project)}" lies in ./{directory}, where services.{writer} could put a link '
                    "to anything of the host"
                )
                yield Refusal("volumes", text, "mount a directory that nothing else writes to")
                break


def _writers(project: Project) -> Iterator[tuple[str, str]]:
    """(service, directory of data that it can write to)."""
    for name, service in as_mapping(project.model.get("services")).items():
        for _, mount in _mounts(as_mapping(service)):
            here = _data(mount, project)
            if here and mount.writes:
                yield name, here


def _data(mount: _Mount, project: Project) -> str:
    """Path below the project directory of what a service mounts and no release ships; empty for anything else."""
    source = _source(mount, project)
    if not source or project.is_open(source):
        return ""
    name = project.own.name(project.own.absolute(source))
    return "" if not name or name.partition("/")[0] == "secrets" or project.own.ships(name) else name


def _source(mount: _Mount, project: Project) -> str:
    """The path of the host as written; empty when it mounts none."""
    if mount.kind in ("configs", "secrets"):
        return str(project.definition(mount.kind, mount.source).get("file") or "")
    return mount.source if mount.kind == "bind" else ""


def _files(value: Any) -> list[tuple[str, bool]]:
    """(path, whether it may be missing)."""
    found = [entry if isinstance(entry, Mapping) else {"path": entry} for entry in as_list(value)]
    return [(str(entry.get("path")), entry.get("required") in (False, "false")) for entry in found]
