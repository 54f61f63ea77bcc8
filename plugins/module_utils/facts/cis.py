# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""The items of the CIS Docker Benchmark 1.6.0 that can be decided from what the engine says of itself, its containers and images.

Pure: takes the JSON of ``docker inspect``, ``docker info``, ``docker history`` and daemon.json, and knows no host. Items that do
not apply stand in NOT_APPLICABLE with the reason; docs/hardening.md prints both tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.compose import hardening

HIGH, MEDIUM, LOW = "high", "medium", "low"


@dataclass(frozen=True)
class Finding:
    """``item``: the benchmark's number; ``subject``: the container, image or engine; ``text`` and ``mend`` hold no value."""

    item: str
    level: str
    subject: str
    text: str
    mend: str


@dataclass(frozen=True)
class Control:
    """``level``: of a finding, where the case at hand does not make it another."""

    title: str
    level: str


# What the engine calls those that a replica's process is in.
RUNNING = ("running", "paused", "restarting")

CONTROLS: Mapping[str, Control] = {
    "2.2": Control("Network traffic between containers on the default bridge is restricted", LOW),
    "2.3": Control("The engine logs at level info", LOW),
    "2.4": Control("The engine may change iptables", MEDIUM),
    "2.5": Control("No insecure registry is used", MEDIUM),
    "2.6": Control("The storage driver aufs is not used", LOW),
    "2.7": Control("The engine's API is not open on the network without TLS", HIGH),
    "2.10": Control("Containers have the engine's own cgroup", LOW),
    "2.14": Control("Containers acquire no new privileges by default", LOW),
    "2.15": Control("Containers outlive a restart of the engine", MEDIUM),
    "2.17": Control("The engine's seccomp profile is on", HIGH),
    "2.18": Control("Experimental features are off", LOW),
    "4.1": Control("A container has a user of its own", MEDIUM),
    "4.6": Control("The image has a HEALTHCHECK", LOW),
    "4.9": Control("COPY is used instead of ADD", LOW),
    "4.10": Control("No secret stands in the Dockerfile", HIGH),
    "5.1": Control("Swarm mode is off", LOW),
    "5.2": Control("AppArmor is not turned off", MEDIUM),
    "5.3": Control("SELinux labels are not turned off", MEDIUM),
    "5.4": Control("Capabilities are restricted", MEDIUM),
    "5.5": Control("The container is not privileged", HIGH),
    "5.6": Control("No sensitive directory of the host is mounted", MEDIUM),
    "5.7": Control("No sshd runs in the container", MEDIUM),
    "5.8": Control("No privileged port is mapped", LOW),
    "5.10": Control("The host's network is not shared", HIGH),
    "5.11": Control("Memory is limited", MEDIUM),
    "5.12": Control("CPU time is limited or weighted", LOW),
    "5.13": Control("The root file system is read-only", MEDIUM),
    "5.14": Control("Ports are bound to one address of the host", MEDIUM),
    "5.16": Control("The host's processes are not shared", HIGH),
    "5.17": Control("The host's IPC is not shared", HIGH),
    "5.18": Control("No device of the host is exposed", MEDIUM),
    "5.20": Control("Mounts do not propagate back to the host", MEDIUM),
    "5.21": Control("The host's UTS namespace is not shared", MEDIUM),
    "5.22": Control("The seccomp profile is not turned off", HIGH),
    "5.25": Control("The container runs in the engine's own cgroup", LOW),
    "5.26": Control("The container acquires no new privileges", MEDIUM),
    "5.27": Control("The container's health is checked", LOW),
    "5.28": Control("The image is named by content", LOW),
    "5.29": Control("The number of processes is limited", MEDIUM),
    "5.30": Control("The default bridge docker0 is not used", LOW),
    "5.31": Control("The host's user namespace is not shared", MEDIUM),
    "5.32": Control("The Docker socket is not mounted", HIGH),
    # Not of the benchmark: a log without a limit fills the disk that every container of the host shares.
    "M.1": Control("The container's log is limited", MEDIUM),
    # Nor is this: through what the engine masks there, root in the container commands the host's kernel.
    "M.2": Control("What /proc and /sys say of the host is masked", HIGH),
}

NOT_APPLICABLE: Mapping[str, str] = {
    "2.1": "a rootless engine cannot bind ports 80 and 443 for the edge; containers run as users of their own instead (4.1)",
    "2.8": "depends on the application; the engine's unit sets what containers inherit",
    "2.9": "root of a remapped container reads no file secret; containers have users of their own and no capabilities instead",
    "2.11": "only the storage driver devicemapper has it, and engines of today have no devicemapper",
    "2.12": "the API is open to root on the host alone (2.7), and an authorisation plugin does not hold root back",
    "2.13": "where logs go is the operator's choice; that they cannot fill the disk is M.1",
    "2.16": "the edge alone publishes ports, and a host asks its own edge over the loopback address, which the proxy serves",
    "4.2": "a judgement about who built the image; images run by digest (5.28)",
    "4.3": "a judgement about the image's content, for the build",
    "4.4": "scanning belongs to the build and the registry",
    "4.5": "Docker Content Trust has been retired; releases record digests and run by them",
    "4.7": "a rule for Dockerfiles; an image does not show it reliably",
    "4.8": "without new privileges (5.26) a setuid file gives nothing",
    "4.11": "a rule for the build",
    "4.12": "a rule for the build and the registry",
    "5.9": "a judgement; routed services may publish no port at all, and the audit lists what is open",
    "5.15": "a replica that crashes must come back as often as it takes; a candidate that restarts fails its gate",
    "5.19": "the engine's limits are inherited; another is set only where a service says so",
    "5.23": "about commands that people type; the collection never uses docker exec",
    "5.24": "about commands that people type; the collection never uses docker exec",
}

# What gives the host to a container, whenever it is started: also found against those that do not run.
OF_THE_HOST = (
    *("5.2", "5.3", "5.4", "5.5", "5.6", "5.10", "5.16", "5.17", "5.18", "5.20", "5.21", "5.22", "5.25", "5.31", "5.32", "M.2"),
)

# With these a process in the container becomes root on the host, or reads its memory and disks.
_WORST_CAPABILITIES = frozenset(
    {
        *("ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "SYS_BOOT", "SYS_TIME", "BPF", "PERFMON", "SYSLOG"),
        *("DAC_READ_SEARCH", "MAC_ADMIN", "MAC_OVERRIDE", "NET_ADMIN", "CHECKPOINT_RESTORE", "MKNOD"),
    }
)
_ROOT_USERS = ("", "0", "root")
_EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104, RUF100 - compared with, not bound
_WEB_PORTS = ("80", "443")
_EDGE_FILES = "/var/lib/morpheus.deploy/edge/"
_LOCAL_REGISTRIES = ("127.0.0.0/8", "::1/128")
_SECRET_NAME = re.compile(r"(?i)(?:^|_)(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|CREDENTIALS?)(?:_|$)")
_ASSIGNMENT = re.compile(r"(?:^|[\s|])([A-Za-z_][A-Za-z0-9_]*)=(?=\S)")
_ADD = re.compile(r"(?:^|#\(nop\)\s+)ADD\s+(?P<sources>.+?)\s+(?:in\s+)?(?P<target>\S+)(?:\s+# buildkit)?\s*$")
_DEFAULT_CPU_SHARES = (0, 1024)
_PRIVILEGED_PORTS = 1024

# item, what is wrong, what to do; optionally a level of its own
_Found = tuple[str, str, str] | tuple[str, str, str, str]


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
        for one in _findings(subject, found)
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


def daemon_findings(info: Mapping[str, Any], daemon_json: Mapping[str, Any]) -> list[Finding]:
    """What section 2 and item 5.1 say against an engine."""
    return _findings("docker", [problem for check in _DAEMON_CHECKS for problem in check(info, daemon_json)])


def image_findings(inspect: Mapping[str, Any], history: Sequence[Mapping[str, Any]] = ()) -> list[Finding]:
    """What section 4 says against an image. ``history``: what the engine answers for /images/<name>/history, for 4.9 and 4.10."""
    subject = str(next(iter(inspect.get("RepoTags") or inspect.get("RepoDigests") or []), inspect.get("Id", "")))
    config = inspect.get("Config") or {}
    steps = [str(entry.get("CreatedBy") or "") for entry in history]
    found = [*_image_user(config), *_image_health(config), *_added(steps), *_baked(config, steps)]
    return _findings(subject, found)


def _findings(subject: str, found: Iterable[_Found]) -> list[Finding]:
    return [Finding(item, rest[0] if rest else CONTROLS[item].level, subject, text, mend) for item, text, mend, *rest in found]


def _host(inspect: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = inspect.get("HostConfig") or {}
    return found


def _options(inspect: Mapping[str, Any]) -> list[str]:
    return [hardening.normalised_option(option) for option in _host(inspect).get("SecurityOpt") or []]


def _user(inspect: Mapping[str, Any]) -> list[_Found]:
    user = str((inspect.get("Config") or {}).get("User") or "")
    if user.partition(":")[0] not in _ROOT_USERS:
        return []
    return [("4.1", "runs as root", "set a numeric user in the image (USER) or in the Compose file (user:)")]


def _profiles(inspect: Mapping[str, Any]) -> list[_Found]:
    options = _options(inspect)
    found: list[_Found] = []
    if inspect.get("AppArmorProfile") == "unconfined" or "apparmor=unconfined" in options:
        found.append(("5.2", "AppArmor is turned off", "remove apparmor:unconfined from security_opt"))
    if "label=disable" in options:
        found.append(("5.3", "SELinux labels are turned off", "remove label:disable from security_opt"))
    if "seccomp=unconfined" in options:
        found.append(("5.22", "the seccomp profile is turned off", "remove seccomp:unconfined from security_opt"))
    if not hardening.forbids_new_privileges(options):
        found.append(("5.26", "processes may acquire new privileges", "set security_opt: [no-new-privileges:true]"))
    return found


def _capabilities(inspect: Mapping[str, Any]) -> list[_Found]:
    host = _host(inspect)
    if host.get("Privileged"):
        return [("5.5", "is privileged", "remove privileged: true and add the capabilities that are needed to cap_add")]
    added = {hardening.capability(name) for name in host.get("CapAdd") or []} - hardening.SAFE_CAPABILITIES
    found: list[_Found] = []
    if added:
        level = HIGH if added & _WORST_CAPABILITIES else MEDIUM
        found.append(("5.4", f"has the capabilities {', '.join(sorted(added))}", "remove them from cap_add", level))
    if "ALL" not in {hardening.capability(name) for name in host.get("CapDrop") or []}:
        found.append(("5.4", "keeps the engine's default capabilities", "set cap_drop: [ALL] and add what is needed to cap_add"))
    return found


def _mounts(inspect: Mapping[str, Any]) -> list[_Found]:
    found: list[_Found] = []
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


def _namespaces(inspect: Mapping[str, Any]) -> list[_Found]:
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


def _network(inspect: Mapping[str, Any]) -> list[_Found]:
    found: list[_Found] = []
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


def _limits(inspect: Mapping[str, Any]) -> list[_Found]:
    host = _host(inspect)
    found: list[_Found] = []
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


def _surroundings(inspect: Mapping[str, Any]) -> list[_Found]:
    host = _host(inspect)
    found: list[_Found] = []
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


def _contents(inspect: Mapping[str, Any]) -> list[_Found]:
    config = inspect.get("Config") or {}
    found: list[_Found] = []
    words = [str(word) for word in (inspect.get("Path") or "", *(inspect.get("Args") or []))]
    if any(word.rpartition("/")[2] == "sshd" for part in words for word in part.split()):
        found.append(("5.7", "runs sshd", "remove it; docker exec on the host does the same"))
    if (config.get("Healthcheck") or {}).get("Test") in (None, [], ["NONE"]):
        found.append(("5.27", "has no healthcheck", "set healthcheck in the Compose file"))
    image = str(config.get("Image") or "")
    if "@" not in image and not image.startswith("sha256:"):
        found.append(("5.28", f"runs {image or 'an image'} by a name that may be pushed again", "name the image by digest"))
    return found


_CONTAINER_CHECKS: Sequence[Callable[[Mapping[str, Any]], list[_Found]]] = (
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


def _features(info: Mapping[str, Any], daemon: Mapping[str, Any]) -> list[_Found]:
    found: list[_Found] = []
    level = str(daemon.get("log-level") or "info")
    if level != "info":
        found.append(("2.3", f"logs at level {level}", "remove log-level from daemon.json"))
    if daemon.get("iptables") is False:
        found.append(("2.4", "may not change iptables, so containers are not kept apart", "remove iptables from daemon.json"))
    if info.get("Driver") == "aufs":
        found.append(("2.6", "keeps its images with aufs", "use overlay2"))
    if daemon.get("cgroup-parent"):
        found.append(("2.10", f"puts containers into the cgroup {daemon['cgroup-parent']}", "remove cgroup-parent"))
    if not info.get("LiveRestoreEnabled"):
        found.append(("2.15", "stops every container when it restarts", "set live-restore: true in daemon.json"))
    if info.get("ExperimentalBuild") or daemon.get("experimental"):
        found.append(("2.18", "has experimental features on", "remove experimental from daemon.json"))
    if (info.get("Swarm") or {}).get("LocalNodeState") not in (None, "", "inactive"):
        found.append(("5.1", "is part of a swarm", "docker swarm leave; nothing here needs it"))
    return found


def _registries(info: Mapping[str, Any], _: Mapping[str, Any]) -> list[_Found]:
    registries = info.get("RegistryConfig") or {}
    names = [name for name in registries.get("InsecureRegistryCIDRs") or [] if name not in _LOCAL_REGISTRIES]
    indexes = registries.get("IndexConfigs") or {}
    names += [name for name, index in indexes.items() if not index.get("Secure", True)]
    names += [mirror for mirror in registries.get("Mirrors") or [] if mirror.startswith("http://")]
    mend = "serve it with TLS, and name it with https:// in daemon.json"
    return [("2.5", f"trusts {name} without TLS", mend) for name in sorted(names)]


def _api(_: Mapping[str, Any], daemon: Mapping[str, Any]) -> list[_Found]:
    hosts = daemon.get("hosts") or []
    if daemon.get("tlsverify"):
        return []
    return [("2.7", f"is open on {host} to everybody", "remove it from hosts") for host in hosts if str(host).startswith("tcp:")]


def _confinement(info: Mapping[str, Any], daemon: Mapping[str, Any]) -> list[_Found]:
    options = [str(option) for option in info.get("SecurityOptions") or []]
    found: list[_Found] = []
    if daemon.get("icc", True):
        mend = "set icc: false in docker_engine_daemon_options; containers of stacks are on networks of their own (5.30)"
        found.append(("2.2", "lets containers on the default bridge reach each other", mend))
    if not daemon.get("no-new-privileges") and "name=no-new-privileges" not in options:
        mend = "set no-new-privileges: true in docker_engine_daemon_options; services of stacks have it of their own (5.26)"
        found.append(("2.14", "lets containers acquire new privileges that do not say otherwise", mend))
    seccomp = [option for option in options if option.startswith("name=seccomp")]
    if not seccomp or "profile=unconfined" in seccomp[0]:
        found.append(("2.17", "starts containers without a seccomp profile", "remove seccomp-profile from daemon.json"))
    return found


_DAEMON_CHECKS: Sequence[Callable[[Mapping[str, Any], Mapping[str, Any]], list[_Found]]] = (
    *(_features, _registries, _api, _confinement),
)


def _image_user(config: Mapping[str, Any]) -> list[_Found]:
    if str(config.get("User") or "").partition(":")[0] not in _ROOT_USERS:
        return []
    return [("4.1", "runs as root unless told otherwise", "end its Dockerfile with a numeric USER")]


def _image_health(config: Mapping[str, Any]) -> list[_Found]:
    if (config.get("Healthcheck") or {}).get("Test") not in (None, [], ["NONE"]):
        return []
    return [("4.6", "has no HEALTHCHECK", "add one, or set healthcheck in the Compose file (5.27)")]


def _added(steps: Sequence[str]) -> list[_Found]:
    """An archive that is unpacked into / is the root file system itself, which COPY cannot do."""
    found: list[_Found] = []
    for match in filter(None, map(_ADD.search, steps)):
        if match["target"] != "/":
            mend = "use COPY; fetch what is remote in RUN, with its checksum"
            found.append(("4.9", f"was built with ADD {match['sources'][:60]}", mend))
    return found


def _baked(config: Mapping[str, Any], steps: Sequence[str]) -> list[_Found]:
    variables = {str(entry).partition("=")[0] for entry in config.get("Env") or [] if str(entry).partition("=")[2]}
    assigned = {name for step in steps for name in _ASSIGNMENT.findall(step)}
    names = sorted(name for name in variables | assigned if _SECRET_NAME.search(name))
    mend = "give it at run time (stack_secrets), or at build time with RUN --mount=type=secret; and replace the value"
    return [("4.10", f"holds a value for {name}", mend) for name in names]
