# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories where files belong that a run does without. Who writes one goes on when it cannot, and nobody else would say so."""

from __future__ import annotations

from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import METRICS
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage import progress
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases


def problems(releases: Releases) -> list[str]:
    """In words, each with what mends it."""
    told = dict.fromkeys(sorted((releases.root.parents[1] / METRICS).glob("*.prom")), "Prometheus is told nothing by it")
    told[releases.root / progress.NAME] = "nobody can follow a rollout"
    return [
        f"{path} is a directory, so {lost}: move it away (mv {path} {path}.damaged)"
        for path, lost in told.items()
        if path.is_dir()
    ]
