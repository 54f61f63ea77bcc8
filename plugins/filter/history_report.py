# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: history_report
short_description: Put the history of an environment together, with how often it was deployed and how that went
version_added: 0.1.0
description:
  - Merges what the hosts that keep the history remember. The callback P(morpheus.deploy.verdict#callback) prints it.
positional: _input, environment, days, now
options:
  _input:
    description: What M(morpheus.deploy.lease) returned with C(state=read), by host that keeps the history.
    type: dict
    required: true
  environment:
    description: Name of the environment.
    type: str
    required: true
  days:
    description: How many days back the report goes.
    type: float
    default: 30
  now:
    description: The time from which they are counted, in seconds since 1970. The present one when left out.
    type: float
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Put the history together
  ansible.builtin.set_fact:
    history_report: "{{ {'app-1': lease} | morpheus.deploy.history_report('production', 90) }}"
"""

RETURN = r"""
_value:
  description:
    - The report. C(figures) has no C(failure_rate) without a deploy, and no C(restore_seconds) without a failure that has ended.
      C(problem) is why nobody said what the history is, C(unread) why single hosts did not.
  type: dict
  sample:
    environment: production
    days: 30.0
    problem: ""
    unread: {}
    runs: [{at: "2026-11-26T10:00:00Z", kind: deploy, verdict: deployed, owner: anna@laptop, what: deploy 1.2.0, seconds: 14.2}]
    figures:
      deploys: 12
      per_week: 2.8
      failed: 1
      failure_rate: 0.083
      restore_seconds: {median: 95.0, longest: 95.0}
      open_since: ""
"""

import time
from collections.abc import Callable, Mapping
from typing import Any


def history_report(
    kept: Mapping[str, Mapping[str, Any]], environment: str, days: float = 30.0, now: float | None = None
) -> dict[str, Any]:
    from ansible_collections.morpheus.deploy.plugins.module_utils.lease import history
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import past

    read = {name: answer for name, answer in kept.items() if "history" in answer and not answer.get("failed")}
    unread = {name: _why(answer) for name, answer in kept.items() if name not in read}
    runs = past.since(history.merged(answer["history"] for answer in read.values()), days, time.time() if now is None else now)
    return {
        "environment": environment,
        "days": float(days),
        "problem": "" if read else "; ".join(f"{name} {why}" for name, why in unread.items()) or "no host keeps it",
        "unread": unread,
        "runs": runs,
        "figures": past.figures(runs, days),
    }


def _why(answer: Mapping[str, Any]) -> str:
    return "could not be reached" if answer.get("unreachable") else str(answer.get("msg") or "gave no answer")


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"history_report": history_report}
