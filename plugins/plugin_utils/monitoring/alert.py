# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An alert as Prometheus reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Alert:
    """``lasts``: how long the expression must be true; ``runbook``: the command that comes next, without its inventory."""

    name: str
    expr: str
    lasts: str
    severity: str
    summary: str
    runbook: str

    def rule(self, inventory: str) -> dict[str, Any]:
        command = f"ansible-playbook {self.runbook.replace('<inventory>', inventory)}"
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.lasts,
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "runbook": command},
        }


STATUS = "playbooks/status.yml <inventory>"
