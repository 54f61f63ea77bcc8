# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes of this host have a file locked (flock), for people who must decide what to do about them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base.processes import PROC, STOPPED, state_and_start

COMMAND_LENGTH = 100


@dataclass(frozen=True)
class Holder:
    """``stopped``: by a signal or a debugger, so that it does nothing and gives nothing back."""

    pid: int
    command: str
    since: str
    stopped: bool

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command}), since {self.since}"


def holders(path: Path) -> list[Holder]:
    """A lock belongs to whoever has inherited the open file, too."""
    return [_look(pid) for pid in _pids(path) if (PROC / str(pid) / "stat").exists()]


def _pids(path: Path) -> Iterator[int]:
    target = str(path.resolve())
    for process in sorted(int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal()):
        if any(_locks(entry, target) for entry in _open(process)):
            yield process


def _open(pid: int) -> list[Path]:
    # It may end while it is looked at, and so may each of its files.
    with suppress(OSError):
        return list((PROC / str(pid) / "fd").iterdir())
    return []


def _locks(entry: Path, target: str) -> bool:
    with suppress(OSError):
        return str(entry.readlink()) == target and "FLOCK" in (entry.parents[1] / "fdinfo" / entry.name).read_text()
    return False


def _look(pid: int) -> Holder:
    state, ticks, command = "", "", "unknown"
    with suppress(OSError):
        state, ticks = state_and_start(pid)
        words = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
        command = " ".join(words).strip()[:COMMAND_LENGTH] or command
    up = float((PROC / "uptime").read_text().split()[0])
    started = time.time() - up + int(ticks or 0) / os.sysconf("SC_CLK_TCK")
    return Holder(pid, command, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)), state in STOPPED)
