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

from ansible_collections.morpheus.deploy.plugins.module_utils.base.interpolation import interpolated
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import data as compose_data
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected import dotenv, known_images, labels, reached
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.tagged import Override, Reset

SECRET = re.compile(
    r"pass(word|wd|phrase)?(_|\Z)|secret|token|api_?key|private_?key|credential|_key\Z|_dsn\Z|_pwd\Z", re.IGNORECASE
)
# Says how others are let in, or where a secret lies, and is none.
_NO_SECRET = re.compile(
    r"_FILE\Z|_HOST_AUTH_METHOD\Z|_EXPIRE|_TTL|_MINUTES\Z|_HOURS\Z|_DAYS\Z|_LENGTH\Z|_ENABLED\Z", re.IGNORECASE
)
# What a variable stands for where nobody gives it.
DEFAULT = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*):?-(?P<default>[^${}]*)\}")
OFF = "replaced-by-the-edge"


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

    def change(self, service: str, key: str, value: Any, why: str, how: str = "changed") -> None:
        self.override.setdefault("services", {}).setdefault(service, {})[key] = value
        self.say(f"services.{service}.{key}", how, why)


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


def proxies(needed: Needed, services: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Services that do the edge's work, which are turned off."""
    found = [name for name, one in services.items() if reached.is_proxy(one)]
    for name in found:
        needed.change(name, "profiles", [OFF], "the edge routes requests and has the certificates (edge_certificate_paths)")
        for key in ("ports", "volumes"):
            if key in services[name]:
                needed.change(name, key, Reset(), "it does not run")
    return found


def networks(needed: Needed, services: Mapping[str, Mapping[str, Any]], declared: Any) -> None:
    """The network of a proxy that is a project of its own."""
    for key, one in declared.items() if isinstance(declared, Mapping) else []:
        if not isinstance(one, Mapping) or not one.get("external"):
            continue
        if labels.networks(services) & {key, str(one.get("name"))}:
            # By its own name it would be the proxy's network again.
            own = {"external": False, **({"name": Reset()} if "name" in one else {})}
            needed.override.setdefault("networks", {})[key] = own
            needed.say(f"networks.{key}", "changed", "the proxy that the edge replaces is on it; nobody else is met there")


def entries(
    needed: Needed,
    services: Mapping[str, Mapping[str, Any]],
    ports: Mapping[str, int],
    site: str,
    health: str,
    known: Mapping[str, str],
) -> None:
    """stack.services, and published ports that are reached another way. ``known``: variables of the Compose file."""
    listed = []
    for number, (name, port) in enumerate(ports.items()):
        asked = health or reached.health(services[name])
        said = interpolated(labels.host(services[name]), known)
        labelled = "" if said.missing or "$" in said.text else said.text
        host = labelled or (site if number == 0 and site else f"{name}.{site or 'example.com'}")
        route = {"paths": ["/"]} if len(ports) == 1 and not site and not labelled else {"host": host}
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


def known(needed: Needed, services: Mapping[str, Mapping[str, Any]]) -> None:
    """What images need that many use, so that they start hardened."""
    for name, service in services.items():
        image = known_images.needs(str(service.get("image") or ""))
        if not image or service.get("user"):
            continue
        if image.capabilities and "cap_add" not in service:
            needed.change(name, "cap_add", list(image.capabilities), image.why)
        targets = [mount.target for mount in compose_data.mounts(service)]
        # The image declares a volume there, which only a mount at this very path takes the place of.
        above = [image.data] if image.data not in targets and any(one.startswith(f"{image.data}/") for one in targets) else []
        temporary = [*image.temporary, *above]
        # /tmp is given to everybody.
        if "tmpfs" not in service and temporary != ["/tmp"]:
            needed.change(name, "tmpfs", temporary, "its root is read-only")
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
                given = DEFAULT.fullmatch(value)
                found[name, key] = by_value.setdefault(value, vault(given["name"]) if given else vault(name, key))
    return found


def environment(needed: Needed, services: Mapping[str, Mapping[str, Any]], source: Source, variables: Mapping[str, str]) -> None:
    """Secrets out of the Compose file and out of env files that only a checkout has. ``variables``: those of Compose."""
    names = vaulted(services)
    # Of env files: several services read one, and it has one value.
    by_key = {key: variables[key] for key in needed.variables if key in variables}
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


def reads_dotenv(service: Mapping[str, Any]) -> bool:
    """Whether the service reads the team's .env, and no other file of a checkout: it is given all variables of a deploy."""
    return _checkout_files(service) == [".env"] and not _read_by_image(service)


def _own_env_files(needed: Needed, name: str, service: Mapping[str, Any], source: Source, by_key: dict[str, str]) -> None:
    own = _checkout_files(service)
    if not own:
        return
    files = [one for one in _listed(service.get("env_file")) if _path(one) not in own]
    if reads_dotenv(service):
        given = {"env/variables.env": needed.stack.get("variables"), "secrets/variables.env": needed.variables}
        files += [path for path, values in given.items() if values]
        why = ".env belongs to a checkout; a deploy writes all variables into these files"
        needed.change(name, "env_file", Override(files) if files else Reset(), why)
        return
    found: dict[str, str] = {}
    for path in own:
        found.update(dotenv.read(source.env_files.get(path, "")))
    # What stands under environment wins over any env file.
    read, own_pairs = _read_by_image(service), _pairs(service.get("environment"))
    found = {key: value for key, value in found.items() if key not in own_pairs and (not read or key.startswith(read))}
    plain = {key: value for key, value in found.items() if not value or not (SECRET.search(key) or dotenv.why_secret(key, value))}
    secret = [key for key in found if key not in plain]
    if plain:
        needed.stack.setdefault("env", {})[name] = plain
    if secret:
        needed.secrets.setdefault(name, {}).update(
            {key: vault(key) if by_key.setdefault(key, found[key]) == found[key] else vault(name, key) for key in secret}
        )
    files += [f"env/{name}.env"] if plain else []
    why = f"{', '.join(own)} belongs to a checkout; its values go into the inventory, and secrets into the vault"
    if read:
        why += f"; others than {', '.join(f'{one}*' if one.endswith('_') else one for one in read)} are not read by the image"
    needed.change(name, "env_file", Override(files) if files or secret else Reset(), why)


def _checkout_files(service: Mapping[str, Any]) -> list[str]:
    return [path for one in _listed(service.get("env_file")) if not (path := _path(one)).startswith(("env/", "secrets/"))]


def _read_by_image(service: Mapping[str, Any]) -> tuple[str, ...]:
    """How variables begin that a known image reads; empty where nobody knows. What else is mounted may read others."""
    image = known_images.needs(str(service.get("image") or ""))
    if not image or not all(f"{one.target}/".startswith(f"{image.data}/") for one in compose_data.mounts(service)):
        return ()
    return tuple(image.variables)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def _path(entry: Any) -> str:
    return str(entry.get("path") if isinstance(entry, Mapping) else entry).removeprefix("./")


def is_secret(key: str, value: str) -> bool:
    given = DEFAULT.fullmatch(value)
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
