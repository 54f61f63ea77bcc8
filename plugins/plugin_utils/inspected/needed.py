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

import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.base.interpolation import interpolated
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import data as compose_data
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import known_images
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected import labels, reached
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.tagged import Override, Reset

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
    Compose; ``secret_files``: stack_secret_files; ``values``: of those variables of the vault whose secret stands in an env file
    of the team's; ``release``: the tag that the team's images have in the Compose file; ``stand_ins``: of variables that a person
    is to fill in, what is accepted in their place.
    """

    rows: list[Row] = field(default_factory=list)
    override: dict[str, Any] = field(default_factory=dict)
    stack: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    secret_files: dict[str, dict[str, Any]] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict, repr=False)
    release: str = ""
    stand_ins: dict[str, str] = field(default_factory=dict)

    @property
    def filled_in(self) -> dict[str, Any]:
        """``stack``, as it is checked before a person has filled in what nobody gives."""
        return {**self.stack, "variables": self.stack["variables"] | self.stand_ins} if self.stand_ins else self.stack

    def say(self, place: str, how: str, said: str) -> None:
        self.rows.append(Row(place, how, said))

    def holds(self, variable: str, value: str) -> None:
        """``variable``: of the vault, as ``vault`` gives it. What is empty is left to whoever fills it in."""
        if value:
            self.values.setdefault(variable.strip("{ }"), value)

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


def _versioned(needed: Needed) -> None:
    if needed.stack["services"]:
        said = (
            "where a health endpoint's JSON names the release that answers, write that field into health.version (as version): a "
            "gate then takes no other release for the new one"
        )
        needed.say("stack.services", "given", said)


def entries(
    needed: Needed,
    services: Mapping[str, Mapping[str, Any]],
    seen: Mapping[str, Mapping[str, Any]],
    ports: Mapping[str, int],
    site: str,
    health: str,
    known: Mapping[str, str],
) -> None:
    """stack.services, and published ports that are reached another way. ``seen``: services with variables in place where they
    publish ports; ``known``: variables of the Compose file.
    """
    listed = []
    for number, (name, port) in enumerate(ports.items()):
        service = services[name]
        asked = health or reached.health(service)
        own = site if number == 0 and site else f"{name}.{site or 'example.com'}"
        routes = _labelled(service, services, own, known)
        if not routes:
            routes = [{"paths": ["/"]} if len(ports) == 1 and not site else {"host": own}]
        listed.append({"name": name, "port": port, "routes": routes, "health": {"path": asked or "/"}})
        where = ", ".join(f"{route.get('host', '')}{path}" for route in routes for path in route.get("paths", ["/"]))
        where = "any host's /" if where == "/" else where
        needed.say(
            f"services.{name}", "given", f"users reach port {port} through the edge, by {where}{_loopback(seen[name], port)}"
        )
        if not asked:
            said = "which path answers 200 when it is well? / is assumed (health.path in stack.services)"
            needed.say(f"services.{name}", "yours", said)
        if service.get("container_name"):
            _unnamed(needed, services, name)
        _told(needed, services, name)
    needed.stack["services"] = listed
    _versioned(needed)
    for name, service in services.items():
        found = reached.published(seen[name])
        open_ports = [one for one in found if not one.address]
        if name in ports and service.get("ports"):
            why = "requests come through the edge, and two replicas cannot share a port"
            others = reached.others(service, seen[name], ports[name])
            if others:
                shown = list(dict.fromkeys(port for _, port in others))
                those = ("port", "is", "it", "it is") if len(shown) == 1 else ("ports", "are", "them", "they are")
                why += (
                    f"; {those[0]} {', '.join(shown)} {those[1]} not routed: only services of the stack reach {those[2]} from "
                    f"now on. Where {those[3]} needed, write ports: !override {_flow([entry for entry, _ in others])} here, and "
                    f"in the inventory hardening: {{exempt: {{{name}: [ports]}}}}; each deploy interrupts the service then"
                )
            needed.change(name, "ports", Reset(), why)
        elif open_ports:
            kept = [entry for entry, one in zip(service["ports"], found, strict=True) if one.address]
            why = (
                "the host's own port is open past edge and firewall; services reach it by its name. Where users need it, take "
                f"this line out, and write in the inventory hardening: {{exempt: {{{name}: [ports]}}}}"
            )
            needed.change(name, "ports", Override(kept) if kept else Reset(), why)
        if name not in ports and labels.is_routed(service) and not service.get("profiles"):
            routes = _labelled(service, services, f"{name}.{site or 'example.com'}", known) or [{"host": "<host>"}]
            said = (
                "a proxy sends it requests, and nothing says to which port; write into stack.services: "
                f"{{name: {name}, port: <port>, routes: {_flow(routes)}, health: {{path: /}}}}"
            )
            needed.say(f"services.{name}", "yours", said)
            _told(needed, services, name)


def _flow(listed: list[Any]) -> str:
    return yaml.safe_dump(listed, default_flow_style=True, sort_keys=False, width=1000).strip()


def _labelled(
    service: Mapping[str, Any], services: Mapping[str, Mapping[str, Any]], own: str, known: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Routes as a proxy was told, with variables in place; ``own``: the host where only paths are said."""
    paths: dict[str, list[str]] = {}
    for one in labels.matches(service):
        said = interpolated(one.host, known)
        if said.missing or "$" in said.text:
            return []
        paths.setdefault(said.text or own, []).append(one.path or "/")
    stripped, sticky = labels.stripped(service, services), labels.is_sticky(service)
    routes = []
    for host, each in paths.items():
        for cut in (False, True):
            some = [path for path in each if (path.rstrip("/") in stripped) == cut]
            if some:
                route: dict[str, Any] = {"host": host, **({} if some == ["/"] else {"paths": some})}
                routes.append(route | ({"strip_prefix": True} if cut else {}) | ({"sticky": True} if sticky else {}))
    return routes


def _told(needed: Needed, services: Mapping[str, Mapping[str, Any]], name: str) -> None:
    """What a proxy was told besides, and nobody carries over."""
    for rule in labels.unread(services[name]):
        said = f"the rule {rule} says more than hosts and beginnings of paths; write its routes into stack.services"
        needed.say(f"services.{name}.labels", "yours", said)
    for middleware, mend in labels.left_over(services[name], services).items():
        needed.say(f"services.{name}.labels", "yours", f"the middleware {middleware} is not carried over: {mend}")


def _loopback(service: Mapping[str, Any], port: int) -> str:
    addresses = {one.address for one in reached.published(service) if one.port == port}
    return "; the proxy that asks it on this host now has nothing to do then" if addresses and "" not in addresses else ""


def _unnamed(needed: Needed, services: Mapping[str, Mapping[str, Any]], name: str) -> None:
    fixed = str(services[name]["container_name"])
    needed.change(name, "container_name", Reset(), "old and new replicas live side by side")
    asking = [other for other, one in services.items() if other != name and fixed not in services and _asks(one, fixed)]
    if asking:
        said = f"{', '.join(asking)} may ask it by {fixed}, which is gone: let them ask {name}"
        needed.say(f"services.{name}.container_name", "yours", said)


def _asks(service: Mapping[str, Any], name: str) -> bool:
    """Whether the service seems to reach another one by this name."""
    written = re.compile(rf"(?://|@){re.escape(name)}(?![\w.-])|(?<![\w./-]){re.escape(name)}:\d")
    pairs = [str(one).partition("=") for one in strings([service.get("links"), service.get("environment")])]
    given = service.get("environment")
    pairs += [(str(key), "=", str(value)) for key, value in given.items()] if isinstance(given, Mapping) else []
    texts = [one for key in ("environment", "command", "entrypoint") for one in strings(service.get(key))]
    called = any(value == name and re.search(r"HOST|SERVER|ADDR|UPSTREAM", key, re.IGNORECASE) for key, _, value in pairs)
    return called or any(written.search(text) for text in texts)


def known(needed: Needed, services: Mapping[str, Mapping[str, Any]]) -> None:
    """What images need that many use, so that they start hardened."""
    for name, service in services.items():
        image = known_images.needs(str(service.get("image") or ""))
        if not image:
            continue
        is_root = str(service.get("user") or "0").partition(":")[0] in ("0", "root")
        if image.capabilities and "cap_add" not in service and is_root:
            needed.change(name, "cap_add", list(image.capabilities), image.why)
        targets = [mount.target for mount in compose_data.mounts(service)]
        # The image declares a volume there, which only a mount at this very path takes the place of.
        is_below = image.data and image.data not in targets and any(one.startswith(f"{image.data}/") for one in targets)
        if is_below and image.data == known_images.NEW_POSTGRES_DATA and not _keeps_below(service, targets):
            said = (
                f"from version 18 on the data lie in {image.data}, which is no volume; write a tag below 18, whose data lie "
                f"where the volume is, or mount {image.data}"
            )
            needed.say(f"services.{name}.volumes", "yours", said)
        temporary = [*image.temporary, *([image.data] if is_below else [])]
        # /tmp is given to everybody.
        if "tmpfs" not in service and temporary != ["/tmp"]:
            needed.change(name, "tmpfs", temporary, "its root is read-only")
        if image.data and not any(f"{one}/".startswith(f"{image.data}/") or image.data.startswith(f"{one}/") for one in targets):
            needed.change(
                name, "volumes", [f"{name}-data:{image.data}"], "its data lie there, and would be lost with each replica"
            )
            needed.override.setdefault("volumes", {})[f"{name}-data"] = {}


def _keeps_below(service: Mapping[str, Any], targets: Collection[str]) -> bool:
    """Whether a database is told to keep its data in one of the mounts."""
    given = service.get("environment")
    lines = [f"{key}={value}" for key, value in given.items()] if isinstance(given, Mapping) else strings(given)
    places = [value for key, _, value in (line.partition("=") for line in lines) if key == "PGDATA"]
    return any(f"{place}/".startswith(f"{target}/") for place in places for target in targets)


def vault(*parts: str) -> str:
    """What the vault's variable of this name has."""
    name = re.sub(r"[^a-z0-9]+", "_", "_".join(parts).lower()).strip("_")
    return f"{{{{ vault_{name} }}}}"


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else []:
        yield from strings(part)
