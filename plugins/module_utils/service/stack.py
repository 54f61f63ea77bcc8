# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack as its configuration describes it: typed, and parsed in one place.

Both sides have it: the controller from the configuration, a host from what a deploy brings or from a release's manifest. Parsing
refuses nothing. On the controller the problems of a configuration are told with their paths beside it, and a release that an
older version prepared, whose manifest lacks what came later, can be gone back to. What is missing has the default of the role
preflight.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.morpheus.deploy.plugins.module_utils.service.given import listed, said, texts
from ansible_collections.morpheus.deploy.plugins.module_utils.service.route import Route
from ansible_collections.morpheus.deploy.plugins.module_utils.service.routing import reached


@dataclass(frozen=True)
class HealthCheck:
    """When a replica may serve. Its verdict is a ``gate.Health``.

    ``host``, ``headers``, ``port`` and ``scheme``: how it is asked, where that is not said by routes and edge.
    """

    path: str = ""
    host: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    scheme: str = ""
    status: int = 200
    version: str = ""
    expect: str = ""
    successes: int = 3
    interval_seconds: float = 0.25
    timeout_seconds: float = 2.0
    deadline_seconds: float = 60.0

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> HealthCheck:
        words = dict.fromkeys(("path", "host", "scheme", "version", "expect"), str)
        seconds = dict.fromkeys(("interval_seconds", "timeout_seconds", "deadline_seconds"), float)
        headers = {str(name): str(value) for name, value in (given.get("headers") or {}).items()}
        return cls(headers=headers, **said(given, **words, **seconds, status=int, successes=int, port=int))

    @property
    def failing_seconds(self) -> float:
        """How long it may need to condemn a replica that has been admitted: ``successes`` bad answers, each with its timeout."""
        return self.successes * (self.interval_seconds + self.timeout_seconds)


@dataclass(frozen=True)
class Service:
    """One that the edge serves, or whose replicas are gated by an HTTP health check. The Compose files say the rest."""

    name: str
    port: int = 0
    routes: Sequence[Route] = ()
    health: HealthCheck | None = None
    # Until a replica without ``health`` must be well by Docker's own verdict; 0 leaves it to the healthcheck.
    deadline_seconds: float = 0.0
    # What replicas speak with the edge: "" is HTTP/1.1, "h2" HTTP/2 in plain, as gRPC does.
    protocol: str = ""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Service:
        health = given.get("health")
        return cls(
            str(given.get("name") or ""),
            int(given.get("port") or 0),
            tuple(map(Route.of, given.get("routes") or ())),
            HealthCheck.of(health) if health else None,
            float(given.get("deadline_seconds") or 0),
            str(given.get("protocol") or ""),
        )

    @property
    def asked_port(self) -> int:
        """Where a replica answers its health check."""
        return (self.health and self.health.port) or self.port

    def asked_with(self, scheme: str) -> tuple[tuple[str, str], ...]:
        """Headers of a question about its health, which are those of a user's request: an application may know no other host, and
        may redirect what did not come by TLS. ``scheme``: of users' requests, as the edge tells it; empty when nobody knows.
        """
        check = self.health or HealthCheck()
        host = check.host or next((route.host for route in self.routes if route.host and "*" not in route.host), "")
        proto = check.scheme or (scheme if self.routes else "")
        own = {"Host": host, "X-Forwarded-Proto": proto}
        return (*((name, value) for name, value in own.items() if value), *check.headers.items())


@dataclass(frozen=True)
class Migration:
    """``directory``: where the versions of the schema are; without it nobody knows of any. ``service``: empty where the engine is
    not "command". ``requires``: the version that must be applied; empty where that is the newest. ``ledger``: as ledger/tools.py
    calls it; ``reader``: name of the secret with a login that may read it. ``breaking``: version -> the oldest one that releases
    must be made for once it is applied.
    """

    service: str = ""
    engine: str = "command"
    requires: str = ""
    timeout_seconds: float = 300.0
    directory: str = ""
    compatible_since: str = ""
    accept_edited: Sequence[str] = ()
    preset: str = ""
    ledger: str = "supabase_migrations.schema_migrations"
    reader: str = ""
    breaking: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Migration:
        names = ("directory", "compatible_since", "engine", "requires", "preset", "ledger", "reader")
        more = said(given, **dict.fromkeys(names, str), timeout_seconds=float, accept_edited=listed, breaking=texts)
        return cls(str(given.get("service") or ""), **more)


@dataclass(frozen=True)
class Job:
    """A service that ends. ``hosts``: "one" when it runs on the first host of a deploy alone, "each" when on every one."""

    hosts: str = "one"
    timeout_seconds: float = 300.0

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Job:
        seconds = given.get("timeout_seconds")
        # What is no number is a problem of its own.
        more: dict[str, Any] = {"timeout_seconds": float(seconds)} if isinstance(seconds, int | float) else {}
        return cls(**said(given, hosts=str), **more)


@dataclass(frozen=True)
class Retention:
    """How many releases stay, and which (by id or name) stay whatever their age."""

    releases: int = 5
    pinned: Sequence[str] = ()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Retention:
        return cls(**said(given, releases=int, pinned=listed))


@dataclass(frozen=True)
class Stack:
    """``document``: the whole as it was given, which is what manifests hold and what the hash of a release is over.

    ``hardening`` is what compose/hardening.py reads (None: from before there was such a thing), ``public_check`` what
    edge/own_edge.py asks, ``egress`` what containers are let through to although egress/rules.py keeps others away from it.
    """

    document: Mapping[str, Any] = field(default_factory=dict)
    compose_files: Sequence[str] = ()
    files: Sequence[str] = ()
    live_files: Sequence[str] = ()
    shared_volumes: Sequence[str] = ()
    egress: Sequence[str] = ()
    services: Sequence[Service] = ()
    migration: Migration | None = None
    # Of those that the Compose files do not tell to be jobs, too; what is not named has the defaults.
    jobs: Mapping[str, Job] = field(default_factory=dict)
    env: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    drain_seconds: float = 30.0
    keep_free_mb: int = 1000
    retention: Retention = Retention()
    hardening: Mapping[str, Any] | None = None
    public_check: Mapping[str, Any] = field(default_factory=dict)
    # For Compose's interpolation; those of secrets are in no release.
    variables: Mapping[str, str] = field(default_factory=dict)
    # Those that are on.
    profiles: Sequence[str] = ()
    # Files that Compose files bring by extends and include.
    brought_files: Sequence[str] = ()
    # Names of services that run on other hosts alone: they are not in ``services``.
    elsewhere: frozenset[str] = frozenset()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Stack:
        """Raises TypeError when it is no mapping."""
        if not isinstance(document, Mapping):
            raise TypeError("its stack is not a mapping")
        names = ("compose_files", "files", "live_files", "shared_volumes", "egress", "profiles", "brought_files")
        lists = dict.fromkeys(names, listed)
        migration = document.get("migration")
        return cls(
            document,
            services=tuple(map(Service.of, document.get("services") or ())),
            migration=Migration.of(migration) if migration else None,
            jobs={str(name): Job.of(given) for name, given in _mappings(document.get("jobs"))},
            env=document.get("env") or {},
            retention=Retention.of(document.get("retention") or {}),
            hardening=document.get("hardening"),
            public_check=document.get("public_check") or {},
            variables={str(name): str(value) for name, value in (document.get("variables") or {}).items()},
            **said(document, **lists, drain_seconds=float, keep_free_mb=int),
        )

    def without(self, names: Collection[str]) -> Stack:
        """As it is on a host where services of these names do not run; ``document`` says what it is everywhere."""
        kept = tuple(one for one in self.services if one.name not in names)
        url = urlsplit(str(self.public_check.get("url") or ""))
        asks = reached(self._keys, f"{(url.hostname or '').lower()}{url.path.rstrip('/')}/")
        # What is not on this host, its edge cannot be asked for.
        check: Mapping[str, Any] = {} if asks in names else self.public_check
        return replace(self, services=kept, elsewhere=frozenset(names), public_check=check)

    @property
    def _keys(self) -> dict[str, str]:
        """See haproxy.route_key."""
        routes = [(one.name, route) for one in self.services for route in one.routes]
        return {f"{route.host.lower() or '*'}{path.rstrip('/')}/": name for name, route in routes for path in route.paths}

    @property
    def by_name(self) -> dict[str, Service]:
        return {service.name: service for service in self.services}

    @property
    def has_route_options(self) -> bool:
        """Whether a version from before there were options and wildcards of routes would read them wrongly."""
        found = [route for service in self.services for route in service.routes]
        return any(one.protocol for one in self.services) or any(
            route != Route(route.host, route.paths) or route.host.startswith("*.") for route in found
        )

    @property
    def routed(self) -> set[str]:
        """Names of the services that the edge serves."""
        return {service.name for service in self.services if service.routes}

    @property
    def ports(self) -> dict[str, int]:
        """The port of each of these."""
        return {service.name: service.port for service in self.services if service.routes}

    def job(self, name: str) -> Job:
        return self.jobs.get(name, Job())

    def health(self, service: str) -> HealthCheck | None:
        found = self.by_name.get(service)
        return found.health if found else None


def _mappings(given: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """Entries of a mapping whose values may be left empty; what is of another shape is a problem of its own."""
    entries = given.items() if isinstance(given, Mapping) else ()
    return [(name, value if isinstance(value, Mapping) else {}) for name, value in entries]
