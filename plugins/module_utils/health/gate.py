# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health gate: decides from a series of answers whether endpoints may serve.

One engine for the rollout (each candidate), the pause between host batches (through the edge) and the ``health_gate``
module. It owns no socket: ``fetch`` asks one endpoint, ``clock`` owns time, so the rules can be tested without either.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import others_json
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock
from ansible_collections.morpheus.deploy.plugins.module_utils.health.seen import (
    EXCERPT_CHARACTERS,
    Answer,
    Condemned,
    Health,
    Rules,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.words import said

import_error: ImportError | None = None
try:
    import jmespath
except ImportError as exc:
    import_error = exc


# How long answers that are good but for the release that they name are waited for: a container does not change its mind.
WRONG_RELEASE_SECONDS = 5.0


@dataclass(frozen=True)
class Expectation:
    """What a good answer is: its status; a jmespath ``body`` that must be true of its JSON; a jmespath ``version`` that
    must give ``release``. Empty expressions ask nothing.
    """

    status: int = 200
    body: str = ""
    version: str = ""
    release: str = ""

    def violation(self, answer: Answer) -> str:
        """Why ``answer`` is not good, in words; empty when it is."""
        if answer.error:
            return answer.error
        if answer.status != self.status:
            return f"status {answer.status}, expected {self.status}{_quoted(answer.excerpt)}"
        asked = self.version or self.body
        if not asked:
            return ""
        try:
            document = others_json.loads(answer.body)
        except ValueError:
            return f"the body is not JSON, so {asked!r} cannot be asked of it{_quoted(answer.excerpt)}"
        return self._wrong_version(document) or self._wrong_body(document, answer)

    def is_of_another_release(self, answer: Answer) -> bool:
        """Whether ``answer`` is good in all but the release that it names."""
        if not self.version or answer.error or answer.status != self.status:
            return False
        try:
            document = others_json.loads(answer.body)
        except ValueError:
            return False
        # An application may not know its version yet.
        named = _search(self.version, document)
        return named not in (None, "", self.release) and not self._wrong_body(document, answer)

    def _wrong_version(self, document: Any) -> str:
        if not self.version:
            return ""
        found = _search(self.version, document)
        seen = said.masked(json.dumps(found))[:EXCERPT_CHARACTERS]
        return "" if found == self.release else f'it reports {self.version} {seen}, expected "{self.release}"'

    def _wrong_body(self, document: Any, answer: Answer) -> str:
        if not self.body or _search(self.body, document) is True:
            return ""
        return f"{self.body!r} is not true of the body{_quoted(answer.excerpt)}"


@dataclass(frozen=True)
class Endpoint:
    """One place to ask: ``name`` is how people know it, ``address`` overrides where the connection goes."""

    name: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    address: str = ""
    expectation: Expectation = field(default_factory=Expectation)


# (endpoint, timeout in seconds) -> what was seen; never raises and never takes longer than the timeout
Fetch = Callable[[Endpoint, float], Answer]
# (endpoint, what was seen of it so far): after each answer
Tell = Callable[[Endpoint, Health], None]
# Looks at an endpoint's ground (has its container run all the time?) -> why it cannot be well, whatever it answers, or ""
GiveUp = Callable[[Endpoint], str]


def _never() -> bool:
    return False


def _silent(endpoint: Endpoint, health: Health) -> None:
    """Nobody follows."""


@dataclass(frozen=True)
class Gate:
    rules: Rules
    fetch: Fetch
    clock: Clock
    give_up: GiveUp = lambda endpoint: ""
    tell: Tell = _silent

    def wait(self, endpoints: Sequence[Endpoint]) -> list[Health]:
        """Every endpoint's Health, in order, as soon as all are healthy, one can no longer be, or the deadline passed."""
        lost = threading.Event()
        with ThreadPoolExecutor(max(1, len(endpoints))) as pool:
            return list(pool.map(lambda endpoint: self._admit(endpoint, lost), endpoints))

    def watch(self, endpoints: Sequence[Endpoint], seconds: float, condemned: Condemned = _never) -> list[Health]:
        """Every endpoint's Health after ``seconds`` that end with ``successes`` good answers in a row, or as soon as one gave as
        many bad ones in a row.

        One bad answer alone does not condemn a replica that has been admitted: what it says must hold. A row that the end of
        the time would cut off, as where few answers fit into it, may be completed: then the next bad answer is the last. A watch
        ends, too, as soon as ``condemned`` says yes, which is asked as often as the first endpoint.
        """
        lost = threading.Event()
        asked = [condemned, *[_never] * len(endpoints)]
        with ThreadPoolExecutor(max(1, len(endpoints))) as pool:
            return list(pool.map(lambda endpoint, asked: self._observe(endpoint, seconds, lost, asked), endpoints, asked))

    def _admit(self, endpoint: Endpoint, lost: threading.Event) -> Health:
        health = Health(endpoint.name, endpoint.url)
        start = self.clock.now()
        deadline = start + self.rules.deadline_seconds
        other_release = _OtherRelease(endpoint.expectation)
        while not lost.is_set():
            left = deadline - self.clock.now()
            if left <= 0:
                lost.set()
                break
            answer = self._ask(endpoint, min(self.rules.timeout_seconds, left), health)
            health.seconds = self.clock.now() - start
            enough = self._is_enough(health)
            if self._is_hopeless(endpoint, health, whatever_it_answers=enough) or other_release.stays(answer, health):
                lost.set()
                break
            if enough:
                health.healthy = True
                break
            self.clock.sleep(min(self.rules.interval_seconds, max(0.0, deadline - self.clock.now())))
        health.seconds = self.clock.now() - start
        self._say_what_is_missing(health, deadline)
        return health

    def _say_what_is_missing(self, health: Health, deadline: float) -> None:
        if health.healthy or (health.violation and health.attempts):
            return
        health.cut_short = self.clock.now() < deadline
        health.violation = (
            "not asked to the end, because another one had failed"
            if health.cut_short
            else f"good, but only {health.successes_in_row} of {self.rules.successes} times in a row when the time was up"
        )

    def _observe(self, endpoint: Endpoint, seconds: float, lost: threading.Event, condemned: Condemned) -> Health:
        health = Health(endpoint.name, endpoint.url, healthy=True, violation="")
        start = self.clock.now()
        end = start + seconds
        bad_in_row = 0
        while seconds and not lost.is_set():
            in_time = self.clock.now() < end
            if not in_time and self._is_enough(health):
                if self._is_hopeless(endpoint, health, whatever_it_answers=True):
                    health.healthy = False
                    lost.set()
                break
            self._ask(endpoint, self.rules.timeout_seconds, health)
            bad_in_row = bad_in_row + 1 if health.violation else 0
            health.seconds = self.clock.now() - start
            if self._is_hopeless(endpoint, health) or bad_in_row >= self.rules.successes:
                health.healthy = False
            elif health.violation and not in_time:
                health.healthy = False
                health.violation += self._of_the_whole_watch(health)
            if not health.healthy or condemned():
                lost.set()
                break
            left = end - self.clock.now()
            if left > 0 or not self._is_enough(health):
                self.clock.sleep(min(self.rules.interval_seconds, left) if left > 0 else self.rules.interval_seconds)
        health.seconds = self.clock.now() - start
        return health

    def _is_enough(self, health: Health) -> bool:
        return health.successes_in_row >= self.rules.successes

    def _is_hopeless(self, endpoint: Endpoint, health: Health, *, whatever_it_answers: bool = False) -> bool:
        """Whether the endpoint cannot be well any more, and why; asked after a bad answer, or in any case."""
        hopeless = self.give_up(endpoint) if health.violation or whatever_it_answers else ""
        if hopeless:
            health.violation = f"{hopeless}; last answer: {health.violation or 'good'}"
        return bool(hopeless)

    def _of_the_whole_watch(self, health: Health) -> str:
        good = health.attempts - health.failures
        return (
            f"; only {good} of {health.attempts} answers were good in the {health.seconds:.0f} s that it was watched, "
            f"and the last {self.rules.successes} must be"
        )

    def _ask(self, endpoint: Endpoint, timeout: float, health: Health) -> Answer:
        answer = self.fetch(endpoint, timeout)
        violation = endpoint.expectation.violation(answer)
        if answer.error and timeout < self.rules.timeout_seconds and health.violation and health.attempts:
            # The deadline cut this one short; the answer before it says more.
            violation = health.violation
        health.record(answer, violation)
        self.tell(endpoint, health)
        return answer


class _OtherRelease:
    """Notices that an endpoint names another release in good answers, and goes on naming it."""

    def __init__(self, expectation: Expectation) -> None:
        self._expectation = expectation
        self._since: float | None = None

    def stays(self, answer: Answer, health: Health) -> bool:
        if not self._expectation.is_of_another_release(answer):
            self._since = None
            return False
        self._since = health.seconds if self._since is None else self._since
        if health.seconds - self._since < WRONG_RELEASE_SECONDS:
            return False
        health.violation += f", and that in good answers for {health.seconds - self._since:.0f} s, so it will not change"
        return True


def _search(expression: str, document: Any) -> Any:
    """What ``expression`` finds; None also where it cannot be evaluated, as a length of a number."""
    try:
        return jmespath.search(expression, document)
    except jmespath.exceptions.JMESPathError:
        return None


def expression_problem(expression: str) -> str:
    """Why ``expression`` is not valid jmespath, in words; empty when it is."""
    try:
        jmespath.compile(expression)
    except jmespath.exceptions.JMESPathError as exc:
        return str(exc).splitlines()[0]
    return ""


def _quoted(excerpt: str) -> str:
    return f": {excerpt}" if excerpt else ""
