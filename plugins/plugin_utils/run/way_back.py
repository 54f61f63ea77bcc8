# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts go back after a batch of hosts has failed, and to which release. Pure.

``results``: host -> what its rollout returned, empty where its turn had not come.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Results = Mapping[str, Mapping[str, Any]]


def way_back(results: Results, previous: Mapping[str, str]) -> dict[str, str]:
    """Host -> id of the release that it ran before this run.

    Every host goes back that was switched, where its release says so; and every one whose rollout ended without an answer, where
    the release of another one says so: it runs the old or the new release, or both, and may be within reach again by now.
    ``previous``: host -> what was live when the release was prepared there.
    """
    if any(result.get("fenced") for result in results.values()):
        # Another run has taken over, and plans what is left to do.
        return {}
    wanted = any(result.get("failure_action") == "rollback" for result in results.values())
    found = {}
    for name, result in results.items():
        if result.get("switched") and result["failure_action"] == "rollback":
            found[name] = str(result["previous_id"])
        elif wanted and is_unanswered(result):
            found[name] = previous.get(name, "")
    return {name: identity for name, identity in found.items() if identity}


def is_unanswered(result: Mapping[str, Any]) -> bool:
    """Whether nobody knows what a rollout left: the host was lost, or the module was killed or has crashed."""
    return bool(result.get("unreachable") or (result.get("failed") and "left" not in result))
