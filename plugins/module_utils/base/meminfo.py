# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory this host has, and how much of it programs can still get, in the kernel's words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FILE = Path("/proc/meminfo")


@dataclass(frozen=True)
class Memory:
    """Bytes. ``available``: what can be used without swapping, caches that the kernel gives up included."""

    available: int
    total: int


def read(file: Path = FILE) -> Memory | None:
    """None where the kernel does not say."""
    try:
        entries = dict(line.split(":", 1) for line in file.read_text().splitlines() if ":" in line)
        return Memory(*(int(entries[name].split()[0]) * 1024 for name in ("MemAvailable", "MemTotal")))
    except (OSError, ValueError, LookupError):
        return None
