# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a service only one replica may have at a time: data that it writes, and what exists once on a host.

Pure, and used twice like compose_rules: on the controller over the files as written, and on the host over what Compose resolves.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

# The host's own; what a service mounts of these is no data of its application.
_HOST_DIRECTORIES = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var/run"),
    *("/var/lib/docker", "/var/lib/containerd"),
)
# What the deploy itself writes beside the Compose files.
_WRITTEN = ("env", "secrets")
# A part of a short syntax: variables, with colons of their own, stay whole.
_PARTS = re.compile(r"((?:\$\{[^}]*\}|\[[^\]]*\]|[^:])*)(?::|\Z)")
_SECTIONS = ("update_config", "rollback_config")


@dataclass(frozen=True)
class Ground:
    """What tells data from a release's own files.

    ``shared``: names of stack.shared_volumes; ``shipped``: paths of a release's files; ``roots``: directories of the host that
    relative paths begin at; ``live``: directories of stack.live_files, which the deploy alone writes.
    """

    shared: Collection[str] = ()
    shipped: Collection[str] = ()
    roots: Collection[str] = ()
    live: Collection[str] = ()

    @classmethod
    def of(cls, stack: Stack, shipped: Iterable[str], roots: Iterable[str] = ()) -> Ground:
        """Of a stack's configuration; a release that an older version has prepared says nothing of shared volumes."""
        live = frozenset(posixpath.normpath(name) for name in stack.live_files)
        return cls(frozenset(stack.shared_volumes), frozenset(shipped), tuple(roots), live)

    def name(self, source: str) -> str:
        """A directory as the Compose files write it, whatever the host makes of it."""
        for root in self.roots:
            if source == root or source.startswith(f"{root.rstrip('/')}/"):
                source = posixpath.relpath(source, root)
                break
        if source.startswith(("/", "~")):
            return source.rstrip("/") or "/"
        path = posixpath.normpath(source)
        return path if path.startswith("..") else f"./{path}"

    def holds_data(self, source: str) -> bool:
        """Whether a directory that is mounted from the host is the application's data."""
        if "$" in source or source.endswith(".sock"):
            # What a variable says is known on the host only.
            return False
        name = self.name(source)
        if name.startswith("/"):
            return name != "/" and not any(name == own or name.startswith(f"{own}/") for own in _HOST_DIRECTORIES)
        below = posixpath.normpath(name)
        if below == "." or below.partition("/")[0] in _WRITTEN:
            return False
        if any(below == name or below.startswith(f"{name}/") for name in self.live):
            return False
        return not any(path == below or path.startswith(f"{below}/") for path in self.shipped)


@dataclass(frozen=True)
class Mount:
    """One mount of a service. ``kind``: volume, bind, tmpfs, ...; a volume without a ``source`` has no name."""

    kind: str
    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class Claim:
    """Something that two replicas must not have at once, in ``words`` about the service.

    ``data``: how stack.shared_volumes would name it. ``key``: where the service says it.
    """

    key: str
    words: str
    data: str = ""
    # Whether the host has it only once, so that a second replica could not even start.
    single: bool = False


def mounts(service: Mapping[str, Any]) -> list[Mount]:
    """Of ``volumes`` and ``tmpfs``, in both of Compose's syntaxes."""
    found = [mount for entry in _list(service.get("volumes")) if (mount := _mount(entry))]
    tmpfs = service.get("tmpfs")
    paths = [tmpfs] if isinstance(tmpfs, str) else _list(tmpfs)
    return found + [Mount("tmpfs", "", _target(str(path).partition(":")[0])) for path in paths]


def claims(service: Mapping[str, Any], ground: Ground) -> list[Claim]:
    found = _data_claims(service, ground)
    ports = _host_ports(service)
    if ports:
        words = f"has the host port {ports[0]}" if len(ports) == 1 else f"has the host ports {', '.join(ports)}"
        found.append(Claim("ports", words, single=True))
    addresses = _addresses(service)
    if addresses:
        found.append(Claim("networks", f"has the fixed address {', '.join(addresses)}", single=True))
    if service.get("container_name"):
        found.append(Claim("container_name", f"has the fixed name {service['container_name']}", single=True))
    if service.get("network_mode") == "host":
        found.append(Claim("network_mode", "uses the host's network"))
    return found


def reason(service: Mapping[str, Any], ground: Ground) -> str:
    """Why old and new replicas of the service may not live side by side; empty when they may."""
    return " and ".join(claim.words for claim in claims(service, ground))


def problems(name: str, service: Mapping[str, Any], ground: Ground) -> list[str]:
    """Findings about one service, each beginning with its path below ``services``."""
    path = f"services.{name}"
    found = [
        f'{path}.volumes: "{mount.target}" has no name, so what is written there is lost to the next replica; '
        f"{_lines(name, mount.target)}"
        for mount in mounts(service)
        if mount.kind == "volume" and not mount.source
    ]
    claimed = claims(service, ground)
    many = _replicas(service)
    if many > 1:
        found += [
            f"{path}.{claim.key}: {many} replicas are wanted, and the service {claim.words}, which only one can have; remove it, "
            "or set deploy.replicas to 1"
            for claim in claimed
            if claim.single and claim.key != "container_name"
        ]
    for section in _SECTIONS:
        said = ((service.get("deploy") or {}).get(section) or {}).get("order")
        if said == "start-first" and claimed:
            found.append(f"{path}.deploy.{section}.order: {_two_at_once(claimed)}")
    return found


def unknown_names(shared: Iterable[str], model: Mapping[str, Any], ground: Ground) -> list[str]:
    """Problems with the names in stack.shared_volumes."""
    volumes = model.get("volumes")
    named = {str(name) for name in volumes} if isinstance(volumes, Mapping) else set()
    for service in model["services"].values():
        if isinstance(service, Mapping):
            named |= {claim.data for claim in _data_claims(service, replace(ground, shared=()))}
    there = f"they have {', '.join(sorted(named))}" if named else "they have none"
    return [
        f'stack.shared_volumes[{number}]: the Compose files have no volume "{name}"; {there}'
        for number, name in enumerate(shared)
        if name not in named
    ]


def note(name: str, service: Mapping[str, Any], ground: Ground) -> str:
    """What users of a service that they reach should know before a deploy; empty when it is replaced without a gap."""
    why = reason(service, ground)
    if not why or _replicas(service) != 1:
        return ""
    return (
        f"services.{name}: a deploy that changes it interrupts it for as long as a new replica takes to start, because its only "
        f"replica {why}"
    )


def missing_volumes(service: Mapping[str, Any], declared: Iterable[str]) -> list[str]:
    """Paths of an image's VOLUME that the service does not mount: only the very path counts, a mount above it is covered."""
    mounted = {mount.target for mount in mounts(service)}
    return sorted({_target(path) for path in declared} - mounted)


def missing_volume_problem(name: str, image: str, path: str, running: tuple[str, str] | None = None) -> str:
    """``running``: (replica, volume) whose content is there now."""
    problem = (
        f'services.{name}.volumes: the image {image} declares the volume "{path}", and the service mounts nothing at this very '
        f"path, so what is written there is lost to the next replica; {_lines(name, path)}"
    )
    if running:
        problem += (
            f". What {running[0]} has there now lies in the volume {running[1]}: copy it into the new one before the deploy, "
            "or the service begins with an empty one"
        )
    return problem


def _lines(service: str, path: str) -> str:
    return (
        f'write volumes: ["{service}-data:{path}"] there and {service}-data: {{}} under the top-level volumes, '
        f'or tmpfs: ["{path}"] when its content may go'
    )


def _two_at_once(claimed: list[Claim]) -> str:
    words = " and ".join(claim.words for claim in claimed)
    text = f"start-first runs old and new at once, and the service {words}; write stop-first, or remove order"
    if all(claim.data for claim in claimed):
        text += f", or name {', '.join(claim.data for claim in claimed)} in stack.shared_volumes if two may write to it at once"
    return text


def _data_claims(service: Mapping[str, Any], ground: Ground) -> list[Claim]:
    found = []
    for mount in mounts(service):
        if mount.read_only or not mount.source:
            continue
        if mount.kind in ("volume", "cluster") and "$" not in mount.source:
            found.append(Claim("volumes", f"writes to the volume {mount.source}", mount.source))
        elif mount.kind == "bind" and ground.holds_data(mount.source):
            directory = ground.name(mount.source)
            found.append(Claim("volumes", f"writes to the directory {directory}", directory))
    for entry in _list(service.get("volumes_from")):
        other, _, mode = str(entry).removeprefix("container:").partition(":")
        if mode != "ro":
            found.append(Claim("volumes_from", f"writes to the volumes of {other}", other))
    return [claim for claim in dict.fromkeys(found) if claim.data not in ground.shared]


def _mount(entry: Any) -> Mount | None:
    if isinstance(entry, Mapping):
        kind, source = str(entry.get("type", "volume")), str(entry.get("source") or "")
        return Mount(kind, source, _target(str(entry.get("target", ""))), bool(entry.get("read_only")))
    if not isinstance(entry, str):
        return None
    parts = _split(entry)
    if len(parts) == 1:
        return Mount("volume", "", _target(parts[0])) if "$" not in parts[0] else None
    kind = "bind" if parts[0].startswith((".", "/", "~", "$")) else "volume"
    return Mount(kind, parts[0], _target(parts[1]), "ro" in ",".join(parts[2:]).split(","))


def _split(text: str) -> list[str]:
    parts = [match[1] for match in _PARTS.finditer(text)]
    return parts[:-1] if len(parts) > 1 and not parts[-1] else parts


def _target(path: str) -> str:
    return posixpath.normpath(path) if path else ""


def _host_ports(service: Mapping[str, Any]) -> list[str]:
    found = []
    for entry in _list(service.get("ports")):
        if isinstance(entry, Mapping):
            host, inside = str(entry.get("published") or ""), str(entry.get("target", ""))
        else:
            parts = _split(str(entry).partition("/")[0])
            host, inside = (parts[-2] if len(parts) > 1 else ""), parts[-1]
        # Without a number, and of a range for one port, the engine takes what is free.
        if host not in ("", "0") and ("-" not in host or "-" in inside or "$" in host):
            found.append(host)
    return list(dict.fromkeys(found))


def _addresses(service: Mapping[str, Any]) -> list[str]:
    found = [service.get("mac_address")]
    networks = service.get("networks")
    for network in networks.values() if isinstance(networks, Mapping) else ():
        if isinstance(network, Mapping):
            found += [network.get(key) for key in ("ipv4_address", "ipv6_address", "mac_address")]
            found += _list(network.get("link_local_ips"))
    return [str(address) for address in found if address]


def _replicas(service: Mapping[str, Any]) -> int:
    """One where it is a variable, whose value is known on the host only."""
    said = (service.get("deploy") or {}).get("replicas", service.get("scale", 1))
    return said if isinstance(said, int) else 1


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
