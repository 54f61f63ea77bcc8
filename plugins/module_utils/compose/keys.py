# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every key of the Compose specification, and what was decided on it: the allow-list of hardening, with its reasons. Data only.

The question for each key is what it can do to the host or to another stack; what it does to the service itself is its owner's
business. A key that stands nowhere here is refused until somebody decides: see ``undecided``. The keys are those of the schema in
compose-go of 2026-07-21 (e70e961c3a3a); docs/hardening.md says how a decision is added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Whatever it says, it is the service's own business.
HARMLESS: Mapping[str, str] = {
    "attach": "what a terminal shows",
    "blkio_config": "weighs and limits the service's own input and output",
    "build": "hosts build no images",
    "cap_drop": "takes away",
    "command": "runs inside",
    "container_name": "a name that is taken is refused by the engine",
    "cpu_count": "limits the service itself",
    "cpu_percent": "limits the service itself",
    "cpu_period": "limits the service itself",
    "cpu_quota": "limits the service itself",
    "cpu_shares": "weighs the service itself",
    "cpus": "limits the service itself",
    "cpuset": "limits the service itself",
    "depends_on": "an order",
    "develop": "read by docker compose watch alone, which no host runs",
    "dns": "what the service itself asks",
    "dns_opt": "what the service itself asks",
    "dns_search": "what the service itself asks",
    "domainname": "a name inside",
    "entrypoint": "runs inside",
    "environment": "the service's own variables; Compose runs without the host's",
    "expose": "a note without effect",
    "extends": "what it takes over stands in the service itself, and is judged there",
    "extra_hosts": "names inside",
    "group_add": "a group inside; files of the host are not in reach",
    "healthcheck": "runs inside",
    "hostname": "a name inside",
    "image": "what it may be is another rule's matter",
    "init": "runs inside",
    "isolation": "of Windows; an engine on Linux refuses it",
    "links": "names of the stack's own services",
    "mac_address": "an address on the stack's own networks",
    "mem_limit": "limits the service itself",
    "mem_reservation": "limits the service itself",
    "mem_swappiness": "limits the service itself",
    "memswap_limit": "limits the service itself",
    "platform": "which variant of the image",
    "profiles": "whether it runs at all",
    "pull_policy": "images are pulled and pinned before",
    "pull_refresh_after": "images are pulled and pinned before",
    "restart": "starts the service itself again",
    "scale": "how many",
    "shm_size": "memory of the service itself",
    "stdin_open": "a terminal inside",
    "stop_grace_period": "how it ends",
    "stop_signal": "how it ends",
    "storage_opt": "limits the service's own layer",
    "tmpfs": "memory of the service itself",
    "tty": "a terminal inside",
    "user": "a user inside, without capabilities and new privileges",
    "working_dir": "a directory inside",
}

# Refused whatever it says; the key is the word that admits it.
REFUSED: Mapping[str, str] = {
    "annotations": "orders to the host's container runtime and its hooks",
    "cgroup_parent": "puts the service among control groups of the host or of another stack, past its own limits",
    "cpu_rt_period": "takes CPU time in real time, before every other process of the host",
    "cpu_rt_runtime": "takes CPU time in real time, before every other process of the host",
    "credential_spec": "reads a file of the host",
    "device_cgroup_rules": "lets the service use devices of the host",
    "devices": "gives the service devices of the host",
    "external_links": "reaches containers of other stacks",
    "gpus": "gives the service devices of the host",
    "models": "runs models on the host, outside of containers",
    "oom_kill_disable": "lets the host run out of memory instead of the service",
    "pre_start": "runs containers that nothing hardens, of images that no release records",
    "provider": "runs a program on the host, as root",
    "volumes_from": "takes over mounts that no check sees",
}

# What it says decides: refusals.py and refused_mounts.py. Key -> words that admit what is refused of it.
JUDGED: Mapping[str, tuple[str, ...]] = {
    "cap_add": ("cap_add",),
    "cgroup": ("cgroup",),
    "configs": ("configs", "volumes"),
    "deploy": ("gpus", "pids_limit"),
    "env_file": ("env_file",),
    "ipc": ("ipc",),
    "label_file": ("label_file",),
    "labels": ("labels",),
    "logging": ("logging",),
    "network_mode": ("network_mode",),
    "networks": ("networks",),
    "oom_score_adj": ("oom_score_adj",),
    "pid": ("pid",),
    "pids_limit": ("pids_limit",),
    "ports": ("ports",),
    # Root on the host has a list of its own in stack.hardening, and so has the engine's socket.
    "post_start": ("privileged",),
    "pre_stop": ("privileged",),
    "privileged": ("privileged",),
    "read_only": ("read_only",),
    "runtime": ("runtime",),
    "secrets": ("secrets", "volumes"),
    "security_opt": ("seccomp", "apparmor", "selinux", "no_new_privileges", "systempaths", "writable_cgroups", "security_opt"),
    "sysctls": ("sysctls",),
    "ulimits": ("ulimits",),
    "use_api_socket": ("docker_socket",),
    "userns_mode": ("userns_mode",),
    "uts": ("uts",),
    "volumes": ("volumes", "docker_socket"),
}

# Words that are not the key that they admit.
RENAMED: Mapping[str, str] = {"cpu_rt_period": "cpu_rt", "cpu_rt_runtime": "cpu_rt", "volumes_from": "volumes"}

SERVICE = frozenset({*HARMLESS, *REFUSED, *JUDGED})

# Of the keys that hold more keys, those that are known: path -> keys. "*": a name that people choose; lists are looked through.
BELOW: Mapping[str, frozenset[str]] = {
    "blkio_config": frozenset(
        {"device_read_bps", "device_read_iops", "device_write_bps", "device_write_iops", "weight", "weight_device"}
    ),
    "configs": frozenset({"source", "target", "uid", "gid", "mode"}),
    "depends_on.*": frozenset({"condition", "required", "restart"}),
    "deploy": frozenset(
        {
            *("endpoint_mode", "labels", "mode", "placement", "replicas", "resources", "restart_policy"),
            *("rollback_config", "update_config"),
        }
    ),
    "deploy.placement": frozenset({"constraints", "max_replicas_per_node", "preferences"}),
    "deploy.resources": frozenset({"limits", "reservations"}),
    "deploy.resources.limits": frozenset({"cpus", "memory", "pids"}),
    "deploy.resources.reservations": frozenset({"cpus", "devices", "generic_resources", "memory"}),
    "deploy.restart_policy": frozenset({"condition", "delay", "max_attempts", "window"}),
    "env_file": frozenset({"format", "path", "required"}),
    "extends": frozenset({"file", "service"}),
    "healthcheck": frozenset({"disable", "interval", "retries", "start_interval", "start_period", "test", "timeout"}),
    "logging": frozenset({"driver", "options"}),
    "networks.*": frozenset(
        {
            *("aliases", "driver_opts", "gw_priority", "interface_name", "ipv4_address", "ipv6_address", "link_local_ips"),
            *("mac_address", "priority"),
        }
    ),
    "ports": frozenset({"app_protocol", "host_ip", "mode", "name", "protocol", "published", "target"}),
    "post_start": frozenset({"command", "environment", "privileged", "user", "working_dir"}),
    "pre_stop": frozenset({"command", "environment", "privileged", "user", "working_dir"}),
    "secrets": frozenset({"source", "target", "uid", "gid", "mode"}),
    "ulimits.*": frozenset({"hard", "soft"}),
    "volumes": frozenset({"bind", "consistency", "image", "read_only", "source", "target", "tmpfs", "type", "volume"}),
    "volumes.bind": frozenset({"create_host_path", "propagation", "recursive", "selinux"}),
    "volumes.image": frozenset({"subpath"}),
    "volumes.tmpfs": frozenset({"mode", "size"}),
    "volumes.volume": frozenset({"labels", "nocopy", "subpath"}),
}

# Elements beside services. What they define counts for the services that use it, so these are harmless by themselves.
TOP = frozenset({"configs", "include", "models", "name", "networks", "secrets", "services", "version", "volumes"})
# Of what they define, the keys that are known; an unknown one is refused to every service that uses it, by the element's word.
DEFINED: Mapping[str, frozenset[str]] = {
    "configs": frozenset({"content", "environment", "external", "file", "labels", "name"}),
    "networks": frozenset(
        {"attachable", "driver", "driver_opts", "enable_ipv4", "enable_ipv6", "external", "internal", "ipam", "labels", "name"}
    ),
    "secrets": frozenset({"environment", "external", "file", "labels", "name"}),
    "volumes": frozenset({"driver", "driver_opts", "external", "labels", "name"}),
}


def word(key: str) -> str:
    """What admits a key that is refused whatever it says."""
    return RENAMED.get(key, key)


def words() -> tuple[str, ...]:
    """Of stack.hardening.exempt: all that admits something. Docker's socket and root on the host have lists of their own."""
    found = [*(one for admits in JUDGED.values() for one in admits), *map(word, REFUSED)]
    return tuple(sorted({one for one in found if one not in ("docker_socket", "privileged")}))


def undecided(service: Mapping[str, Any]) -> list[str]:
    """Paths of keys below a service that nobody has decided on; each is the word that admits it."""
    found = [str(key) for key in service if key not in SERVICE and not _is_extension(key)]
    for path, known in BELOW.items():
        for holder in _at(service, path.split(".")):
            found += [f"{path}.{key}" for key in holder if key not in known and not _is_extension(key)]
    return sorted(set(found))


def unknown_elements(model: Mapping[str, Any]) -> list[str]:
    return sorted(str(key) for key in model if key not in TOP and not _is_extension(key))


def unknown_keys(element: str, definition: Mapping[str, Any]) -> list[str]:
    """Of what an element such as ``networks`` defines."""
    return sorted(str(key) for key in definition if key not in DEFINED[element] and not _is_extension(key))


def _is_extension(key: Any) -> bool:
    return str(key).startswith("x-")


def _at(value: Any, path: list[str]) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list | tuple):
        for one in value:
            yield from _at(one, path)
    elif isinstance(value, Mapping):
        if not path:
            yield value
        elif path[0] == "*":
            for one in value.values():
                yield from _at(one, path[1:])
        elif path[0] in value:
            yield from _at(value[path[0]], path[1:])
