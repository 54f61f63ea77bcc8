# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: costs_report
short_description: Put together what an environment has cost this month, with a forecast
version_added: 0.1.0
description:
  - Takes what the hosts say of the books of the ML gateways, which are the same for all, and what the inventory declares of
    Supabase. The callback P(morpheus.deploy.verdict#callback) prints it and writes a page.
positional: _input, environment, costs, now
options:
  _input:
    description: What M(morpheus.deploy.ml_costs) returned, by host. Empty where the environment has no ML endpoints.
    type: dict
    required: true
  environment:
    description: Name of the environment. A host that answers for another one is not believed.
    type: str
    required: true
  costs:
    description: The inventory's variable C(costs), which has been checked.
    type: dict
  now:
    description: The time of the report, in seconds since 1970. The present one when left out.
    type: float
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Put the costs together
  ansible.builtin.set_fact:
    costs_report: "{{ {'app-1': ml_costs} | morpheus.deploy.costs_report('production', costs) }}"
"""

RETURN = r"""
_value:
  description:
    - The report. C(ml) is empty where nobody said what the books hold, and C(problem) says why. Money is in C(currency).
  type: dict
  sample:
    environment: production
    at: "2026-11-26T12:00:00Z"
    month: 2026-11
    currency: USD
    problem: ""
    ml:
      month: {requests: 840, money: 31.2, unsettled: 0.0}
      forecast: {requests: 970, money: 36.0}
    supabase: {items: [], money: 0.0, forecast: 0.0}
"""

import time
from collections.abc import Callable, Mapping
from typing import Any


def costs_report(
    answers: Mapping[str, Mapping[str, Any]], environment: str, costs: Any = None, now: float | None = None
) -> dict[str, Any]:
    from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import utc
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.costs import Costs
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import costs as sums

    declared = Costs(costs, specifications.options("ml_gateway"))
    month = sums.Month(time.time() if now is None else now)
    read = {name: answer["books"] for name, answer in answers.items() if "books" in answer and not answer.get("failed")}
    own = {name: books for name, books in read.items() if books["environment"] == environment}
    unread = [f"{name} {_why(answer)}" for name, answer in answers.items() if name not in read]
    unread += [f"{name} has a gateway of {books['environment']}" for name, books in read.items() if name not in own]
    report = {
        "environment": environment,
        "at": utc(month.now),
        "month": month.name,
        "currency": declared.currency,
        "problem": "" if own else "; ".join(unread),
        "ml": sums.of_books(next(iter(own.values())), month) if own else None,
        "supabase": sums.of_supabase(declared, month),
    }
    return {**report, "own": sums.summary(report)}


def _why(answer: Mapping[str, Any]) -> str:
    return "could not be reached" if answer.get("unreachable") else str(answer.get("msg") or "gave no answer")


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"costs_report": costs_report}
