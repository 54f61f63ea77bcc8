"""What a good answer to each request looks like."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.load.answer import Answer
from tests.load.failures import Kind, WrongAnswerError, kind_of_status

Seen = tuple[str | None, str | None]
"""The release and the replica that an answer names."""


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    path: str
    body: bytes | None
    check: Callable[[Answer], Seen]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def version() -> Call:
    return Call("GET", "/api/version", None, lambda answer: _seen(_expect(answer, "release")))


def slow(seconds: float) -> Call:
    return Call("GET", f"/api/slow?seconds={seconds:g}", None, lambda answer: _seen(_expect(answer, "seconds")))


def page() -> Call:
    return Call("GET", "/", None, _check_page)


def echo(body: bytes, digest: str | None = None) -> Call:
    expected = digest or hashlib.sha256(body).hexdigest()
    return Call("POST", "/api/echo", body, lambda answer: _check_echo(answer, len(body), expected))


def small_echo() -> Call:
    # Never the same body twice: an answer that belongs to another request is noticed.
    return echo(os.urandom(100).hex().encode())


def mixed() -> Iterator[Call]:
    """What a browser's kept connection carries: reads, writes and pages in turn."""
    return (make() for make in itertools.cycle((version, small_echo, page)))


def small_echoes() -> Iterator[Call]:
    return (small_echo() for _ in itertools.repeat(None))


def slows(seconds: float) -> Iterator[Call]:
    return itertools.repeat(slow(seconds))


def _check_page(answer: Answer) -> Seen:
    _check_status(answer)
    if not answer.body:
        raise WrongAnswerError(Kind.BAD_BODY, "an empty page")
    return None, None


def told(answer: Answer, key: str) -> dict[str, Any]:
    """The JSON object of a good answer, which must have ``key``."""
    return _expect(answer, key)


def echoed(answer: Answer, sent: bytes) -> dict[str, Any]:
    """The JSON object of a good answer to a write, which must name the digest of what was sent."""
    _check_echo(answer, len(sent), hashlib.sha256(sent).hexdigest())
    return _expect(answer, "release")


def _check_echo(answer: Answer, size: int, digest: str) -> Seen:
    body = _expect(answer, "sha256")
    seen = _seen(body)
    if body["sha256"] != digest:
        raise WrongAnswerError(Kind.BAD_BODY, f"{size} bytes sent, {body.get('bytes')} arrived, or others", *seen)
    return seen


def _expect(answer: Answer, key: str) -> dict[str, Any]:
    _check_status(answer)
    body = _parse(answer)
    if key not in body:
        raise WrongAnswerError(Kind.BAD_BODY, f"no JSON object with {key!r}: {answer.body[:200]!r}", *_seen(body))
    return body


def _check_status(answer: Answer) -> None:
    if not 200 <= answer.status < 300:
        detail = f"{answer.status} {answer.body[:200].decode(errors='replace')}".strip()
        raise WrongAnswerError(kind_of_status(answer.status), detail, *_seen(_parse(answer)))


def _parse(answer: Answer) -> dict[str, Any]:
    try:
        body = json.loads(answer.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _seen(body: dict[str, Any]) -> Seen:
    release, replica = body.get("release"), body.get("replica")
    return (release if isinstance(release, str) else None), (replica if isinstance(replica, str) else None)
