# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run on the controller hands its last words to the keepers of its lease: by a file in a directory of the two.

Each host that granted it has a keeper, which writes the line into the history, gives the lease back and removes the directory.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.processes import PROC, STOPPED, state_and_start

POLL_SECONDS = 0.02
_PREFIX = "morpheus.deploy.lease."
_LINE = "line.json"


@dataclass(frozen=True)
class Process:
    """A process of this machine; ``started`` tells it from a later one with the same number."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Process:
        return cls(pid, _state_and_start(pid)[1])

    def runs(self) -> bool:
        state, started = _state_and_start(self.pid)
        # A zombie has ended; only its parent has not noticed yet.
        return state not in ("", "Z", "X") and started == self.started

    def stopped(self) -> bool:
        return _state_and_start(self.pid)[0] in STOPPED


def _state_and_start(pid: int) -> tuple[str, str]:
    """One letter as ps prints it, and when the process began; both empty when there is no such process."""
    if not (PROC / "self").exists():
        asked = ["ps", "-o", "state=", "-o", "lstart=", "-p", str(pid)]
        found = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        return found[:1], found.partition(" ")[2].strip()
    return state_and_start(pid)


@dataclass(frozen=True)
class Handover:
    """``keeper`` is the process that keeps the lease alive and gives it back."""

    keeper: int
    directory: Path

    @classmethod
    def create(cls) -> Handover:
        """One whose keeper is not there yet."""
        return cls(0, Path(tempfile.mkdtemp(prefix=_PREFIX)))

    @classmethod
    def from_result(cls, result: Mapping[str, Any]) -> Handover | None:
        """The handover of a run that took the lease; ``result`` is that of the module ``lease``."""
        found = result.get("keeper")
        if not isinstance(found, Mapping):
            return None
        directory = Path(str(found["handover"]))
        return cls(int(found["pid"]), directory) if directory.name.startswith(_PREFIX) else None

    def say(self, line: Mapping[str, Any]) -> bool:
        """Whether there was still a keeper to tell."""
        try:
            draft = self.directory / "draft"
            draft.write_text(json.dumps(line))
            draft.replace(self.directory / _LINE)
        except FileNotFoundError:
            return False
        return True

    def wait(self, keeper: Process, deadline: float) -> bool:
        """Whether the keeper did what it was told until ``deadline``, of the monotonic clock."""
        while time.monotonic() < deadline:
            gone = not keeper.runs()
            if not self.directory.exists():
                if gone:
                    return True
            elif gone:
                # The keeper did not come to its end, or could not reach the lease host.
                self.remove()
                return False
            time.sleep(POLL_SECONDS)
        return False

    def line(self) -> dict[str, Any] | None:
        """What the run has handed over; None while it has not."""
        try:
            found: dict[str, Any] = json.loads((self.directory / _LINE).read_text())
        except FileNotFoundError:
            return None
        return found

    def remove(self) -> None:
        for name in (_LINE, "draft"):
            (self.directory / name).unlink(missing_ok=True)
        with suppress(OSError):
            self.directory.rmdir()

    def as_result(self) -> dict[str, Any]:
        return {"pid": self.keeper, "handover": str(self.directory)}


def finish(handovers: Sequence[Handover], line: Mapping[str, Any], seconds: float = 10) -> int:
    """How many keepers brought the line into the history and gave the lease back, all at the same time, within ``seconds``."""
    deadline = time.monotonic() + seconds
    told = [(one, Process.of(one.keeper)) for one in handovers]
    waiting = [(one, keeper) for one, keeper in told if one.say(line)]
    return sum(one.wait(keeper, deadline) for one, keeper in waiting)
