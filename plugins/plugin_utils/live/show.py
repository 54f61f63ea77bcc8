# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run as it is shown: a few lines that stay, and, on a terminal, what is going on at the moment below them.

It knows neither Ansible nor rich. A task is worth a line when it changed something, failed, or takes longer than a moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ansible_collections.morpheus.deploy.plugins.plugin_utils.live import github, words
from ansible_collections.morpheus.deploy.plugins.plugin_utils.live.board import Board
from ansible_collections.morpheus.deploy.plugins.plugin_utils.live.times import RUN, Times
from ansible_collections.morpheus.deploy.plugins.plugin_utils.live.view import Span, View

MOMENT_SECONDS = 0.7
MOST_ANNOTATIONS = 8
OK, CHANGED, BAD, QUIET = "ok", "changed", "error", "skip"


class Drawn(Protocol):
    """Of a terminal, see terminal.Region."""

    def draw(self, view: View, now: float) -> None: ...

    def stop(self) -> None: ...

    def verdict(self, lines: Sequence[str]) -> None: ...


# (line, kind): kind is one of the words above, or empty.
Say = Callable[[str, str], None]


class Show:
    def __init__(
        self,
        say: Say,
        name: str,
        times: Times,
        *,
        region: Drawn | None = None,
        is_github: bool = False,
        clock: Callable[[], float] = time.monotonic,
        stamp: Callable[[], str] = lambda: time.strftime("%H:%M:%S"),
    ) -> None:
        self._say = say
        self._times = times
        self.region = region
        self._github = is_github
        self._clock = clock
        self._stamp = stamp
        self.view = View(Span(name, clock(), times.expected(RUN)))
        self._took: dict[str, float] = {}
        self._phase_said = self._task_said = False
        self._group_open = False
        self._task_since = 0.0
        self._task = ""
        self._at_work: set[str] = set()
        self._changed: list[str] = []
        self._expected_hosts: list[str] = []
        # What the last failure said, and who else says the same.
        self._failure: tuple[str, str] = ("", "")
        self._others: list[str] = []
        self._annotations = 0
        self._unseen = False
        self._asks_person = False

    def phase(self, name: str, hosts: Sequence[str], phases: int = 0) -> None:
        """A play begins; one that goes on with its next hosts is the same phase. ``phases``: how many there are."""
        self.view.phases = phases
        self._end_task()
        if self.view.phase and self.view.phase.name == name:
            return
        self._end_phase()
        self.view.phase = Span(name, self._clock(), self._times.expected(name))
        self.view.number += 1
        self.view.board = Board()
        self._expected_hosts = list(hosts)
        self._phase_said = False

    def task(self, name: str) -> None:
        self._end_task()
        self._task, self._task_said, self._task_since = name, False, self._clock()
        self.view.task, self.view.hosts, self.view.ended = name, 0, 0

    def begin(self, host: str, *, rolls_out: bool = False, asks_person: bool = False) -> None:
        self._at_work.add(host)
        self.view.hosts += 1
        self._asks_person = asks_person
        if asks_person and self.region:
            self.region.stop()
        if rolls_out:
            self.view.board.expect(self._expected_hosts)
            self.view.board.begin(host, self._clock())
            self._stays(f"  {host}: {self._task}")
            self._task_said = True

    def end(self, host: str, *, changed: bool = False) -> None:
        self._at_work.discard(host)
        self.view.ended += 1
        if changed:
            self._changed.append(host)

    def rolled_out(self, host: str, result: Mapping[str, Any], *, failed: bool) -> None:
        """A rollout has answered."""
        self.tick()
        now = self._clock()
        for line in self.view.board.end(host, result, now, failed=failed):
            self._event(host, line)
        one = self.view.board.hosts[host]
        if not failed:
            does = "runs" if result.get("changed") else "runs as it did"
            self._stays(f"    {host} {does} {one.release}, {one.seconds(now):.1f} s".replace("  ,", ","), OK)

    def note(self, lines: Sequence[str], kind: str = "") -> None:
        """What a task says for people."""
        for number, line in enumerate(lines):
            self._stays(f"    {line}", kind, goes_on=number > 0)

    def failure(self, what: str, host: str, said: str, *, passes: str = "") -> None:
        """``passes``: why the run goes on nevertheless."""
        task = self._task
        if self._failure == (task, said):
            self._others.append(host)
            return
        self._say_others()
        self._failure = (task, said)
        matter, rest = words.failure(what, host, task, said)
        self._end_group()
        for number, line in enumerate(matter):
            self._stays(line, QUIET if passes else BAD, always=True, goes_on=number > 0)
        if self._github and not passes and self._annotations < MOST_ANNOTATIONS:
            self._annotations += 1
            self._say(github.error(matter[0], "\n".join(line.strip() for line in matter[1:])), "")
        for line in [*rest, *([f"  {passes}"] if passes else [])]:
            self._stays(line, always=True, goes_on=True)

    def saw(self, event: Mapping[str, Any]) -> None:
        """A host tells of its rollout."""
        host = str(event.get("host", ""))
        if event.get("event") == "unseen":
            if not self._unseen:
                self._unseen = True
                why = words.harmless(event.get("why", ""))[:1]
                self._stays(f"    what the rollout on {host} does cannot be seen, and it goes on: {' '.join(why)}", QUIET)
            return
        for line in self.view.board.saw(event, self._clock()):
            self._event(host, line)

    def tick(self) -> None:
        """To be called a few times a second, and whenever something has been taken in."""
        now = self._clock()
        if self._at_work and not self._task_said and now - self._task_since > MOMENT_SECONDS:
            self._task_said = True
            self._stays(f"  {self._task} ({words.who(sorted(self._at_work))})", QUIET)
        if self.region and not self._asks_person:
            self.region.draw(self.view, now)

    def stop(self) -> None:
        """The last play has ended."""
        self._end_task()
        self._end_phase()
        self._end_group()
        if self.region:
            self.region.stop()

    def verdict(self, lines: Sequence[str]) -> bool:
        """Whether it was shown here."""
        if self.region:
            self.region.verdict(lines)
            return True
        self._end_group()
        if self._github:
            for line in lines:
                self._say(github.harmless(line), "")
        return self._github

    def remember(self) -> None:
        """The run went as it should, so the next one may be expected to take as long. Raises OSError."""
        self._times.write({**self._took, RUN: self._clock() - self.view.run.since})

    def _event(self, host: str, line: str) -> None:
        # On a terminal it is drawn. What failed, and whatever stands on no row, stays.
        if not self.region or "failed" in line:
            self._stays(f"    {host} {line}")

    def _stays(self, line: str, kind: str = "", *, always: bool = False, goes_on: bool = False) -> None:
        """``always``: it needs no heading. ``goes_on``: it belongs to the line before."""
        if not always and not self._phase_said and self.view.phase:
            self._phase_said = True
            name = self.view.phase.name
            if self._github:
                self._end_group()
                self._group_open = True
                self._say(github.group(name), "")
            else:
                self._line(name, "")
        self._line(line, kind, goes_on=goes_on)

    def _line(self, line: str, kind: str, *, goes_on: bool = False) -> None:
        stamp = self._stamp()
        said = line if self.region else f"{' ' * len(stamp) if goes_on else stamp} {line}"
        self._say(github.harmless(said) if self._github else said, kind)

    def _end_task(self) -> None:
        self._say_others()
        if self._changed:
            self._stays(f"  {self._task}: changed on {words.who(self._changed)}", CHANGED)
        self._changed, self._at_work = [], set()
        self._asks_person = False

    def _say_others(self) -> None:
        if self._others:
            self._stays(f"  the same on {words.who(self._others)}", BAD, always=True)
        self._others, self._failure = [], ("", "")

    def _end_phase(self) -> None:
        phase = self.view.phase
        if not phase:
            return
        seconds = self._clock() - phase.since
        self._took[phase.name] = self._took.get(phase.name, 0.0) + seconds
        if self._phase_said or seconds > MOMENT_SECONDS:
            self._stays(f"  took {seconds:.1f} s", QUIET)
        self.view.phase = None

    def _end_group(self) -> None:
        if self._group_open:
            self._group_open = False
            self._say(github.END_GROUP, "")
