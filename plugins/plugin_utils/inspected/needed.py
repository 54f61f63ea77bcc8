# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Compose file needs beside it: an override with what Compose has words for, and lines of the inventory. Pure.

What a project needs is decided here; whether that is enough is decided by the controller's own checks and by nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.compose import data as compose_data
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected import dotenv, known_images, reached
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.tagged import Override, Reset

SECRET = re.compile(
    r"pass(word|wd|phrase)?(_|\Z)|secret|token|api_?key|private_?key|credential|_key\Z|_dsn\Z|_pwd\Z", re.IGNORECASE
)
# Says how others are let in, or where a secret lies, and is none.
_NO_SECRET = re.compile(
    r"_FILE\Z|_HOST_AUTH_METHOD\Z|_EXPIRE|_TTL|_MINUTES\Z|_HOURS\Z|_DAYS\Z|_LENGTH\Z|_ENABLED\Z", re.IGNORECASE
)
# What a variable stands for where nobody gives it.
_DEFAULT = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*):?-(?P<default>[^${}]*)\}")
OFF = "replaced-by-the-edge"
# A person must look up which version of somebody else's image runs.
VERSION = "VERSION"


@dataclass
class Row:
    """``how``: accepted, given, changed, or yours."""

    place: str
    how: str
    said: str


@dataclass
class Needed:
    """``override``: of the Compose file; ``stack``: of the inventory; ``secrets``: stack_secrets; ``variables``: secret ones of
    Compose.
    """

    rows: list[Row] = field(default_factory=list)
    override: dict[str, Any] = field(default_factory=dict)
    stack: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    def say(self, place: str, how: str, said: str) -> None:
        self.rows.append(Row(place, how, said))

    def change(self, service: str, key: str, value: Any, why: str) -> None:
        self.override.setdefault("services", {}).setdefault(service, {})[key] = value
        self.say(f"services.{service}.{key}", "changed", why)


@dataclass(frozen=True)
class Source:
    """The directory of the Compose file: relative path -> size of each file, the text of those that are env files, and paths of
    private keys.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    env_files: Mapping[str, str] = field(default_factory=dict)
    keys: Collection[str] = ()

    def below(self, path: str) -> int:
        """Bytes of all files below a directory, hidden ones left out; 0 for none."""
        inside = [one for one in self.sizes if one.startswith(f"{path}/") and not PurePosixPath(one).name.startswith(".")]
        return sum(self.sizes[one] + 1 for one in inside)


def images(needed: Needed, services: Mapping[str, Mapping[str, Any]], ports: Mapping[str, int], project: str) -> None:
    """Each service has an image whose name says which version runs."""
    built = any("build" in service for service in services.values())
    for name, service in services.items():
        image = _DEFAULT.sub(lambda found: found["default"], str(service.get("image") or ""))
        if not image:
            release = f"{project}/{name}:${{STACK_RELEASE:?}}"
            needed.change(name, "image", release, "hosts build nothing; push it under this name, or write the one that you push")
            continue
        tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
        if "@" in image or tag not in ("", "latest"):
            continue
        bare = image.removesuffix(":latest")
        if "build" in service or (name in ports and not built):
            why = f'"{image}" does not say which version runs; the release of a deploy is its tag'
            needed.change(name, "image", f"{bare}:${{STACK_RELEASE:?}}", why)
        else:
            needed.change(name, "image", f"{bare}:{VERSION}", f'"{image}" does not say which version runs; write it')


def proxies(needed: Needed, services: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Services that do the edge's work, which are turned off."""
    found = [name for name, one in services.items() if reached.is_proxy(one)]
    for name in found:
        needed.change(name, "profiles", [OFF], "the edge routes requests and has the certificates (edge_certificate_paths)")
        for key in ("ports", "volumes"):
            if key in services[name]:
                needed.change(name, key, Reset(), "it does not run")
    return found


def entries(needed: Needed, services: Mapping[str, Mapping[str, Any]], ports: Mapping[str, int], site: str, health: str) -> None:
    """stack.services, and published ports that are reached another way."""
    listed = []
    for number, (name, port) in enumerate(ports.items()):
        asked = health or reached.health(services[name])
        host = site if number == 0 and site else f"{name}.{site or 'example.com'}"
        route = {"paths": ["/"]} if len(ports) == 1 and not site else {"host": host}
        listed.append({"name": name, "port": port, "routes": [route], "health": {"path": asked or "/"}})
        where = f"{host}/" if "host" in route else "any host's /"
        needed.say(f"services.{name}", "given", f"users reach port {port} through the edge, by {where}")
        if not asked:
            needed.say(f"services.{name}", "yours", "which path answers 200 when it is well? / is taken (health.path)")
        if services[name].get("container_name"):
            needed.change(name, "container_name", Reset(), "old and new replicas live side by side")
    needed.stack["services"] = listed
    for name, service in services.items():
        open_ports = [one for one in reached.published(service) if not one.address]
        if name in ports and service.get("ports"):
            needed.change(name, "ports", Reset(), "requests come through the edge, and two replicas cannot share a port")
        elif open_ports:
            kept = [entry for entry, one in zip(service["ports"], reached.published(service), strict=True) if one.address]
            why = "the host's own port is open past edge and firewall; services reach it by its name"
            needed.change(name, "ports", Override(kept) if kept else Reset(), why)


def policies(needed: Needed, services: Mapping[str, Mapping[str, Any]], ends: set[str]) -> None:
    for name, service in services.items():
        if "restart" not in service and name not in ends:
            needed.change(name, "restart", "unless-stopped", "or it stays down when it ends, or when the host was restarted")


def ending(services: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Services that others wait for to end."""
    waits = [one.get("depends_on") for one in services.values()]
    found = [(name, how) for one in waits if isinstance(one, Mapping) for name, how in one.items()]
    return {name for name, how in found if isinstance(how, Mapping) and "completed" in str(how.get("condition"))}


def known(needed: Needed, services: Mapping[str, Mapping[str, Any]]) -> None:
    """What images need that many use, so that they start hardened."""
    for name, service in services.items():
        image = known_images.needs(str(service.get("image") or ""))
        if not image or service.get("user"):
            continue
        if image.capabilities and "cap_add" not in service:
            needed.change(name, "cap_add", list(image.capabilities), image.why)
        if "tmpfs" not in service:
            needed.change(name, "tmpfs", list(image.temporary), "its root is read-only")
        targets = [mount.target for mount in compose_data.mounts(service)]
        if image.data and not any(f"{one}/".startswith(f"{image.data}/") or image.data.startswith(f"{one}/") for one in targets):
            needed.change(
                name, "volumes", [f"{name}-data:{image.data}"], "its data lie there, and would be lost with each replica"
            )
            needed.override.setdefault("volumes", {})[f"{name}-data"] = {}


def vaulted(services: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """(service, variable) -> the vault's variable; services that have one value in common have one of these in common."""
    found: dict[tuple[str, str], str] = {}
    by_value: dict[str, str] = {}
    for name, service in services.items():
        for key, value in _pairs(service.get("environment")).items():
            if is_secret(key, value):
                given = _DEFAULT.fullmatch(value)
                found[name, key] = by_value.setdefault(value, vault(given["name"]) if given else vault(name, key))
    return found


def environment(needed: Needed, services: Mapping[str, Mapping[str, Any]], source: Source) -> None:
    """Secrets out of the Compose file and out of env files that only a checkout has."""
    names = vaulted(services)
    # Of env files: several services read one, and it has one value.
    by_key: dict[str, str] = {}
    for name, service in services.items():
        _own_env_files(needed, name, service, source, by_key)
        pairs = _pairs(service.get("environment"))
        hidden = [key for key, value in pairs.items() if is_secret(key, value)]
        if not hidden:
            continue
        needed.secrets.setdefault(name, {}).update({key: names[name, key] for key in hidden})
        if isinstance(service["environment"], Mapping):
            value: Any = {key: Reset() for key in hidden}
        else:
            value = Override({key: one for key, one in pairs.items() if key not in hidden})
        needed.change(name, "environment", value, f"{', '.join(hidden)} would lie readable in every release; the vault gives it")
    for name, values in needed.secrets.items():
        files = needed.override["services"][name].setdefault("env_file", [])
        files_list = files.value if isinstance(files, Override) else files
        files_list.append(f"secrets/{name}.env")
        needed.say(f"stack_secrets.{name}", "given", f"{', '.join(sorted(values))}, from the vault")


def _own_env_files(needed: Needed, name: str, service: Mapping[str, Any], source: Source, by_key: dict[str, str]) -> None:
    given = service.get("env_file")
    listed = given if isinstance(given, list) else [given] if given else []
    paths = [str(one.get("path") if isinstance(one, Mapping) else one).removeprefix("./") for one in listed]
    own = [path for path in paths if not path.startswith(("env/", "secrets/"))]
    if not own:
        return
    found: dict[str, str] = {}
    for path in own:
        found.update(dotenv.read(source.env_files.get(path, "")))
    # What stands under environment wins over any env file.
    found = {key: value for key, value in found.items() if key not in _pairs(service.get("environment"))}
    plain = {key: value for key, value in found.items() if not SECRET.search(key) and not dotenv.why_secret(key, value)}
    secret = [key for key in found if key not in plain]
    if plain:
        needed.stack.setdefault("env", {})[name] = plain
    if secret:
        needed.secrets.setdefault(name, {}).update(
            {key: vault(key) if by_key.setdefault(key, found[key]) == found[key] else vault(name, key) for key in secret}
        )
    kept = [one for one, path in zip(listed, paths, strict=True) if path not in own]
    files = [*kept, *([f"env/{name}.env"] if plain else [])]
    why = f"{', '.join(own)} belongs to a checkout; its values go into the inventory, and secrets into the vault"
    needed.change(name, "env_file", Override(files) if files or secret else Reset(), why)


def is_secret(key: str, value: str) -> bool:
    given = _DEFAULT.fullmatch(value)
    value = given["default"] if given else value
    plain = not value or "$" in value or value.isdigit() or value.lower() in ("true", "false", "yes", "no")
    return bool(SECRET.search(key)) and not _NO_SECRET.search(key) and not plain


def vault(*parts: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", "_".join(parts).lower()).strip("_")
    return f"{{{{ vault_{name} }}}}"


def _pairs(given: Any) -> dict[str, str]:
    if isinstance(given, Mapping):
        return {str(key): _text(value) for key, value in given.items()}
    lines = [str(one).partition("=") for one in given] if isinstance(given, list) else []
    return {key: value for key, _, value in lines}


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else []:
        yield from strings(part)
