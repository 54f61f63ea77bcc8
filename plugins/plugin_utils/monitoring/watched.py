# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an environment says of its monitoring, typed, with the hosts and stacks that it watches; and every problem in it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema

GROUP = "monitoring"
SEVERITIES = ("page", "ticket")
# Kind of a receiver -> what it cannot be without.
NEEDS = {
    "webhook": ("url",),
    "slack": ("secret",),
    "email": ("to", "from", "smarthost"),
    "pagerduty": ("secret",),
}
# The fastest burn of a budget that is told: so many times as fast as it may be used up. A larger budget than this allows can
# never burn so fast.
FASTEST = 14.4
_SMALLEST_OBJECTIVE = 94.0
_SHARES = (
    *("connections_percent", "cpu_percent", "memory_free_percent", "disk_free_percent"),
    *("database_connections_percent", "ml_spend_percent"),
)
_OBJECTIVES = ("availability_percent", "latency_percent")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
_SECRET = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")
_SMARTHOST = re.compile(r"[^\s:/]+:\d{1,5}\Z")


@dataclass(frozen=True)
class Host:
    """How the monitoring reaches one: ``metrics`` is where its edge tells, ``edge`` where the edge serves users."""

    name: str
    metrics: str
    edge: str
    # The site whose certificate the edge shows; empty where it has none.
    site: str = ""
    runs_stacks: bool = True


@dataclass(frozen=True)
class Inventory:
    """``at``: the hosts of the group monitoring; ``urls``: what stacks say that users ask; ``caps``: limit -> number, of ml."""

    environment: str
    hosts: Sequence[Host] = ()
    at: Sequence[str] = ()
    urls: Sequence[str] = ()
    caps: Mapping[str, float] = field(default_factory=dict)
    # backup_hours, backup_buckets_hours and staging_data_days, as what makes backups and brings data has them.
    ages: Mapping[str, float] = field(default_factory=dict)


class Watched:
    """``problems`` is empty exactly when the rest can be used."""

    def __init__(self, raw: Any, options: Mapping[str, Any], inventory: Inventory) -> None:
        shape: list[str] = []
        self.given: dict[str, Any] = schema.typed({GROUP: raw}, {GROUP: options[GROUP]}, "", shape)[GROUP] or {}
        self.inventory = inventory
        found = list(self._meaning()) if isinstance(raw, Mapping) else []
        self.problems = schema.causes(shape, [f"{GROUP}.{problem}" for problem in found]) if raw is not None else []
        if isinstance(raw, Mapping):
            self.problems += self._of_hosts()

    @property
    def thresholds(self) -> Mapping[str, Any]:
        given: Mapping[str, Any] = self.given["thresholds"]
        return {name: self.inventory.ages.get(name) if value is None else value for name, value in given.items()}

    @property
    def receivers(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self.given["receivers"]
        return found

    @property
    def urls(self) -> list[str]:
        """Each once, those of the stacks first."""
        return list(dict.fromkeys([*self.inventory.urls, *self.given["urls"]]))

    @property
    def at(self) -> str:
        """The host on which the monitoring runs."""
        return self.inventory.at[0]

    @property
    def option(self) -> str:
        """Of every command in an alert."""
        return f"-i {self.given['inventory'] or f'inventories/{self.inventory.environment}'}"

    def _meaning(self) -> Iterator[str]:
        yield from self._of_thresholds()
        yield from self._of_receivers()
        if not self.urls:
            yield "urls: required, because no stack has a public_check; name what users ask"
        yield from (f'urls[{number}]: "{url}" is not an http or https URL' for number, url in self._wrong_urls())
        seconds = self.given["scrape_seconds"]
        if seconds is not None and not 5 <= seconds <= 60:
            yield f"scrape_seconds: must be from 5 to 60, not {seconds}; alerts look at the last five minutes"
        if self.given["repeat_hours"] == 0:
            yield "repeat_hours: 0 tells an alert again all the time; give the hours between"

    def _wrong_urls(self) -> Iterator[tuple[int, str]]:
        for number, url in enumerate(self.given["urls"]):
            parts = _parts(url)
            if url and not (parts and parts.scheme in ("http", "https") and parts.hostname):
                yield number, url

    def _of_thresholds(self) -> Iterator[str]:
        for name, value in self.thresholds.items():
            if value is None:
                continue
            if name in _SHARES and not 0 < value < 100:
                yield f"thresholds.{name}: {value:g} is no share in percent; give a number above 0 and below 100"
            elif name in _OBJECTIVES and not _SMALLEST_OBJECTIVE <= value < 100:
                yield (
                    f"thresholds.{name}: must be from {_SMALLEST_OBJECTIVE:g} to below 100, not {value:g}; with less "
                    "nothing is bad enough to be told"
                )
            elif value == 0:
                yield f"thresholds.{name}: 0 is always exceeded; give a number above 0"
        if self.thresholds["ml_spend_percent"] and self.inventory.caps and not self.given["database"]:
            yield "database: must be true, because ml.limits has caps and what is spent stands in the database"

    def _of_receivers(self) -> Iterator[str]:
        if not self.receivers:
            yield "receivers: required; without one nobody hears of an alert"
            return
        names = [receiver["name"] for receiver in self.receivers]
        for number, receiver in enumerate(self.receivers):
            first = names.index(receiver["name"])
            if first < number:
                yield f'receivers[{number}].name: "{receiver["name"]}" is already used by {GROUP}.receivers[{first}]'
            for problem in _of_receiver(receiver):
                yield f"receivers[{number}].{problem}"
        heard = {severity for receiver in self.receivers for severity in receiver["severities"] or []}
        for severity in SEVERITIES:
            if severity not in heard:
                yield f"receivers: nobody hears of alerts with severity {severity}; add it to the severities of one"

    def _of_hosts(self) -> Iterator[str]:
        at, hosts = self.inventory.at, {host.name: host for host in self.inventory.hosts}
        running = [host.name for host in self.inventory.hosts if host.runs_stacks]
        if len(at) != 1:
            seen = f"has {len(at)} hosts ({', '.join(at)})" if at else "has no host"
            yield f"{GROUP}: the group {GROUP} of the inventory {seen}; it must have one, on which the monitoring runs"
        for name in at:
            if name not in running:
                yield f"{GROUP}: {name} of the group {GROUP} must be in the group app, too, because stacks run on its hosts"
        for host in hosts.values():
            address = host.metrics.rpartition(":")[0]
            if _is_loopback(address):
                yield (
                    f'edge_metrics_address: "{host.metrics}" of {host.name} is reached from there alone, and the monitoring asks '
                    "too; give an address of its private network, <address>:<port>"
                )


def _of_receiver(receiver: Mapping[str, Any]) -> Iterator[str]:
    kind = receiver["kind"] or ""
    if receiver["name"] and not _NAME.match(receiver["name"]):
        yield f'name: "{receiver["name"]}" may hold only letters, digits, ".", "-" and "_"'
    if kind and kind not in NEEDS:
        yield f'kind: "{kind}" is not one of {", ".join(NEEDS)}'
    yield from (f"{key}: required for {kind}" for key in NEEDS.get(kind, ()) if not receiver[key])
    if kind == "webhook" and receiver["url"] and not _is_url(receiver["url"]):
        yield f'url: "{receiver["url"]}" is not an http or https URL without a password; what opens it belongs into secret'
    if receiver["secret"] and not _SECRET.match(receiver["secret"]):
        yield f'secret: "{receiver["secret"]}" is no name of a file in secret_files: lower-case letters, digits, - and _'
    if receiver["smarthost"] and not _SMARTHOST.match(receiver["smarthost"]):
        yield f'smarthost: "{receiver["smarthost"]}" is not <host>:<port>'
    if receiver["username"] and not receiver["secret"]:
        yield "secret: required, because username is given; the file with its password"
    severities = receiver["severities"]
    if severities is not None and not severities:
        yield "severities: is empty; take the receiver out, or the line"
    for number, severity in enumerate(severities or []):
        if severity and severity not in SEVERITIES:
            yield f'severities[{number}]: "{severity}" is not one of {", ".join(SEVERITIES)}'


def _parts(url: str) -> Any:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _is_url(url: str) -> bool:
    parts = _parts(url)
    return bool(parts and parts.scheme in ("http", "https") and parts.hostname and not parts.password)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address in ("", "localhost")
