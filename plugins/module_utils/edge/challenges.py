# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's edge answers to an ACME authority that asks whether a name is this environment's (HTTP-01, RFC 8555, 8.3).

The answer is the token that was asked for and the thumbprint of the account's key. Nobody gets a token but whoever holds that
key, so the edge needs no word of single orders: it answers any token of a name that it has been told of.
"""

from __future__ import annotations

from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.maintenance import Maintenance
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths

MAP = "challenges.map"


class Challenges(Maintenance):
    """By which thumbprint questions for ``name`` are answered."""

    map = MAP
    what = "the answer to challenges to"

    def __init__(self, paths: EdgePaths, name: str) -> None:
        super().__init__(paths)
        self.key = name

    def _too_old(self, missing: Path | None = None) -> EdgeError:
        return EdgeError(
            "the edge of this host answers no challenges yet, because it was set up without edge_acme: run "
            "playbooks/provision.yml --tags edge for this inventory first. Nothing was changed"
        )
