# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container, held against the benchmark.

Pure: takes the JSON of ``docker inspect`` and knows no host.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import hardening
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.cis_controls import (
    HIGH,
    LOW,
    MEDIUM,
    ROOT_USERS,
    Finding,
    Found,
    findings,
)

# With these a process in the container becomes root on the host, or reads its memory and disks.
_WORST_CAPABILITIES = frozenset(
    {
        *("ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "SYS_BOOT", "SYS_TIME", "BPF", "PERFMON", "SYSLOG"),
        *("DAC_READ_SEARCH", "MAC_ADMIN", "MAC_OVERRIDE", "NET_ADMIN", "CHECKPOINT_RESTORE", "MKNOD"),
    }
)
_EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104, RUF100 - compared with, not bound
_WEB_PORTS = ("80", "443")
_EDGE_FILES = f"{EDGE_ROOT}/"
_DEFAULT_CPU_SHARES = (0, 1024)
_PRIVILEGED_PORTS = 1024


def container_findings(inspect: Mapping[str, Any], exempt: Collection[str] = ()) -> list[Finding]:
    """What section 5, item 4.1 and our own item say against one container.

    ``exempt``: words of ``stack.hardening`` for its service (hardening.words); what they admit is found with level low.
    """
    subject = str(inspect.get("Name") or inspect.get("Id", "")[:12]).lstrip("/")
    found = [problem for check in _CONTAINER_CHECKS for problem in check(inspect)]
    reasons = {_ITEMS_BY_WORD[word]: "exempted in stack.hardening" for word in exempt if word in _ITEMS_BY_WORD}
    reasons |= _EDGE_REASONS if _is_edge(inspect) else {}
    return [
        replace(one, level=LOW, text=f"{one.text} ({reasons[one.item]})") if one.item in reasons else one
        for one in findings(subject, found)
    ]


def with_volumes(inspect: Mapping[str, Any], volumes: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """``inspect`` with volumes that are directories of the host in other words, as the bind mounts that they are.

    ``volumes``: name -> options of its driver.
    """
    mounts = inspect.get("Mounts") or []
    return {**inspect, "Mounts": [one for mount in mounts for one in _as_binds(mount, volumes.get(str(mount.get("Name")), {}))]}


def _as_binds(mount: Mapping[str, Any], options: Mapping[str, str]) -> list[Mapping[str, Any]]:
    kind, given, device = options.get("type", ""), str(options.get("o") or "").split(","), str(options.get("device") or "")
    sources = [device] if device.startswith("/") and (kind in ("", "none") or "bind" in given or "rbind" in given) else []
    if kind == "overlay":
        layers = [one.partition("=")[2] for one in given if one.startswith(("lowerdir=", "upperdir="))]
        sources += [layer for one in layers for layer in one.split(":")]
    if mount.get("Type") != "volume" or not sources:
        return [mount]
    return [{**mount, "Type": "bind", "Source": source} for source in sources]


def _host(inspect: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = inspect.get("HostConfig") or {}
    return found


def _options(inspect: Mapping[str, Any]) -> list[str]:
    return [hardening.normalised_option(option) for option in _host(inspect).get("SecurityOpt") or []]


def _user(inspect: Mapping[str, Any]) -> list[Found]:
    user = str((inspect.get("Config") or {}).get("User") or "")
    if user.partition(":")[0] not in ROOT_USERS:
        return []
    return [("4.1", "runs as root", "set a numeric user in the image (USER) or in the Compose file (user:)")]


def _profiles(inspect: Mapping[str, Any]) -> list[Found]:
    options = _options(inspect)
    found: list[Found] = []
    if inspect.get("AppArmorProfile") == "unconfined" or "apparmor=unconfined" in options:
        found.append(("5.2", "AppArmor is turned off", "remove apparmor:unconfined from security_opt"))
    if "label=disable" in options:
        found.append(("5.3", "SELinux labels are turned off", "remove label:disable from security_opt"))
    if "seccomp=unconfined" in options:
        found.append(("5.22", "the seccomp profile is turned off", "remove seccomp:unconfined from security_opt"))
    if not hardening.forbids_new_privileges(options):
        found.append(("5.26", "processes may acquire new privileges", "set security_opt: [no-new-privileges:true]"))
    return found


def _capabilities(inspect: Mapping[str, Any]) -> list[Found]:
    host = _host(inspect)
    if host.get("Privileged"):
        return [("5.5", "is privileged", "remove privileged: true and add the capabilities that are needed to cap_add")]
    added = {hardening.capability(name) for name in host.get("CapAdd") or []} - hardening.SAFE_CAPABILITIES
    found: list[Found] = []
    if added:
        level = HIGH if added & _WORST_CAPABILITIES else MEDIUM
        found.append(("5.4", f"has the capabilities {', '.join(sorted(added))}", "remove them from cap_add", level))
    if "ALL" not in {hardening.capability(name) for name in host.get("CapDrop") or []}:
        found.append(("5.4", "keeps the engine's default capabilities", "set cap_drop: [ALL] and add what is needed to cap_add"))
    return found


def _mounts(inspect: Mapping[str, Any]) -> list[Found]:
    found: list[Found] = []
    for mount in inspect.get("Mounts") or []:
        if mount.get("Type") != "bind":
            continue
        source, writes = str(mount.get("Source") or ""), bool(mount.get("RW"))
        if _is_edge(inspect) and source.startswith(_EDGE_FILES):
            continue
        if hardening.reaches_socket(source):
            found.append(("5.32", f"reaches the engine's socket through {source}", "remove the mount: it is root on the host"))
        elif hardening.is_sensitive(source, writes):
            words = "to write" if writes else "to read"
            mend = "mount the one file or directory that the service needs"
            found.append(("5.6", f"has {source} of the host mounted {words}", mend, HIGH if writes else MEDIUM))
        if str(mount.get("Propagation") or "") in ("shared", "rshared"):
            found.append(("5.20", f"mounts at {mount.get('Destination')} propagate back to the host", "use propagation rprivate"))
    return found


def _namespaces(inspect: Mapping[str, Any]) -> list[Found]:
    modes = {
        "NetworkMode": ("5.10", "network", "network_mode: host"),
        "PidMode": ("5.16", "processes", "pid: host"),
        "IpcMode": ("5.17", "IPC", "ipc: host"),
        "UTSMode": ("5.21", "UTS namespace", "uts: host"),
        "UsernsMode": ("5.31", "user namespace", "userns_mode: host"),
    }
    host = _host(inspect)
    return [
        (item, f"shares the host's {what}", f"remove {key}")
        for name, (item, what, key) in modes.items()
        if host.get(name) == "host"
    ]


def _network(inspect: Mapping[str, Any]) -> list[Found]:
    found: list[Found] = []
    if _host(inspect).get("NetworkMode") in ("default", "bridge"):
        found.append(("5.30", "is on the default bridge docker0", "give it a network of its own"))
    if _is_edge(inspect):
        # It is what the host's addresses are open for.
        return found
    for port, bindings in (_host(inspect).get("PortBindings") or {}).items():
        for binding in bindings or []:
            published = str(binding.get("HostPort") or "")
            if published.isdecimal() and 0 < int(published) < _PRIVILEGED_PORTS and published not in _WEB_PORTS:
                found.append(("5.8", f"port {port} is mapped to the privileged port {published}", "map it to a port above 1023"))
            if str(binding.get("HostIp") or "") in _EVERY_ADDRESS:
                mend = "name an address, such as 127.0.0.1, or route the service through the edge"
                found.append(("5.14", f"port {port} is open on every address of the host", mend))
    return found


def _is_edge(inspect: Mapping[str, Any]) -> bool:
    labels = (inspect.get("Config") or {}).get("Labels") or {}
    return (labels.get("com.docker.compose.project"), labels.get("com.docker.compose.service")) == ("edge", "haproxy")


def _limits(inspect: Mapping[str, Any]) -> list[Found]:
    host = _host(inspect)
    found: list[Found] = []
    if not host.get("Memory"):
        found.append(("5.11", "may take all memory of the host", "set deploy.resources.limits.memory"))
    weighted = (host.get("CpuShares") or 0) not in _DEFAULT_CPU_SHARES
    if not (weighted or host.get("NanoCpus") or host.get("CpuQuota") or host.get("CpusetCpus")):
        found.append(("5.12", "may take all CPU time of the host", "set deploy.resources.limits.cpus"))
    if (host.get("PidsLimit") or 0) <= 0:
        found.append(("5.29", "may start processes without limit", "set pids_limit or deploy.resources.limits.pids"))
    log = host.get("LogConfig") or {}
    if log.get("Type") == "json-file" and not (log.get("Config") or {}).get("max-size"):
        found.append(("M.1", "may fill the disk with its log", "set logging.options max-size and max-file"))
    return found


def _surroundings(inspect: Mapping[str, Any]) -> list[Found]:
    host = _host(inspect)
    found: list[Found] = []
    if not host.get("ReadonlyRootfs"):
        found.append(("5.13", "may write to its root file system", "set read_only: true, and tmpfs for what it writes"))
    if host.get("Devices"):
        paths = ", ".join(sorted(str(device.get("PathOnHost")) for device in host["Devices"]))
        found.append(("5.18", f"has the host's devices {paths}", "remove devices"))
    if host.get("MaskedPaths") == [] and not host.get("Privileged"):
        found.append(("M.2", "sees /proc and /sys of the host unmasked", "remove systempaths=unconfined from security_opt"))
    if host.get("CgroupParent"):
        found.append(("5.25", f"runs in the cgroup {host['CgroupParent']}", "remove cgroup_parent"))
    return found


def _contents(inspect: Mapping[str, Any]) -> list[Found]:
    config = inspect.get("Config") or {}
    found: list[Found] = []
    words = [str(word) for word in (inspect.get("Path") or "", *(inspect.get("Args") or []))]
    if any(word.rpartition("/")[2] == "sshd" for part in words for word in part.split()):
        found.append(("5.7", "runs sshd", "remove it; docker exec on the host does the same"))
    if (config.get("Healthcheck") or {}).get("Test") in (None, [], ["NONE"]):
        found.append(("5.27", "has no healthcheck", "set healthcheck in the Compose file"))
    image = str(config.get("Image") or "")
    if "@" not in image and not image.startswith("sha256:"):
        found.append(("5.28", f"runs {image or 'an image'} by a name that may be pushed again", "name the image by digest"))
    return found


_CONTAINER_CHECKS: Sequence[Callable[[Mapping[str, Any]], list[Found]]] = (
    *(_user, _profiles, _capabilities, _mounts, _namespaces, _network, _limits, _surroundings, _contents),
)
# Word of stack.hardening -> the item that it admits.
_ITEMS_BY_WORD: Mapping[str, str] = {
    "apparmor": "5.2",
    "selinux": "5.3",
    "cap_add": "5.4",
    "cap_drop": "5.4",
    "privileged": "5.5",
    "volumes": "5.6",
    "network_mode": "5.10",
    "mem_limit": "5.11",
    "read_only": "5.13",
    "ports": "5.14",
    "pid": "5.16",
    "ipc": "5.17",
    "devices": "5.18",
    "uts": "5.21",
    "seccomp": "5.22",
    "cgroup_parent": "5.25",
    "no_new_privileges": "5.26",
    "pids_limit": "5.29",
    "userns_mode": "5.31",
    "docker_socket": "5.32",
    "logging": "M.1",
}

# What the edge has on purpose.
_EDGE_REASONS: Mapping[str, str] = {
    "5.11": "a limit that it reached would cut off every user of the host",
    "5.29": "HAProxy starts a fixed number of processes",
}
