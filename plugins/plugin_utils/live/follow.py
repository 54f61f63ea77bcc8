# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows what a rollout says of itself on its host, while the module that does it has not answered.

A small program on the host waits for new lines and prints them; it is asked again and again, over the connection that is open. It
runs in a process of its own, so that neither a connection that hangs nor a mistake in here can touch the rollout.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import STACKS_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.progress import NAME
from ansible_collections.morpheus.deploy.plugins.plugin_utils.lease.keeper import ForkedCommand

# How long one question may wait for a line: what is left of it on a host that nobody asks any more.
WAIT_SECONDS = 10.0
# How long lines are gathered, so that a busy rollout does not need a question for each: longer, the more hosts are followed.
GATHER_SECONDS, GATHER_MOST = 0.15, 0.6
RETRY_SECONDS = 1.0
TRIES = 3
OVER = "over"

# What began before this run did is another's. Prints where it has come to and which rollout that is, then the new lines.
PROGRAM = """
import json, os, sys, time
path, offset, rollout, age, gather, wait = sys.argv[1], int(sys.argv[2]), *map(float, sys.argv[3:])
start = time.monotonic()
def read():
    try:
        with open(path, "rb") as stream:
            first = json.loads(stream.readline())
            if first["began"] != rollout if rollout else first["began"] < start - age - 1:
                return b"", {}
            stream.seek(offset)
            data = stream.read(60000)
            return data[:data.rfind(b"\\n") + 1], first
    except (OSError, ValueError, KeyError, TypeError):
        return b"", {}
def works(first):
    try:
        os.kill(first.get("pid", os.getpid()), 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
new, first = read()
while not new and works(first) and time.monotonic() < start + wait:
    time.sleep(0.05)
    new, first = read()
if new:
    time.sleep(gather)
    new, first = read()
at = offset + len(new) if new or works(first) else "over"
sys.stdout.write("%s %s\\n" % (at, first.get("began", rollout)))
sys.stdout.flush()
sys.stdout.buffer.write(new)
"""

Event = dict[str, Any]
# A command on the host -> its exit status and what it printed.
Execute = Callable[[str], tuple[int, str]]


class NotFollowedError(Exception):
    """Why nothing can be seen of the rollout, which goes on."""


@dataclass(frozen=True)
class Question:
    """Where the reader of a file has come to, and in which rollout; 0 for one that has not begun."""

    path: Path
    python: str
    gather: float
    offset: int = 0
    rollout: float = 0.0

    def command(self, age: float) -> str:
        """``age``: seconds since the run began to ask for the rollout."""
        words = [self.path, self.offset, self.rollout, f"{age:.3f}", self.gather, WAIT_SECONDS]
        return f"{shlex.quote(self.python)} -I -c {shlex.quote(PROGRAM)} {' '.join(shlex.quote(str(word)) for word in words)}"

    def after(self, printed: str) -> tuple[Question | None, list[Event]]:
        """The next question, None when the rollout is over, and what was told. NotFollowedError for what is no answer."""
        head, _, lines = printed.partition("\n")
        try:
            at, rollout = head.split()
            if at == OVER:
                return None, []
            question = Question(self.path, self.python, self.gather, int(at), float(rollout))
        except ValueError:
            raise NotFollowedError(f"its host answered {head[:80]!r}") from None
        return question, list(_events(lines))


def _events(lines: str) -> Iterator[Event]:
    for line in lines.splitlines():
        with suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict):
                yield found


def follow(
    question: Question,
    execute: Execute,
    hand_on: Callable[[Event], None],
    *,
    lives: Callable[[], bool],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Hand on what is told until the rollout is over, or ``lives`` says that its run is. Raises NotFollowedError."""
    began, failed = clock(), 0
    next_one: Question | None = question
    while next_one and lives():
        code, printed = execute(next_one.command(clock() - began))
        if code:
            failed += 1
            if failed == TRIES:
                raise NotFollowedError(f"the command that reads {question.path} ended with {code}")
            sleep(RETRY_SECONDS)
            continue
        failed = 0
        next_one, events = next_one.after(printed)
        for event in events:
            hand_on(event)


@contextmanager
def following(stack: str, python: str, hosts: int, execute: Execute, hand_on: Callable[[Event], None]) -> Iterator[None]:
    """While the block runs. ``hosts``: how many are followed at the same time."""
    question = Question(STACKS_ROOT / stack / NAME, python, min(GATHER_MOST, GATHER_SECONDS + 0.02 * hosts))
    parent = os.getpid()

    def body() -> int:
        try:
            follow(question, execute, hand_on, lives=lambda: os.getppid() == parent)
        except Exception as exc:
            hand_on({"event": "unseen", "why": str(exc) or type(exc).__name__})
        return 0

    process: ForkedCommand | None = None
    with suppress(OSError):
        process = ForkedCommand(body)
    try:
        yield
    finally:
        with suppress(OSError):
            if process:
                process.kill()


def python_of(variables: Mapping[str, Any]) -> str:
    """The interpreter of a host, as far as it is known before a module has run there."""
    named = str(variables.get("ansible_python_interpreter") or "auto")
    if named.startswith("auto"):
        facts = variables.get("ansible_facts") or {}
        named = str(facts.get("discovered_interpreter_python") or "python3")
    return named
