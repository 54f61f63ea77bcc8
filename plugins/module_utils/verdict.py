# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""How a run ended, in one word that is true of the hosts. Pure: fed with results of modules, asked at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class HostState:
    """What is known of a host: the release it serves now, and what was done to it."""

    release: str = ""
    previous: str = ""
    changed: bool = False
    failed: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    drained: int = 0
    cut: int = 0
    gates: list[Mapping[str, Any]] = field(default_factory=list)
    mixed: bool = False
    taken_back: bool = False
    lost: bool = False
    plan: list[str] = field(default_factory=list)


@dataclass
class Run:
    started: float
    environment: str = ""
    release: str = ""
    hosts: dict[str, HostState] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    is_deploy: bool = False

    def saw(self, module: str, host: str, result: Mapping[str, Any], *, failed: bool) -> None:
        """A module of this collection ended on ``host``."""
        handler = {"stack_release": self._prepared, "stack_rollout": self._rolled_out}.get(module)
        if handler:
            self.is_deploy = True
            handler(self.hosts.setdefault(host, HostState()), result)
        if failed and module in ("stack_release", "stack_rollout", "stack_migration", "health_gate"):
            self.hosts.setdefault(host, HostState()).failed = str(result.get("msg", ""))

    def refused(self, host: str, message: str, *, preflight: bool) -> None:
        """Another task failed: before anything was switched it means that the run was refused."""
        self.is_deploy = self.is_deploy or preflight
        if preflight:
            self.refusals.append(message)
        elif host in self.hosts:
            self.hosts[host].failed = self.hosts[host].failed or message

    def lost(self, host: str, module: str = "") -> None:
        """``host`` could not be reached for a task of ``module``: in the middle of its rollout nobody knows what it runs."""
        state = self.hosts.setdefault(host, HostState())
        state.lost, state.failed = True, f"{host} could not be reached"
        state.mixed = state.mixed or module == "stack_rollout"

    def verdict(self, seconds: float, *, check_mode: bool) -> dict[str, Any]:
        failed = {name: state for name, state in self.hosts.items() if state.failed}
        return {
            "verdict": self._word(bool(failed)),
            "check_mode": check_mode,
            "environment": self.environment,
            "release": self.release,
            "previous": next((state.previous for state in self.hosts.values() if state.previous), ""),
            "hosts": {name: self._host(state) for name, state in self.hosts.items()},
            "drained": sum(state.drained for state in self.hosts.values()),
            "cut": sum(state.cut for state in self.hosts.values()),
            "started": round(self.started, 3),
            "seconds": seconds,
            "messages": list(dict.fromkeys([*self.refusals, *(state.failed for state in failed.values())])),
        }

    def _word(self, failed: bool) -> str:
        switched = any(state.changed for state in self.hosts.values())
        if self.refusals or (failed and not any(state.gates or state.changed or state.mixed for state in self.hosts.values())):
            return "refused"
        if failed:
            releases = {state.release for state in self.hosts.values()}
            if len(releases) > 1 or any(state.mixed for state in self.hosts.values()):
                return "mixed"
            return "rolled_back" if any(state.taken_back for state in self.hosts.values()) else "failed"
        return "deployed" if switched else "unchanged"

    def _prepared(self, state: HostState, result: Mapping[str, Any]) -> None:
        if "release" in result:
            self.release = result["release"]
            self.environment = result.get("environment") or self.environment
            state.release = state.previous = result["previous"]
            state.plan = list(result.get("plan", []))
            if not result.get("pending", True):
                state.release = self.release

    def _rolled_out(self, state: HostState, result: Mapping[str, Any]) -> None:
        if "release" not in result:
            return
        self.release = result["release"]
        state.previous = result["previous"]
        state.gates = result["gates"]
        state.seconds, state.drained, state.cut = result["seconds"], result["drained"], result["cut"]
        if result.get("left"):
            state.release = result["previous"]
            state.mixed = result["left"] == "mixed"
            state.taken_back = result["left"] == "taken_back"
        else:
            state.release = result["release"]
            state.changed = bool(result["changed"])

    def _host(self, state: HostState) -> dict[str, Any]:
        return {
            "release": state.release,
            "changed": state.changed,
            "failed": state.failed,
            "plan": state.plan,
            "mixed": state.mixed,
            "lost": state.lost,
            "seconds": state.seconds,
            "drained": state.drained,
            "cut": state.cut,
            "gates": [dict(gate) for gate in state.gates],
        }


def summary(verdict: Mapping[str, Any]) -> list[str]:
    """Lines for the end of a run: the word first."""
    environment = verdict["environment"] or "this environment"
    if verdict["check_mode"] and not verdict["messages"]:
        lines = [f"CHECK MODE: nothing was changed in {environment}. A deploy of {verdict['release']} would:"]
        for name, host in sorted(verdict["hosts"].items()):
            lines += [f"  {name}: {step}" for step in host["plan"] or ["nothing to do"]]
        return lines
    was = f" (was {verdict['previous']})" if verdict["previous"] not in ("", verdict["release"]) else ""
    what = f"{verdict['release']}{was}" if verdict["release"] else ""
    lines = [f"VERDICT {verdict['verdict']}: {environment} {what}".rstrip() + f" in {verdict['seconds']} s"]
    for name, host in sorted(verdict["hosts"].items()):
        state = "more than one release" if host["mixed"] else host["release"] or "nothing"
        if host["lost"]:
            state = f"an unknown release, because it could not be reached (last known: {host['release'] or 'none'})"
        cut = f", {host['cut']} connections cut" if host["cut"] else ""
        drained = f", {host['drained']} drained" if host["drained"] else ""
        lines.append(f"  {name} runs {state}{drained}{cut}")
    lines += [f"  {line}" for message in verdict["messages"] for line in message.splitlines()]
    if "path" in verdict:
        lines.append(f"  details: {verdict['path']}")
    return lines
