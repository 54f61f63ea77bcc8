# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rollouts of a run are doing, host by host and replica by replica. Pure: fed with events, asked for what to show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.words.plain_text import plain

# A line for a number that went on counting comes no more often than this.
COUNT_SECONDS = 2.0
WAITS, AT_WORK, DONE, FAILED = "waiting", "at work", "done", "failed"
Event = Mapping[str, Any]
# What a step makes of the replicas that it names, when it begins and when it is done.
_BEGINS = {"drain": "draining", "await": "draining", "stop": "stopping", "gate": "", "watch": ""}
_LONGEST = 400


@dataclass
class Replica:
    """``state``: a word. ``detail``: what was seen last."""

    service: str
    state: str
    detail: str = ""


@dataclass
class Host:
    state: str = WAITS
    since: float = 0.0
    until: float = 0.0
    release: str = ""
    # Service -> its step that is under way, in the planner's words.
    steps: dict[str, str] = field(default_factory=dict)
    actions: dict[str, str] = field(default_factory=dict)
    replicas: dict[str, Replica] = field(default_factory=dict)
    # Steps that were told, so that the result can add those that came too late.
    told: list[str] = field(default_factory=list)

    def seconds(self, now: float) -> float:
        return (self.until or now) - self.since if self.since else 0.0


def text(value: Any) -> str:
    """One line that nothing on a terminal acts on."""
    return " ".join(plain(str(value)).split())[:_LONGEST]


def names(value: Any) -> list[str]:
    return [text(one) for one in value] if isinstance(value, list) else []


class Board:
    def __init__(self) -> None:
        self.hosts: dict[str, Host] = {}
        # (host, what) -> when its line was last shown, and what it said.
        self._shown: dict[tuple[str, ...], tuple[float, str]] = {}

    def expect(self, hosts: Sequence[str]) -> None:
        """Hosts whose turn will come."""
        for name in hosts:
            self.hosts.setdefault(name, Host())

    def begin(self, name: str, now: float) -> None:
        self.hosts[name] = Host(AT_WORK, now)

    def saw(self, event: Event, now: float) -> list[str]:
        """Take ``event`` in; the lines that say it, where it is worth one, without the host's name."""
        host = self.hosts.setdefault(text(event.get("host", "")), Host(AT_WORK, now))
        if host.state in (DONE, FAILED):
            return []
        handler: Callable[[Host, Event, float], list[str]] | None = getattr(self, f"_{event.get('event')}", None)
        return handler(host, event, now) if handler else []

    def end(self, name: str, result: Mapping[str, Any], now: float, *, failed: bool) -> list[str]:
        """``result``: of the module. The lines of steps that were done since the last event."""
        host = self.hosts.setdefault(name, Host(since=now))
        host.state, host.until = FAILED if failed else DONE, now
        told, late = [*host.told], []
        for step in result.get("steps") or []:
            if text(step) in told:
                told.remove(text(step))
            else:
                late.append(text(step))
        host.steps.clear()
        host.replicas.clear()
        host.release = text(result.get("release", "")) or host.release
        # Of a host that could not be followed they would come all at once, and tell nothing that the verdict does not.
        return late if host.told and not failed else []

    def count(self, state: str) -> int:
        return sum(host.state == state for host in self.hosts.values())

    def _begin(self, host: Host, event: Event, now: float) -> list[str]:
        host.release = text(event.get("release", ""))
        host.steps, host.replicas = {}, {}
        way = "goes back" if event.get("kind") == "rollback" else "switches"
        steps = event.get("steps")
        return [f"{way} to {host.release} in {steps} {'step' if steps == 1 else 'steps'}"]

    def _intent(self, host: Host, event: Event, now: float) -> list[str]:
        service, action, said = self._step(event)
        host.steps[service], host.actions[service] = said.removeprefix(f"{service}: "), action
        host.told.append(said)
        for name in names(event.get("replicas")):
            if action in _BEGINS:
                state = _BEGINS[action] or host.replicas.get(name, Replica(service, "")).state
                host.replicas[name] = Replica(service, state)
        return [said]

    def _done(self, host: Host, event: Event, now: float) -> list[str]:
        service, action, _ = self._step(event)
        host.steps.pop(service, None)
        if action in ("remove", "sweep"):
            for name in names(event.get("replicas")):
                host.replicas.pop(name, None)
        if action != "admit":
            return []
        admitted = [
            name
            for name, one in host.replicas.items()
            if one.service == service and one.state in ("started", "gate", "passed its gate")
        ]
        for name in admitted:
            host.replicas[name] = Replica(service, "admitted")
        return [f"{service}: admitted {', '.join(admitted)}"] if admitted else []

    def _failed(self, host: Host, event: Event, now: float) -> list[str]:
        service, _, said = self._step(event)
        host.steps.pop(service, None)
        return [f"{said}: failed"]

    def _started(self, host: Host, event: Event, now: float) -> list[str]:
        service, started = text(event.get("service", "")), names(event.get("replicas"))
        host.replicas |= {name: Replica(service, "started") for name in started}
        return [f"{service}: started {', '.join(started)}"]

    def _gate(self, host: Host, event: Event, now: float) -> list[str]:
        service, name, last = (text(event.get(key, "")) for key in ("service", "replica", "last"))
        detail = f"attempt {event.get('attempts')}: {last}"
        host.replicas[name] = Replica(service, "gate", detail)
        return self._line(event, now, f"{service}: gate {name}, {detail}", last)

    def _watch(self, host: Host, event: Event, now: float) -> list[str]:
        service, name, last = (text(event.get(key, "")) for key in ("service", "replica", "last"))
        before = host.replicas.get(name)
        users = before.detail if before and before.state == "watched" and last == "good" else ""
        host.replicas[name] = Replica(service, "watched", users or f"attempt {event.get('attempts')}: {last}")
        return self._line(event, now, f"{service}: watching {name}, attempt {event.get('attempts')}: {last}", last)

    def _judged(self, host: Host, event: Event, now: float) -> list[str]:
        service, name, last = (text(event.get(key, "")) for key in ("service", "replica", "last"))
        attempts = f"{event.get('attempts')} attempts"
        watched = host.actions.get(service) == "watch"
        if event.get("healthy"):
            state = "stayed well" if watched else "passed its gate"
            host.replicas[name] = Replica(service, state, f"after {attempts}")
            return [f"{service}: {name} {state}, {attempts}"]
        host.replicas[name] = Replica(service, "failed", last)
        return [f"{service}: {name} failed {'its watch' if watched else 'its gate'}, {attempts}: {last}"]

    def _requests(self, host: Host, event: Event, now: float) -> list[str]:
        service, left, replicas = text(event.get("service", "")), event.get("left"), names(event.get("replicas"))
        detail = f"{left} {'request' if left == 1 else 'requests'} left"
        for name in replicas:
            host.replicas[name] = Replica(service, "draining", detail)
        return self._line(event, now, f"{service}: draining {', '.join(replicas)}, {detail}", "0" if left == 0 else "some")

    def _killed(self, host: Host, event: Event, now: float) -> list[str]:
        return [text(event.get("text", ""))]

    def _users(self, host: Host, event: Event, now: float) -> list[str]:
        service, errors = text(event.get("service", "")), event.get("errors")
        detail = f"{errors} {'error' if errors == 1 else 'errors'} in {event.get('requests')} requests of users so far"
        for one in host.replicas.values():
            if one.service == service and one.state in ("admitted", "watched"):
                one.state, one.detail = "watched", detail
        return self._line(event, now, f"{service}: watching, {detail}", text(errors))

    def _asks(self, host: Host, event: Event, now: float) -> list[str]:
        said = f"ask the host's own edge for {text(event.get('url', ''))}"
        host.steps["edge"] = said
        return [f"edge: {said}"]

    def _bad(self, host: Host, event: Event, now: float) -> list[str]:
        host.steps["host"] = "takes back what it has begun"
        return [f"takes back what it has begun: {text(event.get('why', ''))}"]

    @staticmethod
    def _step(event: Event) -> tuple[str, str, str]:
        return text(event.get("service", "")), text(event.get("action", "")), text(event.get("text", ""))

    def _line(self, event: Event, now: float, line: str, says: str) -> list[str]:
        """``line``, unless it says the same as a moment ago but for a count."""
        key = tuple(text(event.get(one, "")) for one in ("host", "event", "service", "replica"))
        when, before = self._shown.get(key, (float("-inf"), ""))
        if says == before and now - when < COUNT_SECONDS:
            return []
        self._shown[key] = now, says
        return [line]
