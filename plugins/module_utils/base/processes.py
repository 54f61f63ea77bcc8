# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Linux says of a process of this machine."""

from __future__ import annotations

from pathlib import Path

PROC = Path("/proc")
# By a signal, or by a debugger.
STOPPED = ("T", "t")


def state_and_start(pid: int) -> tuple[str, str]:
    """One letter as ps prints it, and when the process began, in clock ticks after the machine came up; both empty without it."""
    try:
        # The name of the program comes before and may hold anything, brackets too.
        fields = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "", ""
    return fields[0], fields[19]
