# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long earlier runs have taken, by their phases: a file on the controller that nothing depends on."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.run_file import DIRECTORY, keep

FILE = DIRECTORY / "times.json"
# Of so many runs the one in the middle is what is expected.
KEPT = 5
RUN = "run"


class Times:
    """``run``: what is alike in runs that are compared, as playbook and inventory."""

    def __init__(self, run: str) -> None:
        self._run = run
        with suppress(OSError, ValueError):
            found = json.loads(FILE.read_text())
            self._known: dict[str, Any] = found[run] if isinstance(found, dict) and isinstance(found.get(run), dict) else {}
            return
        self._known = {}

    def expected(self, what: str) -> float | None:
        """Seconds; None when no earlier run has told."""
        seconds = self._seconds(what)
        return statistics.median(seconds) if seconds else None

    def _seconds(self, what: str) -> list[float]:
        found = self._known.get(what)
        return [one for one in found if isinstance(one, int | float)] if isinstance(found, list) else []

    def write(self, took: Mapping[str, float]) -> None:
        """Raises OSError."""
        self._known = {what: [*self._seconds(what), round(seconds, 1)][-KEPT:] for what, seconds in took.items()}
        others: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            found = json.loads(FILE.read_text())
            others = found if isinstance(found, dict) else {}
        keep(FILE, json.dumps({**others, self._run: self._known}, indent=2, sort_keys=True) + "\n")
