# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that hand a stream of bytes to each other, and all of them end when one of them fails."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock, SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import rows
from ansible_collections.morpheus.deploy.plugins.module_utils.words import said

_CHUNK = 1 << 18
_LAST_WORDS = 2000
_PROGRAMS = ("age", "pg_dump", "pg_restore", "psql")
# Of SIGPIPE, as Python and as a shell say it.
_UNHEARD = (-13, 141)


@dataclass
class Program:
    """One at work. What it complains of goes to a file, so that it never waits for somebody who reads it."""

    name: str
    process: subprocess.Popen[bytes]
    complaints: IO[bytes]

    @property
    def input(self) -> IO[bytes]:
        if not self.process.stdin:
            raise AssertionError("it was started without an input")
        return self.process.stdin

    @property
    def output(self) -> IO[bytes]:
        if not self.process.stdout:
            raise AssertionError("it was started without an output")
        return self.process.stdout

    def words(self) -> str:
        self.complaints.seek(0)
        return said.ending(rows.without(self.complaints.read().decode(errors="replace")), _LAST_WORDS)

    def close(self) -> None:
        """No more input comes."""
        with suppress(BrokenPipeError):
            self.input.close()


@dataclass
class Programs:
    """Those of one stream. ``scrub``: takes secrets out of what they say."""

    scrub: Callable[[str], str] = lambda text: text
    running: list[Program] = field(default_factory=list)

    def start(
        self, command: Sequence[str], *, environment: dict[str, str] | None = None, stdin: Any = subprocess.PIPE, hold: Any = ()
    ) -> Program:
        complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with its program
        name = _name(command)
        try:
            process = subprocess.Popen(
                list(command),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env={**clean_environment(), **(environment or {})},
                pass_fds=tuple(hold),
            )
        except FileNotFoundError:
            raise DeployError(f"{name} is not installed on this host: {command[0]}. {_install(name)}") from None
        program = Program(name, process, complaints)
        self.running.append(program)
        return program

    def finish(self, *some: Program) -> None:
        """Wait for ``some``, or for all. Raises DeployError with the words of those that failed.

        One that nobody listens to any more has no words of its own: the one behind it has.
        """
        ended = [(program, program.process.wait()) for program in some or tuple(self.running)]
        self.running = [program for program in self.running if program not in [one for one, _ in ended]]
        wrong = [(program, code, self.scrub(program.words())) for program, code in ended if code]
        for program, _ in ended:
            program.complaints.close()
        causes = [one for one in wrong if one[1] not in _UNHEARD and "Broken pipe" not in one[2]] or wrong
        said = [f"{program.name} ended with {code}: {words or 'it said nothing'}" for program, code, words in causes]
        if said:
            raise DeployError("; ".join(said))

    def stop(self) -> None:
        for program in self.running:
            with suppress(OSError):
                program.process.kill()
            program.process.wait()
            program.complaints.close()
        self.running = []


@contextmanager
def programs(scrub: Callable[[str], str] = lambda text: text) -> Iterator[Programs]:
    """Whatever happens, none of them is at work afterwards."""
    found = Programs(scrub)
    try:
        yield found
    finally:
        found.stop()


@dataclass
class Pace:
    """At most ``rate`` bytes a second of everything that goes by it, whatever it is of; 0 for as fast as it goes.

    What was not used while something else was done is not caught up.
    """

    rate: float = 0
    clock: Clock = field(default_factory=SystemClock)
    _free_at: float = float("-inf")

    def take(self, count: int) -> None:
        """Returns when what was taken before has had its time."""
        if not self.rate or not count:
            return
        early = self._free_at - self.clock.now()
        if early > 0:
            self.clock.sleep(early)
        self._free_at = max(self._free_at, self.clock.now()) + count / self.rate


@dataclass(frozen=True)
class Paced:
    """A stream that is read no faster than its pace."""

    stream: IO[bytes]
    pace: Pace

    def read(self, size: int = -1) -> bytes:
        found = self.stream.read(size)
        self.pace.take(len(found))
        return found

    def close(self) -> None:
        self.stream.close()


def pump(source: IO[bytes] | Paced, *sinks: IO[bytes]) -> int:
    """All of ``source`` into each of ``sinks``; how many bytes.

    A sink that has ended gets no more; why is told by ``Programs.finish``. When none is left, the source is closed.
    """
    moved, left = 0, list(sinks)
    while left and (chunk := source.read(_CHUNK)):
        left = [sink for sink in left if written(sink, chunk)]
        moved += len(chunk)
    source.close()
    return moved


def written(sink: IO[bytes], chunk: bytes) -> bool:
    """Whether the program behind the pipe still takes it."""
    try:
        sink.write(chunk)
        sink.flush()
    except BrokenPipeError:
        return False
    return True


def sha256(path: Path, pace: Pace | None = None) -> str:
    with path.open("rb") as stream:
        return sha256_of(Paced(stream, pace or Pace()))


def sha256_of(stream: IO[bytes] | Paced) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def encrypting(at_work: Programs, recipients: Sequence[str], path: Path) -> Program:
    """age, which writes what it is given to ``path`` so that only who has the identity of a recipient can read it."""
    options = [part for one in recipients for part in ("--recipient", one)]
    return at_work.start(["age", "--encrypt", *options, "--output", str(path)])


def decrypting(at_work: Programs, identity: str, path: Path, stack: ExitStack) -> Program:
    """age, whose output is what ``path`` holds. The identity goes through a pipe, and is in no file and no list."""
    reading, writing = os.pipe()
    stack.callback(os.close, reading)
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(identity.strip().encode() + b"\n")
    command = ["age", "--decrypt", "--identity", f"/dev/fd/{reading}", str(path)]
    return at_work.start(command, stdin=subprocess.DEVNULL, hold=[reading])


def clean_environment() -> dict[str, str]:
    """Without what libpq would take from there, and in English."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("PG")}, "LC_ALL": "C"}


def _name(command: Sequence[str]) -> str:
    """That of the program itself, whatever starts it."""
    words = [Path(word.rpartition("=")[2]).name for word in command]
    return next((word for word in words if word in _PROGRAMS), words[0])


def _install(name: str) -> str:
    if name == "age":
        return "Install it with: ansible-playbook playbooks/provision.yml -i <inventory> --tags backup"
    return "Correct backup.programs, or leave it out: then the programs of backup.image are used"
