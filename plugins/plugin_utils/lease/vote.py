# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a run has the lease of an environment: the votes of the hosts that keep it are counted. Pure.

Of three hosts or more most must have granted it, so that no two runs have it at the same time. Of one or two each that can be
reached, because the other one may be gone for good. What keeps hosts safe in any case is the fence on each of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_KEEPERS = 5

Answer = Mapping[str, Any]


@dataclass(frozen=True)
class Count:
    """``token`` is 0 when the lease is not this run's, and then ``problem`` says why.

    ``again``: the token with which every host is worth to be asked once more; 0 when that would change nothing.
    """

    token: int = 0
    granted: Sequence[str] = ()
    unreached: Sequence[str] = ()
    problem: str = ""
    again: int = 0
    # Whether it is for nothing but hosts that could not be reached.
    out_of_reach: bool = False


@dataclass
class _Votes:
    keepers: Sequence[str]
    answers: Mapping[str, Answer]
    granted: list[str] = field(default_factory=list)
    unreached: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.granted = [name for name in self.keepers if self.of(name).get("granted")]
        self.unreached = [name for name in self.keepers if self.of(name).get("unreachable") or not self.of(name)]

    def of(self, name: str) -> Answer:
        return self.answers.get(name) or {}

    @property
    def needed(self) -> int:
        count = len(self.keepers)
        return needed(count) if count > 2 else max(1, count - len(self.unreached))

    @property
    def enough(self) -> bool:
        return len(self.granted) >= self.needed

    @property
    def token(self) -> int:
        return max((int(self.of(name).get("token") or 0) for name in self.granted), default=0)


def keepers(hosts: Sequence[str]) -> list[str]:
    """Which of an environment's hosts keep its lease. With more than five the others would only make it slower."""
    return list(hosts[:MOST_KEEPERS])


def needed(keepers: int) -> int:
    """How many of ``keepers`` hosts, three or more, two runs cannot both have."""
    return keepers // 2 + 1


def newest(answers: Iterable[tuple[str, Answer]]) -> dict[str, Answer]:
    """The last answer of each host; one that was not asked again keeps the one before."""
    return {name: answer for name, answer in answers if answer and not answer.get("skipped")}


def count(environment: str, keepers: Sequence[str], hosts: Sequence[str], answers: Mapping[str, Answer]) -> Count:
    """``keepers``: hosts that keep the lease; ``hosts``: those that the run writes on; ``answers``: results of the module."""
    votes = _Votes(keepers, answers)
    # Where the run writes another one's lease must have ended, although most hosts have granted this one's.
    refused = [name for name in keepers if name in hosts and name not in votes.granted and name not in votes.unreached]
    seen = {name: int(answer.get("seen") or 0) for name, answer in answers.items()}
    behind = [name for name in seen if 0 < votes.token <= seen[name] and not votes.of(name).get("holder")]
    lost = [name for name in hosts if votes.of(name).get("unreachable") or not votes.of(name)]
    if lost and votes.granted:
        problem = f"{', '.join(lost)} could not be reached. Nothing was changed."
        return Count(0, votes.granted, votes.unreached, problem, out_of_reach=True)
    if votes.enough and not refused and not behind:
        return Count(votes.token, votes.granted, votes.unreached)
    # A holder that has fewer hosts is refused meanwhile and gives them back.
    worth_it = votes.token and (behind or votes.enough)
    again = max(votes.token, 1 + max(seen.values(), default=0)) if worth_it else 0
    said = [message for name in keepers if (message := _message(name, votes.of(name)))]
    problem = _problem(environment, votes, behind, said)
    return Count(0, votes.granted, votes.unreached, problem, again, out_of_reach=not (said or behind))


def _problem(environment: str, votes: _Votes, behind: Sequence[str], said: Sequence[str]) -> str:
    if len(votes.unreached) == len(votes.keepers):
        return (
            f"None of the hosts that keep the lease of {environment} could be reached: {', '.join(votes.keepers)}. Nothing was "
            f"changed.{_why_unreached(votes)}"
        )
    if said:
        return "\n".join(dict.fromkeys(said))
    if behind:
        return f"Another run was quicker on {', '.join(behind)}. Nothing was changed; run this again."
    return (
        f"Too few hosts grant the lease of {environment}: {votes.needed} of {', '.join(votes.keepers)} must, and only "
        f"{', '.join(votes.granted)} did. {', '.join(votes.unreached)} could not be reached. Nothing was changed. Mend what "
        "cannot be reached; or, when it is gone for good, take it out of the inventory. Then run this again."
    )


def _why_unreached(votes: _Votes) -> str:
    """What SSH said, once for all hosts of which it said the same; empty where nothing was said."""
    hosts: dict[str, list[str]] = {}
    for name in votes.keepers:
        lines = str(votes.of(name).get("msg") or "").strip().splitlines()
        if lines:
            hosts.setdefault(lines[-1].removeprefix("Task failed: ").strip().rstrip("."), []).append(name)
    if not hosts:
        return ""
    said = "; ".join(f"{', '.join(names)}: {why}" for why, names in hosts.items())
    return f" {said}. Mend the way there (name, key, firewall) until ssh logs in by hand, then run this again."


def _message(name: str, answer: Answer) -> str:
    """Why the host grants nothing. A holder is told once, wherever it was found; anything else is of this host alone."""
    message = str(answer.get("msg") or "")
    if "Missing sudo password" in message:
        message = f"{message}. Let the user who logs in use sudo without a password there, or give it with --ask-become-pass"
    if answer.get("granted") or not (answer.get("failed") or answer.get("holder")):
        return ""
    return message if answer.get("holder") else "\n".join(f"{name}: {line}" for line in message.splitlines())
