"""Paths of any application, and who may answer each of them: what a load asks instead of the example's own API.

Written as one line: ``/shop/cart=cart/1,cart/2 /shop/help=help/1,none``. An answer names itself in the JSON field ``release``;
``none`` is a 404, for a path that may be reached by no service.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.load.answer import Answer
from tests.load.checks import Call, Seen, echoed, told
from tests.load.failures import Kind, WrongAnswerError

NONE = "none"


@dataclass(frozen=True)
class Asked:
    path: str
    answers: tuple[str, ...]

    def check(self, answer: Answer) -> Seen:
        body: dict[str, object] = {} if answer.status == 404 and NONE in self.answers else told(answer, "release")
        return self._known(body)

    def check_written(self, answer: Answer, sent: bytes) -> Seen:
        if answer.status == 404 and NONE in self.answers:
            return self._known({})
        return self._known(echoed(answer, sent))

    def _known(self, body: dict[str, object]) -> Seen:
        """Who answered which path; raises when it is not one of those that may."""
        who = str(body.get("release", NONE))
        seen = f"{self.path} {who}"
        replica = str(body["replica"]) if "replica" in body else None
        if who not in self.answers:
            raise WrongAnswerError(Kind.BAD_BODY, f"answered by {who}, not by {' or '.join(self.answers)}", seen, replica)
        return seen, replica

    def __str__(self) -> str:
        return f"{self.path}={','.join(self.answers)}"


def parse(text: str) -> list[Asked]:
    return [_parse(entry) for entry in text.split()]


def written(asked: Sequence[Asked]) -> str:
    """The line that ``parse`` reads."""
    return " ".join(map(str, asked))


def _parse(entry: str) -> Asked:
    path, equals, answers = entry.partition("=")
    if not path.startswith("/") or not equals or not all(answers.split(",")):
        raise ValueError(f"paths: {entry!r} is not /<path>=<who may answer>[,<who>]")
    return Asked(path, tuple(answers.split(",")))


def reads(asked: Sequence[Asked]) -> Iterator[Call]:
    return (Call("GET", one.path, None, one.check) for one in itertools.cycle(asked))


def slow_reads(asked: Sequence[Asked], seconds: float) -> Iterator[Call]:
    return (Call("GET", f"{one.path}?seconds={seconds:g}", None, one.check) for one in itertools.cycle(asked))


def writes(asked: Sequence[Asked]) -> Iterator[Call]:
    for one in itertools.cycle(asked):
        # Never the same body twice: an answer that belongs to another request is noticed.
        body = json.dumps({"order": os.urandom(50).hex()}).encode()
        yield Call("POST", one.path, body, lambda answer, one=one, body=body: one.check_written(answer, body))  # type: ignore[misc]
