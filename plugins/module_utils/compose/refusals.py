# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service asks of its host that only an exemption admits: everything that keys.py and these rules do not allow.

Pure, and used twice: on the controller over the files as written, and on the host over the project as Compose resolves it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.compose import keys as compose_keys
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.host_paths import Own

# What an image may need to change users, own its files and listen on port 80.
SAFE_CAPABILITIES = frozenset({"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"})
# Lists of their own in stack.hardening.
SOCKET, PRIVILEGED = "docker_socket", "privileged"
LISTS = (SOCKET, PRIVILEGED)

# key -> (values that are the service's own, what any other one shares, why a name that is neither does not do)
_MODES: Mapping[str, tuple[tuple[str, ...], str, str]] = {
    "network_mode": (("none",), "network", "is a network that is not the stack's own; list networks instead"),
    "pid": ((), "processes", "is not the service's own"),
    "ipc": (("none", "private", "shareable"), "IPC", "is not one of none, private, shareable"),
    "uts": ((), "host name", "is not the service's own"),
    "userns_mode": ((), "user namespace", "is not the service's own"),
    "cgroup": (("private",), "control groups", "is not private"),
}
_OTHERS = ("container:", "service:")
# Those that a service of the same stack may share; what it shares itself counts.
_SHARED = ("network_mode", "ipc", "pid")
_SAFE_OPTIONS = ("no-new-privileges", "no-new-privileges=true", "seccomp=builtin", "apparmor=docker-default")
# option -> (word, what any value but the safe one does)
_OPTIONS: Mapping[str, tuple[str, str]] = {
    "seccomp": ("seccomp", "replaces the engine's list of system calls"),
    "apparmor": ("apparmor", "replaces the engine's AppArmor profile"),
    "label": ("selinux", "replaces the engine's SELinux label"),
    "no-new-privileges": ("no_new_privileges", "lets setuid files give privileges"),
    "systempaths": ("systempaths", "opens the kernel's settings below /proc and /sys to the service"),
    "writable-cgroups": ("writable_cgroups", "lets the service change control groups"),
}
_OFF: Mapping[str, str] = {
    "seccomp=unconfined": "lets every system call pass",
    "apparmor=unconfined": "turns AppArmor off",
    "label=disable": "turns SELinux labels off",
}
# Those that a container has of its own; the engine refuses the host's as well.
_SYSCTL = re.compile(
    r"(?:net|fs\.mqueue)(?:\.[A-Za-z0-9_-]+)+\Z|kernel\.(?:msg(?:max|mnb|mni)|sem|shm(?:all|max|mni|_rmid_forced))\Z"
)
_ULIMITS = frozenset(
    {
        *("as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rttime"),
        *("sigpending", "stack"),
    }
)
_LOG_DRIVERS = ("json-file", "journald", "local", "none")
_RUNTIMES = ("runc", "io.containerd.runc.v2")
# By these the collection, Compose and people tell whose container it is.
_OWN_LABELS = ("com.docker.", "morpheus.deploy.")
_NO = (None, False, "", "false", "no", "off", "n", "f", "0", 0)


@dataclass(frozen=True)
class Refusal:
    """``word``: what admits it: of stack.hardening.exempt, or the name of a list of its own."""

    word: str
    text: str
    mend: str = "remove it"

    def sentence(self, service: str) -> str:
        own = self.word in LISTS
        place = f"{service} in stack.hardening.{self.word}" if own else f"{self.word} in stack.hardening.exempt.{service}"
        return f"{self.text}; {self.mend}, or name {place}"


@dataclass(frozen=True)
class Project:
    """``model``: all of it, because volumes, networks and configs are defined beside the services. ``own``: what of the host is
    the stack's own. ``written``: whether variables still stand in it, which only the host can resolve; it judges again.
    """

    model: Mapping[str, Any]
    own: Own
    written: bool = True

    def is_open(self, value: Any) -> bool:
        """Whether only the host knows what a value is."""
        return self.written and "$" in str(value)

    def definition(self, element: str, name: Any) -> Mapping[str, Any]:
        return as_mapping(as_mapping(self.model.get(element)).get(str(name)))


def of_service(path: str, service: Mapping[str, Any], project: Project, *, routed: bool) -> Iterator[Refusal]:
    """What no mount and no network asks; for these see refused_mounts and refused_networks."""
    for key, why in compose_keys.REFUSED.items():
        if _says(service.get(key)):
            mend = "write the mounts out" if key == "volumes_from" else "remove it"
            yield Refusal(compose_keys.word(key), f"{path}.{key}: {why}", mend)
    for key in compose_keys.undecided(service):
        yield Refusal(key, f"{path}.{key}: nobody has reviewed yet what this key may do to the host")
    yield from _privileged(path, service, project)
    yield from _modes(path, service, project, routed=routed)
    yield from _security_options(path, service, project)
    yield from _capabilities(path, service, project)
    yield from _limits(path, service, project)
    yield from _names(path, service, project)
    yield from _ports_of_routed(path, service) if routed else _ports(path, service, project)
    if service.get("read_only") in (False, "false", "no", "off"):
        yield Refusal("read_only", f"{path}.read_only: false is not what hosts do")


def element_problems(model: Mapping[str, Any]) -> list[str]:
    """Elements beside the services that nothing admits, because they are no service's."""
    return [
        f"{key}: nobody has reviewed yet what this element may do to the host; remove it"
        for key in compose_keys.unknown_elements(model)
    ]


def normalised_option(option: Any) -> str:
    """An entry of ``security_opt`` with "=" between key and value; Compose and the engine take ":" as well."""
    return re.sub(r"[:=]", "=", str(option), count=1)


def capability(name: Any) -> str:
    return str(name).upper().removeprefix("CAP_")


def as_list(value: Any) -> list[Any]:
    """A list of what Compose takes as a list or as a single text; what is misshapen is Compose's to refuse."""
    return list(value) if isinstance(value, list | tuple) else [value] if isinstance(value, str | int) and value != "" else []


def as_mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def is_true(value: Any) -> bool:
    """As Compose takes a text for a boolean; what is none is its to refuse."""
    return str(value).lower() not in ("none", "false", "", "no", "off", "n", "f", "0")


def names_of(value: Any) -> list[str]:
    """The names in what Compose takes as a mapping or as a list of name=value."""
    if isinstance(value, Mapping):
        return [str(name) for name in value]
    return [str(entry).partition("=")[0] for entry in as_list(value)]


def _says(value: Any) -> bool:
    """Whether there is anything; a key without a value says nothing."""
    return value not in (*_NO, [], {}, ())


def _is_negative(value: Any) -> bool:
    return str(value).strip().startswith("-")


def _privileged(path: str, service: Mapping[str, Any], project: Project) -> Iterator[Refusal]:
    if is_true(service.get("privileged")) and not project.is_open(service.get("privileged")):
        mend = "name the capabilities that it needs in cap_add instead"
        yield Refusal(PRIVILEGED, f"{path}.privileged: makes the service root on the host", mend)
    if is_true(service.get("use_api_socket")):
        yield Refusal(SOCKET, f"{path}.use_api_socket: the engine's socket makes the service root on the host")
    for key in ("post_start", "pre_stop"):
        hooks = [one.get("privileged") for one in as_list(service.get(key)) if isinstance(one, Mapping)]
        if any(is_true(one) and not project.is_open(one) for one in hooks):
            yield Refusal(PRIVILEGED, f"{path}.{key}: privileged makes the hook root on the host", "remove privileged")


def _modes(path: str, service: Mapping[str, Any], project: Project, *, routed: bool) -> Iterator[Refusal]:
    for key, (own, what, why) in _MODES.items():
        value = _shown(project, key, service.get(key))
        # What two replicas behind the edge cannot have at all is refused by compose_rules.
        elsewhere = routed and (key, value) == ("network_mode", "host")
        if value in (None, "", *own) or project.is_open(value) or elsewhere:
            continue
        if value == "host":
            yield Refusal(key, f"{path}.{key}: host shares the host's {what} with the service")
        elif str(value).startswith(_OTHERS):
            yield Refusal(key, f'{path}.{key}: "{value}" shares the {what} of another container with the service')
        else:
            yield Refusal(key, f'{path}.{key}: "{value}" {why}')


def _shown(project: Project, key: str, value: Any) -> Any:
    """What a service has that is in what another one of its stack has: the very same, as that one says it."""
    seen: set[str] = set()
    while key in _SHARED and str(value).startswith("service:") and value not in seen:
        seen.add(value)
        services = as_mapping(project.model.get("services"))
        name = value.removeprefix("service:")
        # One that is not there is refused by shared.problems.
        value = as_mapping(services.get(name)).get(key)
    return value


def _security_options(path: str, service: Mapping[str, Any], project: Project) -> Iterator[Refusal]:
    for given in as_list(service.get("security_opt")):
        option = normalised_option(given)
        if option in _SAFE_OPTIONS or project.is_open(option):
            continue
        name = option.partition("=")[0]
        word, does = _OPTIONS.get(name, ("security_opt", "is an option that nobody has reviewed yet"))
        yield Refusal(word, f"{path}.security_opt: {option.replace('=', ':', 1)} {_OFF.get(option, does)}")


def _capabilities(path: str, service: Mapping[str, Any], project: Project) -> Iterator[Refusal]:
    given = [name for name in as_list(service.get("cap_add")) if not project.is_open(name)]
    added = sorted({capability(name) for name in given} - SAFE_CAPABILITIES)
    if added:
        safe = ", ".join(sorted(SAFE_CAPABILITIES))
        yield Refusal("cap_add", f"{path}.cap_add: {', '.join(added)} is more than {safe}")


def _limits(path: str, service: Mapping[str, Any], project: Project) -> Iterator[Refusal]:
    resources = as_mapping(as_mapping(service.get("deploy")).get("resources"))
    if _says(as_mapping(resources.get("reservations")).get("devices")):
        yield Refusal("gpus", f"{path}.deploy.resources.reservations.devices: {compose_keys.REFUSED['gpus']}")
    pids = as_mapping(resources.get("limits")).get("pids")
    for key, value in (("pids_limit", service.get("pids_limit")), ("deploy.resources.limits.pids", pids)):
        if _is_negative(value):
            yield Refusal("pids_limit", f"{path}.{key}: {value} lets the service start processes until the host has none left")
    score = service.get("oom_score_adj")
    if _is_negative(score):
        text = f"{path}.oom_score_adj: {score} lets the kernel end processes of the host and of other stacks first"
        yield Refusal("oom_score_adj", text)
    names = sorted(name for name in names_of(service.get("sysctls")) if not (_SYSCTL.match(name) or project.is_open(name)))
    if names:
        yield Refusal("sysctls", f"{path}.sysctls: {', '.join(names)} is more than net.*, fs.mqueue.* and kernel.* of IPC")
    limits = sorted(set(names_of(service.get("ulimits"))) - _ULIMITS)
    if limits:
        does = "takes CPU time in real time, before every other process of the host"
        text = does if limits == ["rtprio"] else f"is more than {', '.join(sorted(_ULIMITS))}"
        yield Refusal("ulimits", f"{path}.ulimits: {', '.join(limits)} {text}")


def _names(path: str, service: Mapping[str, Any], project: Project) -> Iterator[Refusal]:
    """Values that name something of the host, or something that only the deploy itself may say."""
    runtime = service.get("runtime")
    if _says(runtime) and runtime not in _RUNTIMES and not project.is_open(runtime):
        yield Refusal("runtime", f'{path}.runtime: "{runtime}" is another program of the host than runc')
    driver = as_mapping(service.get("logging")).get("driver")
    if _says(driver) and driver not in _LOG_DRIVERS and not project.is_open(driver):
        # The engine sends, from the host's own network and to its sockets, too.
        text = f'{path}.logging: the driver "{driver}" lets the host send, as root, what the service prints'
        yield Refusal("logging", text, f"write one of {', '.join(_LOG_DRIVERS)}")
    labels = sorted(name for name in names_of(service.get("labels")) if name.startswith(_OWN_LABELS))
    if labels:
        text = f"{path}.labels: {', '.join(labels)} is set by the deploy itself"
        yield Refusal("labels", text)


def _ports_of_routed(path: str, service: Mapping[str, Any]) -> Iterator[Refusal]:
    if _says(service.get("ports")):
        text = (
            f"{path}.ports: a routed service is reached through the edge, and a host port, which two replicas cannot share, "
            "makes every deploy of it an interruption"
        )
        name = path.removeprefix("services.")
        yield Refusal("ports", text, f"take them out, in an override by services: {{{name}: {{ports: !reset []}}}}")


def _ports(path: str, service: Mapping[str, Any], project: Project) -> Iterator[Refusal]:
    for port in as_list(service.get("ports")):
        if isinstance(port, Mapping):
            text = ":".join(str(port[key]) for key in ("published", "target") if port.get(key))
            address = str(port.get("host_ip") or "")
        else:
            text = str(port)
            address = text.rpartition(":")[0].rpartition(":")[0]
        if project.is_open(text if isinstance(port, str) else address) or not _is_open_to_all(address):
            continue
        local = text.removeprefix(f"{address}:") if ":" in text else f":{text}"
        mend = f'write "127.0.0.1:{local}", or route the service'
        yield Refusal("ports", f'{path}.ports: "{text}" is open on every address of the host, past its edge', mend)


def _is_open_to_all(address: str) -> bool:
    """Whatever its spelling; what is no address is the engine's to refuse."""
    try:
        found = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        return address in ("", "[]")
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return found.is_unspecified or bool(mapped and mapped.is_unspecified)
