# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine, held against the benchmark: ``docker info`` and daemon.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.facts.cis_controls import Finding, Found, findings

_LOCAL_REGISTRIES = ("127.0.0.0/8", "::1/128")


def daemon_findings(info: Mapping[str, Any], daemon_json: Mapping[str, Any]) -> list[Finding]:
    """What section 2 and item 5.1 say against an engine."""
    return findings("docker", [problem for check in _DAEMON_CHECKS for problem in check(info, daemon_json)])


def _features(info: Mapping[str, Any], daemon: Mapping[str, Any]) -> list[Found]:
    found: list[Found] = []
    level = str(daemon.get("log-level") or "info")
    if info.get("Debug") or level in ("debug", "trace"):
        text = "writes the environment of every container that it creates into its log, secrets included: it runs in debug mode"
        found.append(("2.3", text, "remove debug and log-level from daemon.json, and restart the engine", "high"))
    elif level != "info":
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


def _registries(info: Mapping[str, Any], _: Mapping[str, Any]) -> list[Found]:
    registries = info.get("RegistryConfig") or {}
    names = [name for name in registries.get("InsecureRegistryCIDRs") or [] if name not in _LOCAL_REGISTRIES]
    indexes = registries.get("IndexConfigs") or {}
    names += [name for name, index in indexes.items() if not index.get("Secure", True)]
    names += [mirror for mirror in registries.get("Mirrors") or [] if mirror.startswith("http://")]
    mend = "serve it with TLS, and name it with https:// in daemon.json"
    return [("2.5", f"trusts {name} without TLS", mend) for name in sorted(names)]


def _api(_: Mapping[str, Any], daemon: Mapping[str, Any]) -> list[Found]:
    hosts = daemon.get("hosts") or []
    if daemon.get("tlsverify"):
        return []
    return [("2.7", f"is open on {host} to everybody", "remove it from hosts") for host in hosts if str(host).startswith("tcp:")]


def _confinement(info: Mapping[str, Any], daemon: Mapping[str, Any]) -> list[Found]:
    options = [str(option) for option in info.get("SecurityOptions") or []]
    found: list[Found] = []
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


_DAEMON_CHECKS: Sequence[Callable[[Mapping[str, Any], Mapping[str, Any]], list[Found]]] = (
    *(_features, _registries, _api, _confinement),
)
