# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease and the runs of an environment as metrics: since when it is held, and when which kind of run ended how.

Every host that keeps the lease tells the same, so whoever asks takes the maximum. Whoever writes holds the lock of the lease.
"""

from __future__ import annotations

import base64
import calendar
import shlex
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import metrics
from ansible_collections.morpheus.deploy.plugins.module_utils.base.metrics import Sample

_HELD = {"deploy_lease_held_since_seconds": "Since when a run holds the lease of the environment."}
_RUN = {
    "deploy_run_timestamp_seconds": "When the last run of this kind ended with this word.",
    "deploy_run_seconds": "How long it took.",
}


class Told:
    """What lies in ``directory`` of the lease of ``environment``. No failure is anybody's."""

    def __init__(self, directory: Path, environment: str) -> None:
        self._directory = directory
        self._environment = environment
        # There only while somebody holds the lease.
        self._held = metrics.file(directory, "lease", environment)

    def held(self, what: str, since: float) -> None:
        labels = {"environment": self._environment, "what": what}
        with suppress(OSError):
            metrics.keep(self._held, metrics.text(_HELD, [Sample("deploy_lease_held_since_seconds", labels, since)]))

    def free(self) -> None:
        with suppress(OSError):
            self._held.unlink(missing_ok=True)

    def ended(self) -> bool:
        """Whether the end of a run of the environment was ever told here."""
        first = metrics.file(self._directory, "run", self._environment)
        return any(self._directory.glob(f"{first.stem}-*{first.suffix}"))

    def command(self, beat: str, record: Mapping[str, Any]) -> str:
        """Shell command that tells how a run ended, and that nobody holds the lease, unless ``beat`` is gone: then others may.

        It ends well whatever happens.
        """
        steps = [f"[ ! -e {beat} ] || rm -f {shlex.quote(str(self._held))}"]
        told = run(record)
        if told:
            content = base64.b64encode(told.encode()).decode()
            # One for each kind and word, so that the last of each stays.
            target = metrics.file(self._directory, "run", self._environment, kind(record), str(record.get("verdict", "")))
            directory, new = (shlex.quote(str(one)) for one in (self._directory, self._directory / ".run"))
            steps.append(
                f"mkdir -p -m 755 {directory}; printf %s {content} | base64 -d > {new}"
                f" && chmod 644 {new} && mv {new} {shlex.quote(str(target))}"
            )
        return f"( {'; '.join(steps)}; : ) 2>/dev/null"


def run(record: Mapping[str, Any]) -> str:
    """Of a line of the history. Empty for one that has no time."""
    at = _seconds(str(record.get("at", "")))
    if at is None:
        return ""
    labels = {
        "environment": str(record.get("environment", "")),
        "kind": kind(record),
        "word": str(record.get("verdict", "")),
        "release": str(record.get("to") or ""),
    }
    samples = [Sample("deploy_run_timestamp_seconds", labels, at)]
    took = record.get("seconds")
    if isinstance(took, int | float):
        samples.append(Sample("deploy_run_seconds", labels, took))
    return metrics.text(_RUN, samples)


def kind(record: Mapping[str, Any]) -> str:
    """The first word of what the run took the lease for: deploy, rollback, rotate, ..."""
    return next(iter(str(record.get("what", "")).split()), "run")


def _seconds(at: str) -> float | None:
    try:
        return float(calendar.timegm(time.strptime(at, "%Y-%m-%dT%H:%M:%SZ")))
    except ValueError:
        return None
