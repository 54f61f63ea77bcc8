# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of the engine that run on from a program whose file a package has replaced.

Debian's docker.io restarts nothing when it is upgraded: the engine from before would run on, security fixes or not.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ansible_collections.morpheus.deploy.plugins.module_utils.daemon.setup import command, restart_unit

# In the order in which they are restarted.
UNITS = ("containerd", "docker")


class Services(Protocol):
    def outdated(self) -> list[str]:
        """Units, of UNITS, that run from a file that is not there any more."""

    def restart(self, unit: str) -> str:
        """Why it did not come back; empty when it did."""


class SystemServices:
    def outdated(self) -> list[str]:
        found = []
        for unit in UNITS:
            pid = command("systemctl", "show", "--property", "MainPID", "--value", unit)[1].strip()
            # One that does not run has the process 0, which is nobody's.
            with suppress(OSError):
                found += [unit] if str(Path(f"/proc/{pid}/exe").readlink()).endswith(" (deleted)") else []
        return found

    def restart(self, unit: str) -> str:
        return restart_unit(unit)
