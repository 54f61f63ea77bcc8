# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""What a service may not ask of its host unless the inventory names it, and what it is given where its files say nothing.

Pure. The checks read services as they are written and as Compose resolves them; what is given follows from the resolved ones.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PIDS_LIMIT = 512
LOG_LIMITS = {"max-size": "10m", "max-file": "3"}
NO_NEW_PRIVILEGES = "no-new-privileges:true"
# What an image may need to change users, own its files and listen on port 80.
SAFE_CAPABILITIES = frozenset({"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"})
# Given unless exempted, missed unless exempted, refused unless exempted: mostly the Compose key that is meant.
GIVEN = ("no_new_privileges", "cap_drop", "read_only", "pids_limit", "logging")
MISSED = ("mem_limit",)
REFUSED = (
    *("volumes", "devices", "cap_add", "ports", "network_mode", "pid", "ipc", "uts", "userns_mode", "cgroup"),
    *("seccomp", "apparmor", "selinux"),
)
WORDS = (*GIVEN, *MISSED, *REFUSED)

_SOCKETS = ("/run/docker.sock", "/var/run/docker.sock", "/run/containerd/containerd.sock")
_SOCKET_NAMES = ("docker.sock", "containerd.sock", "podman.sock")
_SENSITIVE = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/root", "/sbin", "/sys", "/usr"),
    *("/var/lib/containerd", "/var/lib/docker", "/var/lib/morpheus.deploy"),
)
# Below a sensitive directory, and the same for everybody; to read only.
_HARMLESS = (
    *("/etc/localtime", "/etc/timezone", "/etc/ssl/certs", "/etc/ca-certificates", "/etc/pki/tls/certs"),
    *("/usr/share/zoneinfo", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates"),
)
# The release's own files, what changes under it, and single secrets of the stack.
_READ_ONLY = re.compile(r"/var/lib/morpheus\.deploy/stacks/[^/]+/(?:content|live)/.+\Z")
_PROJECT = re.compile(r"/var/lib/morpheus\.deploy/stacks/[^/]+/project(?P<below>/.*)?\Z")
_SECRET = re.compile(r"/secrets/[^/]+\Z")
_HOST_MODES = {
    "network_mode": "network",
    "pid": "processes",
    "ipc": "IPC",
    "uts": "host name",
    "userns_mode": "user namespace",
    "cgroup": "control groups",
}
_OPTIONS = {
    "seccomp=unconfined": ("seccomp", "lets every system call pass"),
    "apparmor=unconfined": ("apparmor", "turns AppArmor off"),
    "label=disable": ("selinux", "turns SELinux labels off"),
    "no-new-privileges=false": ("no_new_privileges", "lets setuid files give privileges"),
}
_OPEN = ("", "0.0.0.0", "::", "[::]")  # noqa: S104, RUF100 - compared with, not bound


def normalised_option(option: Any) -> str:
    """An entry of ``security_opt`` with "=" between key and value; Compose and the engine take ":" as well."""
    return re.sub(r"[:=]", "=", str(option), count=1)


def forbids_new_privileges(options: Iterable[str]) -> bool:
    """``options``: normalised."""
    return any(option in ("no-new-privileges", "no-new-privileges=true") for option in options)


def capability(name: Any) -> str:
    return str(name).upper().removeprefix("CAP_")


def reaches_socket(path: str) -> bool:
    """Whether a mount of this path of the host gives the engine's socket, itself or in a directory."""
    here = _normal(path)
    return posixpath.basename(here) in _SOCKET_NAMES or any(_holds(here, socket) for socket in _SOCKETS)


def is_sensitive(path: str, writes: bool) -> bool:
    """Whether a mount of this path of the host gives a service what is the host's own or another service's."""
    here = _normal(path)
    if _READ_ONLY.match(here):
        return writes
    own = _PROJECT.match(here)
    if own:
        below = own["below"] or ""
        return below == "/secrets" or (below.startswith("/secrets/") and (writes or not _SECRET.match(below)))
    if not writes and any(_holds(harmless, here) for harmless in _HARMLESS):
        return False
    return any(_holds(here, one) or _holds(one, here) for one in _SENSITIVE)


def _normal(path: str) -> str:
    # POSIX lets two slashes at the beginning stand.
    return "/" + posixpath.normpath(path).lstrip("/")


def _holds(directory: str, path: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


@dataclass(frozen=True)
class Hardening:
    """``exempt``: service -> WORDS; ``docker_socket`` and ``privileged``: names of services that may have these."""

    exempt: Mapping[str, Sequence[str]] = field(default_factory=dict)
    docker_socket: Sequence[str] = ()
    privileged: Sequence[str] = ()

    @classmethod
    def of(cls, stack: Mapping[str, Any]) -> Hardening | None:
        """What a stack's configuration says; None for a release from before there was such a thing: it runs as it ran."""
        given = stack.get("hardening")
        return None if given is None else cls(**given)

    def words(self, service: str) -> set[str]:
        """All that is admitted for a service, in the words that cis.container_findings takes."""
        named = {"docker_socket": self.docker_socket, "privileged": self.privileged}
        exempt = [word for word in _list(self.exempt.get(service)) if word in WORDS]
        return {*exempt, *(word for word, services in named.items() if service in services)}

    def naming_problems(self, services: Iterable[str]) -> list[str]:
        """Names of services and words that mean nothing, each beginning with its path."""
        known = sorted(map(str, services))
        found = [
            f'stack.hardening.{key}[{number}]: the Compose files have no service "{name}"; they have {", ".join(known)}'
            for key, names in (("docker_socket", self.docker_socket), ("privileged", self.privileged))
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
            found += [f'{path}: "{word}" is unknown; known are {", ".join(WORDS)}' for word in words if word not in WORDS]
        return found

    def problems(self, name: str, service: Mapping[str, Any], model: Mapping[str, Any], *, routed: bool) -> list[str]:
        """What the service may not ask of its host. ``model``: the whole project; named volumes and configs can be mounts too."""
        path = f"services.{name}"
        found = [*_privileged(path, service), *_mounts(path, service, model), *_host_modes(path, service, routed)]
        found += [*_security_options(path, service), *_capabilities(path, service), *_devices(path, service)]
        found += [] if routed else _ports(path, service)
        if service.get("read_only") is False:
            found.append(_Refusal("read_only", f"{path}.read_only: false is not what hosts do"))
        admitted = self.words(name)
        return [refusal.sentence(name) for refusal in found if refusal.word not in admitted]

    def additions(self, name: str, service: Mapping[str, Any]) -> dict[str, Any]:
        """What the service is given beside what its resolved definition says; empty when it says all of it."""
        exempt = self.words(name)
        wanted: dict[str, dict[str, Any]] = {
            "no_new_privileges": {} if forbids_new_privileges(_options(service)) else {"security_opt": [NO_NEW_PRIVILEGES]},
            "cap_drop": {} if "ALL" in map(capability, service.get("cap_drop") or []) else {"cap_drop": ["ALL"]},
            "read_only": _read_only(service),
            "pids_limit": _pids_limit(service),
            "logging": _logging(service),
        }
        return {key: value for word, parts in wanted.items() if word not in exempt for key, value in parts.items()}

    def warnings(self, name: str, service: Mapping[str, Any]) -> list[str]:
        if "mem_limit" in self.words(name) or _limit(service, "mem_limit", "memory"):
            return []
        return [
            f"services.{name}: has no memory limit and may take all memory of its host; set deploy.resources.limits.memory, "
            f"or name mem_limit in stack.hardening.exempt.{name}"
        ]


def problems(stack: Mapping[str, Any], model: Mapping[str, Any], routed: Collection[str]) -> list[str]:
    """What the services of a project may not ask of their host; nothing for a release from before there was such a thing."""
    rules = Hardening.of(stack)
    services = model.get("services") or {}
    found = [rules.problems(name, one, model, routed=name in routed) for name, one in services.items()] if rules else []
    return [problem for problems in found for problem in problems]


def warnings(stack: Mapping[str, Any], model: Mapping[str, Any]) -> list[str]:
    """What a careful operator would want to know, and what stops nothing."""
    rules = Hardening.of(stack)
    found = [rules.warnings(name, one) for name, one in model["services"].items()] if rules else []
    return [warning for warnings in found for warning in warnings]


def additions(stack: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
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


@dataclass(frozen=True)
class _Refusal:
    """``word``: what admits it, in WORDS or the name of a list of its own."""

    word: str
    text: str
    mend: str = "remove it"

    def sentence(self, service: str) -> str:
        own = self.word in ("docker_socket", "privileged")
        place = f"{service} in stack.hardening.{self.word}" if own else f"{self.word} in stack.hardening.exempt.{service}"
        return f"{self.text}; {self.mend}, or name {place}"


def _privileged(path: str, service: Mapping[str, Any]) -> list[_Refusal]:
    found = []
    if service.get("privileged") in (True, "true"):
        mend = "name the capabilities that it needs in cap_add instead"
        found.append(_Refusal("privileged", f"{path}.privileged: makes the service root on the host", mend))
    if service.get("use_api_socket"):
        found.append(_Refusal("docker_socket", f"{path}.use_api_socket: the engine's socket makes the service root on the host"))
    return found


def _mounts(path: str, service: Mapping[str, Any], model: Mapping[str, Any]) -> list[_Refusal]:
    found = []
    for source, path_on_host, writes in _sources(service, model):
        if "$" in source:
            # Only the host knows what it stands for, and checks again.
            continue
        if reaches_socket(path_on_host):
            text = f'{path}.volumes: "{source}" gives the engine\'s socket, which makes the service root on the host'
            found.append(_Refusal("docker_socket", text))
        # The socket's own directory holds nothing else that counts.
        if is_sensitive(path_on_host, writes):
            mend = "mount the one file or directory that is needed"
            found.append(_Refusal("volumes", f'{path}.volumes: "{source}" belongs to the host', mend))
    if service.get("volumes_from"):
        mend = "write the mounts out"
        found.append(_Refusal("volumes", f"{path}.volumes_from: takes over mounts that no check sees", mend))
    return found


def _sources(service: Mapping[str, Any], model: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """(source as written, its path on the host, whether it can be written) of every mount; relative ones lie in the project."""
    found = [_bind(mount) for mount in _list(service.get("volumes"))]
    volumes = _section(model, "volumes")
    named = [(volumes[source], writes) for source, writes in found if isinstance(volumes.get(source), Mapping)]
    found += [(str(_section(volume, "driver_opts").get("device") or ""), writes) for volume, writes in named]
    for kind in ("configs", "secrets"):
        uses = [use.get("source") if isinstance(use, Mapping) else use for use in _list(service.get(kind))]
        definitions = [_section(model, kind).get(str(use)) for use in uses]
        found += [(str(one.get("file") or ""), False) for one in definitions if isinstance(one, Mapping)]
    return [(source, _on_host(source), writes) for source, writes in found if source.startswith(("/", ".", "~"))]


def _bind(mount: Any) -> tuple[str, bool]:
    if isinstance(mount, Mapping):
        return str(mount.get("source") or ""), not mount.get("read_only")
    source, _, rest = str(mount).partition(":")
    # Without a colon it is a path in the container alone.
    return (source if rest else ""), "ro" not in rest.partition(":")[2].split(",")


def _section(model: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = model.get(name)
    return found if isinstance(found, Mapping) else {}


def _on_host(source: str) -> str:
    if source.startswith("~"):
        return "/root" + source[1:]
    return source if source.startswith("/") else posixpath.normpath(f"/var/lib/morpheus.deploy/stacks/x/project/{source}")


def _host_modes(path: str, service: Mapping[str, Any], routed: bool) -> list[_Refusal]:
    # What two replicas behind the edge cannot have at all is refused by compose_rules.
    modes = {key: what for key, what in _HOST_MODES.items() if not (routed and key == "network_mode")}
    return [
        _Refusal(key, f"{path}.{key}: host shares the host's {what} with the service")
        for key, what in modes.items()
        if service.get(key) == "host"
    ]


def _security_options(path: str, service: Mapping[str, Any]) -> list[_Refusal]:
    return [
        _Refusal(_OPTIONS[option][0], f"{path}.security_opt: {option.replace('=', ':')} {_OPTIONS[option][1]}")
        for option in _options(service)
        if option in _OPTIONS
    ]


def _capabilities(path: str, service: Mapping[str, Any]) -> list[_Refusal]:
    added = sorted({capability(name) for name in _list(service.get("cap_add"))} - SAFE_CAPABILITIES)
    safe = ", ".join(sorted(SAFE_CAPABILITIES))
    return [_Refusal("cap_add", f"{path}.cap_add: {', '.join(added)} is more than {safe}")] if added else []


def _devices(path: str, service: Mapping[str, Any]) -> list[_Refusal]:
    return [_Refusal("devices", f"{path}.devices: gives the service devices of the host")] if service.get("devices") else []


def _ports(path: str, service: Mapping[str, Any]) -> list[_Refusal]:
    found = []
    for port in _list(service.get("ports")):
        if isinstance(port, Mapping):
            text = ":".join(str(port[key]) for key in ("published", "target") if port.get(key))
            is_open = str(port.get("host_ip") or "") in _OPEN
        else:
            text = str(port)
            is_open = "$" not in text and text.rpartition(":")[0].rpartition(":")[0] in _OPEN
        if is_open:
            local = text.removeprefix("0.0.0.0:").removeprefix("[::]:") if ":" in text else f":{text}"
            mend = f'write "127.0.0.1:{local}", or route the service'
            found.append(_Refusal("ports", f'{path}.ports: "{text}" is open on every address of the host, past its edge', mend))
    return found


def _options(service: Mapping[str, Any]) -> list[str]:
    return [normalised_option(option) for option in _list(service.get("security_opt"))]


def _read_only(service: Mapping[str, Any]) -> dict[str, Any]:
    if service.get("read_only"):
        return {}
    mounts = [str(mount.get("target")) if isinstance(mount, Mapping) else str(mount) for mount in _list(service.get("volumes"))]
    temporary = [str(entry).partition(":")[0] for entry in _list(service.get("tmpfs"))]
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


def _list(value: Any) -> list[Any]:
    """A list of what Compose takes as a list or as a single text; what is misshapen is Compose's to refuse."""
    return list(value) if isinstance(value, list | tuple) else [value] if isinstance(value, str | int) and value != "" else []
