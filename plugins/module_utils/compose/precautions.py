# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release would do to data and networks that are on a host already, found before anything is changed there.

Two of these are about Compose: from 2.31 on it stops every container on a network whose definition has changed, whatever it was
told to leave alone; and it keeps a volume whose definition has changed as it is, without a word or after a question to nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_interface
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.compose import data as compose_data
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import model as compose_model
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import rules as compose_rules
from ansible_collections.morpheus.deploy.plugins.module_utils.service.mounted import Mounted

_HASH = "com.docker.compose.config-hash"
_NETWORK = "com.docker.compose.network"
_COMPOSE = "com.docker.compose."

Definition = Mapping[str, Any]


@dataclass(frozen=True)
class Here:
    """What is on a host. ``networks`` and ``volumes``: name -> as the engine inspects it, without what does not exist.

    ``declared``: service -> paths of its new image's VOLUME. ``live``: the project of the live release, as Compose resolves it;
    empty where its files say the same.
    """

    mounted: Sequence[Mounted] = ()
    networks: Mapping[str, Definition] = field(default_factory=dict)
    volumes: Mapping[str, Definition] = field(default_factory=dict)
    declared: Mapping[str, Sequence[str]] = field(default_factory=dict)
    live: Definition = field(default_factory=dict)


def problems(model: Definition, ground: compose_data.Ground, here: Here) -> list[str]:
    """Why this release must not be rolled out here, each beginning with its path in the Compose files."""
    running = compose_model.services(model)
    found = [problem for name, service in running.items() for problem in compose_data.problems(name, service, ground)]
    found += _undeclared(running, here)
    found += two_writers(model, ground, here)
    found += [str(one) for one in network_divergences(model, here)]
    return found + _volume_problems(model, here)


def two_writers(model: Definition, ground: compose_data.Ground, here: Here) -> list[str]:
    """Data that would pass from one service to another, which would write it before the one has ended."""
    running = compose_model.services(model)
    found = []
    for name, service in running.items():
        own = {mounted.source for mounted in here.mounted if mounted.service == name}
        for source, words in _written(model, service, ground):
            for other in here.mounted:
                moves = other.service != name and other.source == source and other.writable and source not in own
                if moves and source not in _all_sources(model, running.get(other.service, {})):
                    lost = (
                        f"{other.service} no longer mounts it"
                        if other.service in running
                        else f"it has no {other.service} any more"
                    )
                    found.append(
                        f"services.{name}.volumes: {other.container} runs and {words}, and in this release {lost}, so two "
                        f"would write at once; let {other.service} keep it, or stop {other.container} before (docker stop "
                        f"{other.container})"
                    )
    return found


@dataclass(frozen=True)
class Divergence:
    """A network that exists and is not as the files say. ``stops``: whether Compose may stop every container on it."""

    key: str
    name: str
    what: str
    stops: bool
    mend: str

    def __str__(self) -> str:
        return f"networks.{self.key}: {self.what}; {self.mend}"


def network_divergences(model: Definition, here: Here) -> list[Divergence]:
    """Networks that services use and that Compose could not use, or would recreate under the containers on them."""
    found = []
    for key, wanted, exists in _used(model, "networks", here.networks):
        name = str(wanted["name"])
        labels = (exists or {}).get("Labels") or {}
        if wanted.get("external"):
            if exists is None:
                mend = f"make it with docker network create {name}"
                found.append(Divergence(key, name, f'the network "{name}" is external and is not on this host', False, mend))
        elif exists and labels.get(_NETWORK) != key:
            owner = f"belongs to networks.{labels[_NETWORK]}" if _NETWORK in labels else "was not made by Compose"
            mend = "give this one another name, or write external: true to use that one"
            found.append(Divergence(key, name, f'the network "{name}" exists already and {owner}', False, mend))
        elif exists:
            live = _flat_network(((here.live.get("networks") or {}).get(key)) or {})
            differences = _differences(_flat_network(wanted), _flat_existing_network(exists), live)
            if differences:
                mend = (
                    f"a network cannot be changed under the containers on it: declare another one ({key}2) as you want it, list "
                    f"both under the services for one release, and drop {key} in the next; or change it back"
                )
                what = f'the network "{name}" exists with {"; ".join(differences)}'
                found.append(Divergence(key, name, what, _HASH in labels, mend))
    return found


def _undeclared(running: Mapping[str, Definition], here: Here) -> Iterator[str]:
    for name, service in running.items():
        for path in compose_data.missing_volumes(service, here.declared.get(name, ())):
            now = [one for one in here.mounted if one.service == name and one.kind == "volume" and one.target == path]
            running_now = (now[0].container, now[0].source) if now else None
            yield compose_data.missing_volume_problem(name, str(service.get("image")), path, running_now)


def _volume_problems(model: Definition, here: Here) -> list[str]:
    found = []
    for key, wanted, exists in _used(model, "volumes", here.volumes):
        name = str(wanted["name"])
        if wanted.get("external"):
            if exists is None:
                found.append(
                    f'volumes.{key}: the volume "{name}" is external and is not on this host; make it with docker volume '
                    f"create {name}"
                )
        elif exists:
            has = _flat(exists.get("Driver"), "local", exists.get("Options"), exists.get("Labels"))
            live = _flat_volume(((here.live.get("volumes") or {}).get(key)) or {})
            differences = _differences(_flat_volume(wanted), has, live)
            if differences:
                found.append(
                    f'volumes.{key}: the volume "{name}" exists with {"; ".join(differences)}, and the engine would keep it as '
                    "it is; "
                    f"change it back, or declare another one ({key}2), copy the data and mount that"
                )
    return found


def missing_data(model: Definition, existing: Mapping[str, Definition]) -> dict[str, str]:
    """Key -> name of each volume that a replica of the project has to have, and that is not here. Not the external ones: these
    are no part of a release. ``existing``: volumes, by name.
    """
    running = {name: one for name, one in compose_model.services(model).items() if compose_rules.replicas(one)}
    used = _used({**model, "services": running}, "volumes", existing)
    return {key: str(wanted["name"]) for key, wanted, exists in used if exists is None and not wanted.get("external")}


def lost_data(lost: Mapping[str, str]) -> list[str]:
    """Sentences on volumes that a release had here and that somebody has removed since."""
    return [
        f'volumes.{key}: the volume "{name}" is not on this host any more, and what was in it is gone: a replica that is started '
        f"now would begin with an empty one. Restore it from a backup; or, to begin with nothing: docker volume create {name}"
        for key, name in sorted(lost.items())
    ]


def _used(
    model: Definition, kind: str, existing: Mapping[str, Definition]
) -> Iterator[tuple[str, Definition, Definition | None]]:
    """(key, definition, what exists of its name) of each network or volume that a service mounts or joins."""
    used = set()
    for service in (model.get("services") or {}).values():
        if kind == "networks":
            used |= set(service.get("networks") or ())
        else:
            used |= {mount.source for mount in compose_data.mounts(service) if mount.kind == "volume"}
    for key, wanted in sorted((model.get(kind) or {}).items()):
        if key in used and wanted and wanted.get("name"):
            yield key, wanted, existing.get(wanted["name"])


def left_behind(model: Definition, live: Definition) -> dict[str, str]:
    """Name of each volume of the stack's own that services of the live release mount and none of ``model`` -> these services."""
    kept = set(names(model, "volumes"))
    found: dict[str, str] = {}
    for key, volume, _ in _used(live, "volumes", {}):
        users = [
            name
            for name, service in (live.get("services") or {}).items()
            if any(mount.kind == "volume" and mount.source == key for mount in compose_data.mounts(service))
        ]
        if volume["name"] not in kept and not volume.get("external"):
            found[str(volume["name"])] = ", ".join(sorted(users))
    return found


def names(model: Definition, kind: str) -> list[str]:
    """Names of the networks or volumes that services of the project use."""
    return [str(wanted["name"]) for _, wanted, _ in _used(model, kind, {})]


def _written(model: Definition, service: Definition, ground: compose_data.Ground) -> Iterator[tuple[str, str]]:
    """(source as a container shows it, what is done to it) of all data that a service writes and that is not shared."""
    claimed = {claim.data: claim.words for claim in compose_data.claims(service, ground) if claim.key == "volumes"}
    for mount in compose_data.mounts(service):
        words = claimed.get(mount.source if mount.kind == "volume" else ground.name(mount.source)) if mount.source else None
        if words:
            yield _source(model, mount), words


def _all_sources(model: Definition, service: Definition) -> set[str]:
    return {_source(model, mount) for mount in compose_data.mounts(service)}


def _source(model: Definition, mount: compose_data.Mount) -> str:
    definition = (model.get("volumes") or {}).get(mount.source) or {} if mount.kind == "volume" else {}
    return str(definition.get("name") or mount.source)


def _differences(wanted: Mapping[str, str], exists: Mapping[str, str], live: Mapping[str, str]) -> list[str]:
    """``live``: what the live release says. The engine adds options of its own, so what the files do not say counts only if "
    "they did."""
    found = [f"{key} {exists.get(key, 'not set')}, expected {value}" for key, value in wanted.items() if exists.get(key) != value]
    gone = [key for key in exists if key not in wanted and (key in live or key.startswith("labels."))]
    return found + [f"{key} {exists[key]}, which is no longer declared" for key in gone]


def _flat_network(wanted: Definition) -> dict[str, str]:
    found = _flat(wanted.get("driver"), "bridge", wanted.get("driver_opts"), wanted.get("labels"))
    found |= {key: _text(bool(wanted.get(key))) for key in ("internal", "attachable")}
    if wanted.get("enable_ipv6") is not None:
        found["enable_ipv6"] = _text(wanted["enable_ipv6"])
    ipam = wanted.get("ipam") or {}
    if ipam.get("driver"):
        found["ipam.driver"] = str(ipam["driver"])
    return found | _pools(ipam.get("config") or [], "subnet", "gateway", "ip_range", "aux_addresses")


def _flat_existing_network(exists: Definition) -> dict[str, str]:
    found = _flat(exists.get("Driver"), "bridge", exists.get("Options"), exists.get("Labels"))
    found |= {key.lower(): _text(bool(exists.get(key))) for key in ("Internal", "Attachable")}
    found["enable_ipv6"] = _text(bool(exists.get("EnableIPv6")))
    ipam = exists.get("IPAM") or {}
    found["ipam.driver"] = str(ipam.get("Driver") or "default")
    return found | _pools(ipam.get("Config") or [], "Subnet", "Gateway", "IPRange", "AuxiliaryAddresses")


def _pools(pools: Sequence[Definition], subnet: str, gateway: str, ip_range: str, auxiliary: str) -> dict[str, str]:
    found = {}
    for pool in pools:
        network = _address(pool.get(subnet))
        found[f"ipam subnet {network}"] = "set"
        for key, name in ((gateway, "gateway"), (ip_range, "range")):
            if pool.get(key):
                found[f"ipam {name} of {network}"] = _address(pool[key])
        for name, address in (pool.get(auxiliary) or {}).items():
            found[f"ipam address {name} of {network}"] = _address(address)
    return found


def _address(text: Any) -> str:
    """An address or subnet, written in one way."""
    try:
        found = ip_interface(str(text))
    except ValueError:
        return str(text)
    return str(found.network) if "/" in str(text) else str(found.ip)


def _flat_volume(wanted: Definition) -> dict[str, str]:
    return _flat(wanted.get("driver"), "local", wanted.get("driver_opts"), wanted.get("labels"))


def _flat(driver: Any, default: str, options: Definition | None, labels: Definition | None) -> dict[str, str]:
    found = {"driver": str(driver or default)}
    found |= {f"driver_opts.{key}": _text(value) for key, value in (options or {}).items()}
    return found | {f"labels.{key}": _text(value) for key, value in (labels or {}).items() if not key.startswith(_COMPOSE)}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
