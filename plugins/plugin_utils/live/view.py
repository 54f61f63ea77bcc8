# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands on a terminal while a run is at work: a few rows, whatever the number of hosts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ansible_collections.morpheus.deploy.plugins.plugin_utils.live.board import AT_WORK, DONE, FAILED, WAITS, Board, Host
from ansible_collections.morpheus.deploy.plugins.plugin_utils.live.words import clock

# More replicas than these are told by their hosts, and more hosts than these by numbers.
MOST_ROWS = 12
MOST_HOSTS = 8
# Of hosts that are summed up, so many are shown beside the numbers.
SHOWN_HOSTS = 6


@dataclass(frozen=True)
class Row:
    """Who, in which state, with what was seen last."""

    name: str
    state: str
    detail: str = ""


@dataclass
class Span:
    """Something that takes time. ``expected``: seconds that it took in earlier runs; None when there was none."""

    name: str
    since: float
    expected: float | None = None

    def time(self, now: float) -> str:
        return clock(now - self.since) + (f" of about {clock(self.expected)}" if self.expected else "")


@dataclass
class View:
    """``phase``: the play that is under way, ``task`` its task."""

    run: Span
    phase: Span | None = None
    number: int = 0
    phases: int = 0
    task: str = ""
    hosts: int = 0
    ended: int = 0
    board: Board = field(default_factory=Board)

    def heads(self, now: float) -> list[tuple[str, str]]:
        """Left and right of each line above the rows."""
        lines = [(self.run.name, self.run.time(now))]
        if self.phase:
            number = f"{self.number} of {self.phases}  " if self.phases >= self.number else ""
            lines.append((f"{number}{self.phase.name}", self.phase.time(now)))
        if self.task and not self.board.count(AT_WORK):
            lines.append((f"  {self.task}", f"{self.ended} of {self.hosts} hosts" if self.hosts > 1 else ""))
        if len(self.board.hosts) > MOST_HOSTS:
            counts = [f"{self.board.count(state)} {state}" for state in (DONE, AT_WORK, WAITS, FAILED) if self.board.count(state)]
            lines.append((f"  {len(self.board.hosts)} hosts: {', '.join(counts)}", ""))
        return lines

    def rows(self, now: float) -> list[Row]:
        hosts = self.board.hosts
        if len(hosts) > MOST_HOSTS:
            return list(_summed_up(self.board, now))
        rows = [row for name, host in hosts.items() for row in _of_replicas(name, host, now)]
        return rows if len(rows) <= MOST_ROWS else [_of_host(name, host, now) for name, host in hosts.items()]


def _of_replicas(name: str, host: Host, now: float) -> Iterator[Row]:
    if host.state != AT_WORK or not (host.replicas or host.steps):
        yield _of_host(name, host, now)
        return
    yield Row(name, AT_WORK, f"{host.release}  {clock(host.seconds(now))}".strip())
    shown = set()
    for replica, one in host.replicas.items():
        shown.add(one.service)
        yield Row(f"  {replica}", one.state, one.detail)
    for service, step in host.steps.items():
        if service not in shown:
            yield Row(f"  {service}", "", step)


def _of_host(name: str, host: Host, now: float) -> Row:
    seconds = clock(host.seconds(now)) if host.since else ""
    if host.state != AT_WORK:
        return Row(name, host.state, f"{host.release}  {seconds}".strip())
    doing = [f"{service}: {_doing(host, service, step)}" for service, step in host.steps.items()]
    return Row(name, AT_WORK, f"{seconds}  {'; '.join(doing)}".strip())


def _doing(host: Host, service: str, step: str) -> str:
    telling = [f"{one.state}, {one.detail}" for one in host.replicas.values() if one.service == service and one.detail]
    return telling[-1] if telling else step


def _summed_up(board: Board, now: float) -> Iterator[Row]:
    order = (FAILED, AT_WORK)
    telling = sorted(
        (name for name, host in board.hosts.items() if host.state in order),
        key=lambda name: (order.index(board.hosts[name].state), board.hosts[name].since),
    )
    for name in telling[:SHOWN_HOSTS]:
        yield _of_host(name, board.hosts[name], now)
    if len(telling) > SHOWN_HOSTS:
        yield Row(f"and {len(telling) - SHOWN_HOSTS} more at work or failed", "")


def folded(lines: Sequence[str]) -> list[str]:
    """Lines of a verdict; those that say the same of many hosts as one."""
    same: dict[str, list[str]] = {}
    for line in lines:
        name, is_host, runs = line.strip().partition(" runs ")
        if is_host and " " not in name:
            same.setdefault(runs.partition(",")[0], []).append(name)
    if sum(map(len, same.values())) <= MOST_ROWS:
        return list(lines)
    found: list[str] = []
    for line in lines:
        name, is_host, runs = line.strip().partition(" runs ")
        alike = same.get(runs.partition(",")[0], [])
        if not is_host or name not in alike or len(alike) == 1:
            found.append(line)
        elif name == alike[0]:
            found.append(f"  {len(alike)} hosts run {runs.partition(',')[0]}")
    return found
