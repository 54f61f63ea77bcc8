# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service may not ask of its host unless the inventory names it, and what it is given where its files say nothing.

Pure. What may be asked is an allow-list: keys.py has every key with its decision, and refusals.py, refused_mounts.py and
refused_networks.py judge values. What is given follows from the project as Compose resolves it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.compose import keys as compose_keys
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import refusals, refused_mounts, refused_networks
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.host_paths import is_sensitive, reaches_socket
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.refusals import (
    LISTS,
    PRIVILEGED,
    SAFE_CAPABILITIES,
    SOCKET,
    Project,
    Refusal,
    as_list,
    as_mapping,
    capability,
    normalised_option,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.rules import well_formed
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

__all__ = [
    "SAFE_CAPABILITIES",
    "WORDS",
    "Hardening",
    "Project",
    "additions",
    "applied",
    "capability",
    "forbids_new_privileges",
    "is_sensitive",
    "normalised_option",
    "problems",
    "reaches_socket",
    "warnings",
]

PIDS_LIMIT = 512
LOG_LIMITS = {"max-size": "10m", "max-file": "3"}
NO_NEW_PRIVILEGES = "no-new-privileges:true"
# Given unless exempted, missed unless exempted, refused unless exempted: mostly the Compose key that is meant.
GIVEN_WORDS: Mapping[str, str] = {
    "no_new_privileges": "no-new-privileges",
    "cap_drop": "cap_drop: [ALL]",
    "read_only": "a read-only root",
    "pids_limit": "a limit of processes",
    "logging": "limits of its log",
}
GIVEN = tuple(GIVEN_WORDS)
# What of a service's definition each word gives.
GIVEN_KEYS: Mapping[str, tuple[str, ...]] = {
    "no_new_privileges": ("security_opt",),
    "cap_drop": ("cap_drop",),
    "read_only": ("read_only",),
    "pids_limit": ("pids_limit", "deploy"),
    "logging": ("logging",),
}
GIVE, REPORT = "give", "report"
MISSED = ("mem_limit",)
WORDS = tuple(dict.fromkeys([*GIVEN, *MISSED, *compose_keys.words()]))


def forbids_new_privileges(options: Iterable[str]) -> bool:
    """``options``: normalised."""
    return any(option in ("no-new-privileges", "no-new-privileges=true") for option in options)


@dataclass(frozen=True)
class Hardening:
    """``exempt``: service -> WORDS; ``docker_socket`` and ``privileged``: names of services that may have these."""

    exempt: Mapping[str, Sequence[str]] = field(default_factory=dict)
    docker_socket: Sequence[str] = ()
    privileged: Sequence[str] = ()
    # GIVE, or REPORT: what services would be given is only told.
    default: str = "give"

    @classmethod
    def of(cls, stack: Stack) -> Hardening | None:
        """What a stack's configuration says; None for a release from before there was such a thing: it runs as it ran."""
        return None if stack.hardening is None else cls(**stack.hardening)

    def words(self, service: str) -> set[str]:
        """All that is admitted for a service, in the words that cis_containers.container_findings takes."""
        named = {SOCKET: self.docker_socket, PRIVILEGED: self.privileged}
        exempt = [word for word in as_list(self.exempt.get(service)) if word in WORDS or _may_be_undecided(word)]
        return {*exempt, *(word for word, services in named.items() if service in services)}

    @property
    def reports(self) -> bool:
        return self.default == REPORT

    def ungiven(self, service: str) -> set[str]:
        """All that is admitted for a service, with what it is not given because that is only told."""
        return self.words(service) | (set(GIVEN) if self.reports else set())

    def naming_problems(self, services: Mapping[str, Any]) -> list[str]:
        """Names of services and words that mean nothing, each beginning with its path. ``services``: of the Compose files."""
        known = sorted(map(str, services))
        found = (
            []
            if self.default in (GIVE, REPORT)
            else [f'stack.hardening.default: "{self.default}" is not one of {GIVE}, {REPORT}']
        )
        found += [
            f'stack.hardening.{key}[{number}]: the Compose files have no service "{name}"; they have {", ".join(known)}'
            for key, names in ((SOCKET, self.docker_socket), (PRIVILEGED, self.privileged))
            for number, name in enumerate(names)
            if name not in known
        ]
        for name, words in self.exempt.items():
            path = f"stack.hardening.exempt.{name}"
            if str(name) not in known:
                found.append(f'{path}: the Compose files have no service "{name}"; they have {", ".join(known)}')
            if isinstance(words, str) or not isinstance(words, Sequence):
                found.append(f"{path}: must be a list of what the service is exempted from; known are {', '.join(WORDS)}")
                continue
            # A key that nobody has decided on is its own word, where it is used.
            meant = (*WORDS, *compose_keys.undecided(as_mapping(services.get(name))))
            found += [f'{path}: "{word}" is unknown; known are {", ".join(WORDS)}' for word in words if word not in meant]
        return found

    def asked(self, name: str, service: Mapping[str, Any], project: Project, *, routed: bool) -> Iterator[Refusal]:
        """What the service asks of its host that nobody admits, and what is admitted to it."""
        path = f"services.{name}"
        yield from refusals.of_service(path, service, project, routed=routed)
        yield from refused_mounts.of_service(path, service, project)
        yield from refused_networks.of_service(path, service, project)

    def problems(self, name: str, service: Mapping[str, Any], project: Project, *, routed: bool) -> list[str]:
        """What the service may not ask of its host."""
        admitted = self.words(name)
        found = self.asked(name, service, project, routed=routed)
        return list(dict.fromkeys(refusal.sentence(name) for refusal in found if refusal.word not in admitted))

    def additions(self, name: str, service: Mapping[str, Any]) -> dict[str, Any]:
        """What the service is given beside what its resolved definition says; empty when it says all of it."""
        return {} if self.reports else self.would_give(name, service)

    def would_give(self, name: str, service: Mapping[str, Any]) -> dict[str, Any]:
        """The same, whether it is given or only told."""
        exempt = self.words(name)
        wanted: dict[str, dict[str, Any]] = {
            "no_new_privileges": {} if forbids_new_privileges(_options(service)) else {"security_opt": [NO_NEW_PRIVILEGES]},
            "cap_drop": {} if "ALL" in map(capability, service.get("cap_drop") or []) else {"cap_drop": ["ALL"]},
            "read_only": _read_only(service),
            "pids_limit": _pids_limit(service),
            "logging": _logging(service),
        }
        return {key: value for word, parts in wanted.items() if word not in exempt for key, value in parts.items()}

    def told(self, name: str, service: Mapping[str, Any]) -> str:
        """What the service would be given, where that is only told; empty for nothing."""
        would = self.would_give(name, service) if self.reports else {}
        found = [GIVEN_WORDS[word] for word in GIVEN if any(key in would for key in GIVEN_KEYS[word])]
        return (
            f"services.{name}: would be given {', '.join(found)}; it is not, because stack.hardening.default is {REPORT}"
            if found
            else ""
        )

    def notes(self, name: str, service: Mapping[str, Any]) -> list[str]:
        """The same of a service as it is written, which may have any shape."""
        told = self.told(name, service) if well_formed(service) else ""
        return [told] if told else []

    def is_unlimited(self, name: str, service: Mapping[str, Any]) -> bool:
        """Whether it may take all memory of its host, and nobody has said that it is meant to."""
        return "mem_limit" not in self.words(name) and not _limit(service, "mem_limit", "memory")


def released(given: Mapping[str, Any]) -> dict[str, Any]:
    """As a release says it: that every service is hardened is as old as hardening itself, and stands in none."""
    return {name: value for name, value in given.items() if (name, value) != ("default", GIVE)}


def problems(stack: Stack, project: Project, routed: Collection[str]) -> list[str]:
    """What the services of a project may not ask of their host; nothing for a release from before there was such a thing."""
    rules = Hardening.of(stack)
    if not rules:
        return []
    services = project.model.get("services") or {}
    found = [rules.problems(name, one, project, routed=name in routed) for name, one in services.items()]
    return [*(problem for problems in found for problem in problems), *refusals.element_problems(project.model)]


def warnings(stack: Stack, model: Mapping[str, Any]) -> list[str]:
    """What a careful operator would want to know, and what stops nothing."""
    rules = Hardening.of(stack)
    if not rules:
        return []
    services = model["services"].items()
    told = [found for name, one in services if (found := rules.told(name, one))]
    return [*_unlimited([name for name, one in services if rules.is_unlimited(name, one)]), *told]


def _unlimited(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    have, their, whose = ("has", "its", names[0]) if len(names) == 1 else ("have", "their", "<service>")
    return [
        f"{', '.join(f'services.{name}' for name in names)}: {have} no memory limit and may take all memory of {their} host; set "
        f"deploy.resources.limits.memory, or name mem_limit in stack.hardening.exempt.{whose}"
    ]


def additions(stack: Stack, model: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Service -> what it is given; nothing for a release from before there was such a thing."""
    rules = Hardening.of(stack)
    return {name: rules.additions(name, service) for name, service in model["services"].items()} if rules else {}


def applied(model: Mapping[str, Any], given: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The model as Compose makes it of its files and an override with ``given``."""
    return {**model, "services": {name: _merged(one, given.get(name, {})) for name, one in model["services"].items()}}


def _merged(base: Any, over: Any) -> Any:
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        return {**base, **{key: _merged(base.get(key), value) for key, value in over.items()}}
    return [*base, *over] if isinstance(base, list) and isinstance(over, list) else over


def _may_be_undecided(word: Any) -> bool:
    """Whether a word can be a key that nobody has decided on, which is admitted by its own name."""
    return isinstance(word, str) and word not in compose_keys.SERVICE and word not in LISTS


def _options(service: Mapping[str, Any]) -> list[str]:
    return [normalised_option(option) for option in as_list(service.get("security_opt"))]


def _read_only(service: Mapping[str, Any]) -> dict[str, Any]:
    if service.get("read_only"):
        return {}
    mounts = [str(mount.get("target")) if isinstance(mount, Mapping) else str(mount) for mount in as_list(service.get("volumes"))]
    temporary = [str(entry).partition(":")[0] for entry in as_list(service.get("tmpfs"))]
    return {"read_only": True} if "/tmp" in (*mounts, *temporary) else {"read_only": True, "tmpfs": ["/tmp"]}


def _pids_limit(service: Mapping[str, Any]) -> dict[str, Any]:
    if _limit(service, "pids_limit", "pids"):
        return {}
    # Compose refuses limits in two places, also when one of them says nothing of processes.
    below_deploy = ((service.get("deploy") or {}).get("resources") or {}).get("limits")
    return {"deploy": {"resources": {"limits": {"pids": PIDS_LIMIT}}}} if below_deploy else {"pids_limit": PIDS_LIMIT}


def _logging(service: Mapping[str, Any]) -> dict[str, Any]:
    own = service.get("logging") or {}
    options = own.get("options") or {}
    if own.get("driver", "json-file") != "json-file" or "max-size" in options:
        return {}
    return {"logging": {"driver": "json-file", "options": {**LOG_LIMITS, **options}}}


def _limit(service: Mapping[str, Any], key: str, limit: str) -> Any:
    resources = (service.get("deploy") or {}).get("resources") or {}
    return service.get(key) or (resources.get("limits") or {}).get(limit)
