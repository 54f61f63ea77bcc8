# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users get from a release that is being watched: a replica can be well by its health check and answer nobody.

Pure but for ``Look``, which asks the edge.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError

# Fewer bad answers than these are chance, however few answers there are in all.
FEW = 5


@dataclass(frozen=True)
class Answered:
    """How many requests of users were answered, and how many of these badly: with a status of 5xx, or not to the end."""

    total: int = 0
    bad: int = 0

    def __add__(self, other: Answered) -> Answered:
        return Answered(self.total + other.total, self.bad + other.bad)

    def since(self, before: Answered) -> Answered:
        """What came after ``before``. Counters that are lower have begun again with a worker, so all they count is newer."""
        if self.total < before.total or self.bad < before.bad:
            return self
        return Answered(self.total - before.total, self.bad - before.bad)

    def is_worse_than(self, ratio: float) -> bool:
        """Whether the share of bad answers is above ``ratio``, by more than a few answers."""
        return self.bad >= FEW and self.bad > ratio * self.total

    def is_clearly_worse_than(self, ratio: float) -> bool:
        """The same beyond three standard deviations, so that it is no chance of the first answers."""
        return self.is_worse_than(ratio) and self.bad > ratio * self.total + 3 * math.sqrt(ratio * (1 - ratio) * self.total)


# Names of replicas -> what users got so far from the places at the edge that these have, whoever had them before. A replica
# without a place is left out. Raises EdgeError.
Look = Callable[[Sequence[str]], dict[str, Answered]]


class Count:
    """What users get from replicas from now on."""

    def __init__(self, look: Look, names: Sequence[str] = ()) -> None:
        self._look = look
        self._names = names
        self._before = self._now()

    def each(self) -> dict[str, Answered]:
        return {name: answered.since(self._before.get(name, Answered())) for name, answered in self._now().items()}

    def all(self) -> Answered:
        return _sum(self.each())

    def _now(self) -> dict[str, Answered]:
        return self._look(self._names) if self._names else {}


class Users:
    """What users get from a batch's candidates, beside what they got from its incumbents while the candidates started."""

    def __init__(self, look: Look, tolerated: float) -> None:
        """``tolerated``: share of bad answers, beyond that of the incumbents."""
        self._look = look
        self._tolerated = tolerated
        self._incumbents = self._candidates = Count(look)
        self._usual = Answered()
        # What condemned the candidates, by name.
        self._evidence: dict[str, Answered] = {}

    def look_at_incumbents(self, names: Sequence[str]) -> None:
        self._incumbents, self._candidates = Count(self._look, names), Count(self._look)
        self._evidence = {}

    def look_at_candidates(self, names: Sequence[str]) -> None:
        """To be called once they are admitted, while the incumbents still have their places."""
        self._usual = self._incumbents.all()
        self._candidates = Count(self._look, names)
        self._evidence = {}

    def condemn(self) -> bool:
        """Whether the candidates are clearly worse than is tolerated, so that nobody needs to see more."""
        with suppress(EdgeError):
            seen = self._candidates.each()
            if _sum(seen).is_clearly_worse_than(self._limit):
                self._evidence = seen
                return True
        return False

    def complaint(self) -> str:
        """Why what users got is not tolerated, in words; empty when it is."""
        self._evidence = self._evidence or self._candidates.each()
        seen = _sum(self._evidence)
        if not seen.is_worse_than(self._limit):
            return ""
        usual = f", to its incumbents for {self._usual.bad} of {self._usual.total}" if self._usual.total else ""
        return (
            f"users got a 5xx for {seen.bad} of {seen.total} requests to its candidates{usual}, and max_failure_ratio "
            f"tolerates {self._tolerated:g}."
        )

    def worst(self) -> str:
        """Name of the candidate with most bad answers among those that the complaint is about."""
        return max(self._evidence, key=lambda name: self._evidence[name].bad, default="")

    def end(self) -> int:
        """How many bad answers the candidates gave. From here on they are not looked at."""
        bad = self._candidates.all().bad
        self._candidates = Count(self._look)
        return bad

    @property
    def _limit(self) -> float:
        """What fails for another reason than the release fails on incumbents, too, and must not keep a host from going back."""
        usual = self._usual
        return min(1.0, self._tolerated + (usual.bad / usual.total if usual.total else 0.0))


def _sum(answered: Mapping[str, Answered]) -> Answered:
    return sum(answered.values(), Answered())
