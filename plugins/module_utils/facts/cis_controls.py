# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The items of the CIS Docker Benchmark 1.6.0 that can be decided from what the engine says of itself, its containers and images.

Items that do not apply stand in NOT_APPLICABLE with the reason; docs/hardening.md prints both tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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
ROOT_USERS = ("", "0", "root")

# item, what is wrong, what to do; optionally a level of its own
Found = tuple[str, str, str] | tuple[str, str, str, str]


def findings(subject: str, found: Iterable[Found]) -> list[Finding]:
    return [Finding(item, rest[0] if rest else CONTROLS[item].level, subject, text, mend) for item, text, mend, *rest in found]
