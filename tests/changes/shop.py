"""The stack `shop` as data: services and releases, and an inventory for one of them, beside everything else on staging."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from tests.acceptance.world import ROOT

STACK = "shop"
SITE = "staging.morpheus.app"
IMAGE = "morpheus/api:1.0.0"
SERVER = Path(__file__).with_name("server.py").read_text()
# That of who does not say another one.
TIMEOUT_SECONDS = 2
# Long enough for three answers that take too long: (0.1 + 2) x 3.
MONITOR_SECONDS = 7
# A sick candidate is waited for in vain, a good one comes in time even when the CPU has been taken away.
DEADLINE_SECONDS, SICK_DEADLINE_SECONDS = 60, 6


@dataclass(frozen=True)
class Service:
    """``order`` empty: the file does not say it. ``env_file``: the edition comes from the release's own env file."""

    name: str
    edition: str = "1"
    paths: tuple[str, ...] = ()
    port: int = 8000
    replicas: int = 2
    parallelism: int = 0
    order: str = ""
    health: str = ""
    depends_on: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    menu: bool = False
    volume: bool = False
    env_file: bool = False

    def compose(self) -> dict[str, Any]:
        environment = {"SERVICE": self.name, "PORT": str(self.port)}
        environment |= {"HEALTH": self.health} if self.health else {}
        environment |= {"MENU": "/menu/today"} if self.menu else {}
        environment |= {"LEDGER": "/data"} if self.volume else {}
        environment |= {} if self.env_file else {"EDITION": self.edition}
        update = {"parallelism": self.parallelism, "monitor": f"{MONITOR_SECONDS}s"}
        update |= {"order": self.order} if self.order else {}
        mounts = ["./menu:/menu:ro"] * self.menu + [f"{self.name}-data:/data"] * self.volume
        return {
            "image": IMAGE,
            "command": ["python3", "-c", SERVER.replace("$", "$$")],
            "restart": "unless-stopped",
            "stop_grace_period": "10s",
            "environment": environment,
            **({"env_file": [f"env/{self.name}.env"]} if self.env_file else {}),
            **({"depends_on": list(self.depends_on)} if self.depends_on else {}),
            **({"networks": ["default", *self.networks]} if self.networks else {}),
            **({"volumes": mounts} if mounts else {}),
            # A new volume belongs to root.
            **({"user": "0:0"} if self.volume else {}),
            "deploy": {
                "replicas": self.replicas,
                "resources": {"limits": {"memory": "64M", "pids": 200}},
                "update_config": {**update, "failure_action": "rollback"},
                "rollback_config": update,
            },
        }

    def declared(self) -> dict[str, Any]:
        """What `stack.services` says of it."""
        deadline = SICK_DEADLINE_SECONDS if self.health == "never" else DEADLINE_SECONDS
        health = {
            "path": "/health",
            "expect": f"edition == '{self.edition}'",
            "interval_seconds": 0.1,
            "timeout_seconds": TIMEOUT_SECONDS,
            "deadline_seconds": deadline,
        }
        routes = {"routes": [{"host": SITE, "paths": list(self.paths)}]} if self.paths else {}
        return {"name": self.name, "port": self.port, "health": health, **routes}


@dataclass(frozen=True)
class Release:
    services: tuple[Service, ...]
    networks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    menu: str = ""

    def __iter__(self) -> Iterator[Service]:
        return iter(self.services)

    def identity(self, service: Service) -> str:
        """How replicas of it name themselves."""
        return "/".join([service.name, service.edition, *([self.menu] if service.menu else [])])

    def routes(self) -> dict[str, Service]:
        return {path: service for service in self for path in service.paths}

    def answers(self, asked: Iterable[str]) -> dict[str, str]:
        """Path -> who answers it: the service of the longest route that fits. Without what no service answers."""
        routes = self.routes()
        fitting = {path: [route for route in routes if f"{path}/".startswith(f"{route}/")] for path in asked}
        return {path: self.identity(routes[max(found, key=len)]) for path, found in fitting.items() if found}

    def replicas(self) -> dict[str, int]:
        return {self.identity(service): service.replicas for service in self}

    def changed(self, **services: Mapping[str, Any]) -> Release:
        """The same with other properties of some services, by name."""
        known = {service.name for service in self}
        assert services.keys() <= known, services.keys() - known
        return replace(self, services=tuple(replace(one, **services.get(one.name, {})) for one in self))

    def without(self, name: str) -> Release:
        return replace(self, services=tuple(one for one in self if one.name != name))

    def plus(self, *more: Service) -> Release:
        return replace(self, services=self.services + more)

    def spoilt(self, how: str, before: Release) -> Release:
        """This release, but what it brings is never well (``never``), or turns bad when it is watched (``late``)."""
        known = {one.name: one for one in before}
        new = [one.name for one in self if known.get(one.name) != one or (one.menu and self.menu != before.menu)]
        chosen = new or [next(iter(self)).name]
        return self.changed(**{name: {"edition": how, "health": how} for name in chosen})


def write(release: Release, directory: Path, name: str) -> Path:
    """An inventory of staging's host with this release of the shop in it; recreated."""
    inventory, source = directory / "inventories" / "staging", directory / "shop"
    for made in (inventory, source):
        shutil.rmtree(made, ignore_errors=True)
    variables = inventory / "group_vars" / "all"
    variables.mkdir(parents=True)
    link = directory / ".sandbox"
    if not link.exists():
        link.symlink_to(ROOT / ".sandbox")
    original = ROOT / "inventories" / "staging"
    shutil.copy(original / "hosts.yml", inventory)
    shutil.copy(original / "group_vars" / "all" / "connection.yml", variables)
    source.mkdir()
    (source / "compose.yml").write_text(yaml.safe_dump(_compose(release), sort_keys=False))
    if release.menu:
        (source / "menu").mkdir()
        (source / "menu" / "today").write_text(release.menu + "\n")
    (variables / "stack.yml").write_text(yaml.safe_dump(_variables(release, source, name), sort_keys=False))
    return inventory


def _compose(release: Release) -> dict[str, Any]:
    volumes: dict[str, Any] = {f"{service.name}-data": {} for service in release if service.volume}
    return {
        "services": {service.name: service.compose() for service in release},
        **({"networks": dict(release.networks)} if release.networks else {}),
        **({"volumes": volumes} if volumes else {}),
    }


def _variables(release: Release, source: Path, name: str) -> dict[str, Any]:
    stack: dict[str, Any] = {
        "name": STACK,
        "compose_files": ["compose.yml"],
        "drain_seconds": 10,
        "keep_free_mb": 100,
        "env": {one.name: {"EDITION": one.edition} for one in release if one.env_file},
        "services": [service.declared() for service in release],
        "public_check": {"url": f"https://{SITE}{next(iter(release.routes()))}"},
    }
    if release.menu:
        stack["files"] = ["menu"]
    return {"stack_environment": "staging", "stack_release": name, "stack_source": str(source), "stack": stack}
