# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The batch of a service that is under way: what has come of it so far, and so what taking it back has to undo."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica


@dataclass
class Batch:
    """``watched``: whether its candidates are to be watched. ``healthy``: whether they have been found well. ``ending``: whether
    an incumbent of it has been told to stop. ``drained``: incumbents that may serve again. ``routed``: routes that it has changed
    -> where they led before.
    """

    number: int = -1
    watched: bool = False
    healthy: bool = False
    ending: bool = False
    started: list[Replica] = field(default_factory=list)
    reused: list[Replica] = field(default_factory=list)
    drained: list[Replica] = field(default_factory=list)
    drained_at: float = 0.0
    routed: dict[str, str] = field(default_factory=dict)

    @property
    def candidates(self) -> list[Replica]:
        return [*self.reused, *self.started]

    @property
    def keeps_candidates(self) -> bool:
        """Whether their incumbents have been told to stop, so that these serve. What is left to do is in the next plan."""
        return self.healthy and self.ending
