# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fence of a host: it remembers the run with the highest lease token that it has seen and refuses whoever has an older one.

A run that lost its lease (its controller was stopped, or out of reach) may wake up and go on. It learns here that another
run has taken over, before its next write. Two runs that were given the same number, by hosts that could not hear of each other,
are told apart by their names: the host takes the one that came first, and never both.

<stacks>/fence.json           of the whole host, raised when the lease is taken
<stacks>/<stack>/fence.json   of a stack, which an older version of the collection knows alone
<leases>/*/lease.json         the run that this host has granted the lease last, where it keeps one; only read here

The highest of all of them counts, whichever stack is written to: so each stands in for those that were lost.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import private, write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import FencedError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import FENCE, LEASE, DamagedError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import spoken

FILE = "fence.json"


@dataclass(frozen=True)
class Mark:
    """The run that a fence lets write. ``run`` is empty in a file that an older version has written."""

    token: int = 0
    run: str = ""

    def stops(self, other: Mark) -> bool:
        """Whether the run ``other`` may no longer write here."""
        if self.token != other.token:
            return self.token > other.token
        return self.run not in ("", other.run)


class Fence:
    """``token`` 0 stands for a run without a lease: it neither raises the fence nor is stopped by it."""

    def __init__(self, root: Path, token: int, run: str = "") -> None:
        self._stacks = root.parent
        self._paths: Sequence[Path] = (self._stacks / FILE, root / FILE)
        self.mark = Mark(token, run)

    @classmethod
    def of_host(cls, stacks: Path, token: int, run: str) -> Fence:
        """The fence of everything on the host, also of stacks that are still to come."""
        fence = cls(stacks / "any", token, run)
        fence._paths = _all(stacks)
        return fence

    @property
    def token(self) -> int:
        return self.mark.token

    def enter(self) -> None:
        """Raise the fence to this run's token. Raises FencedError when a newer run has been here."""
        if not self.token:
            return
        with _locked(self._paths):
            self.check()
            for path in self._paths:
                if read(path) != self.mark:
                    write_atomically(path, json.dumps(FENCE.numbered(asdict(self.mark))) + "\n", mode=0o600)

    def check(self) -> None:
        """Raise FencedError when another run has been let in since: from then on this one may write nothing."""
        if not self.token:
            return
        seen = seen_by_host(self._stacks)
        if seen.stops(self.mark):
            other = f"run {seen.run}" if seen.run else "a run"
            raise FencedError(
                f"this run has lost its lease: its token is {self.token}, and {other} with token {seen.token} has been on this "
                "host since. Nothing more was written here. See what runs, who has the lease and how the last runs ended: "
                "playbooks/status.yml. When nobody has it, that run is over: run this again, with a lease of its own it comes in"
            )


def seen_by_host(stacks: Path) -> Mark:
    """The highest mark of all fences of the host, and of all leases that it has granted."""
    marks = [*map(read, _all(stacks)), *map(_granted, sorted(stacks.parent.glob("leases/*/lease.json")))]
    # Of two marks with one token the one with a name says more.
    return max(marks, key=lambda mark: (mark.token, mark.run))


def _granted(path: Path) -> Mark:
    """Fences are raised before a lease is written, so it says nothing that they do not. What cannot be read is told by whoever
    asks for the lease. A lease without a run was broken, which stops nobody until the next run has it.
    """
    try:
        found = LEASE.load(path)
        mark = Mark(int(found["token"]), str(found["run"]))
    except (FileNotFoundError, DamagedError, ValueError, KeyError, TypeError, OverflowError):
        return Mark()
    return mark if mark.run else Mark()


def read(path: Path) -> Mark:
    try:
        found = FENCE.load(path)
        return Mark(int(found["token"]), str(found.get("run", "")))
    except DamagedError:
        if path.is_dir():
            raise
        return Mark()
    except (FileNotFoundError, ValueError, KeyError, TypeError, OverflowError):
        return Mark()


def _all(stacks: Path) -> list[Path]:
    each = sorted(path for path in stacks.iterdir() if path.is_dir()) if stacks.is_dir() else []
    return [stacks / FILE, *(path / FILE for path in each)]


@contextmanager
def _locked(paths: Sequence[Path]) -> Iterator[None]:
    """All in one order. An older version, which may be at work beside this one, takes that of its stack only."""
    with ExitStack() as held:
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            with spoken():
                stream = held.enter_context(open(path.with_name("fence.lock"), "a", opener=private))
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
