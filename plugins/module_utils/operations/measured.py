# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which release of a stack a host runs, and how its last rollout ended, as metrics: so drift between hosts is seen."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base import metrics
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.metrics import Sample
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import METRICS
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.rollout import Rollout
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases

_TOLD = {
    "deploy_release_info": "The release of the stack that is live on this host.",
    "deploy_rollout_timestamp_seconds": "When the last rollout of the stack on this host ended, and how it left the host.",
}
LIVE = "live"


def keep(releases: Releases, rollout: Rollout, now: float) -> None:
    """After a rollout, however it ended. Its failure changes nothing about which release serves, so it ends nothing."""
    with suppress(DeployError, OSError):
        metrics.keep(_file(releases), _text(releases, rollout, now))


def forget(releases: Releases) -> None:
    """Of a stack that was removed."""
    with suppress(OSError):
        _file(releases).unlink(missing_ok=True)


def _file(releases: Releases) -> Path:
    return metrics.file(releases.root.parents[1] / METRICS, "stack", releases.root.name)


def _text(releases: Releases, rollout: Rollout, now: float) -> str:
    stack, live = releases.root.name, releases.live()
    samples = []
    if live:
        labels = {"stack": stack, "release": releases.live_release(), "release_id": live}
        samples.append(Sample("deploy_release_info", labels, 1))
    labels = {"stack": stack, "kind": rollout.kind.value, "left": rollout.left or LIVE}
    return metrics.text(_TOLD, [*samples, Sample("deploy_rollout_timestamp_seconds", labels, now)])
