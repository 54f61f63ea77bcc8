# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: placed_routes
short_description: Say what balancers are to be told of the routes of a stack at this moment of a rollout
version_added: 0.1.0
description:
  - A host that is not done yet may be asked for what it has before and after; one that is done, for what the release has there.
positional: _input, results, without
options:
  _input:
    description: What the filter P(morpheus.deploy.placing#filter) returned.
    type: dict
    required: true
  results:
    description: What M(morpheus.deploy.stack_rollout) returned, by host; empty where its turn had not come.
    type: dict
    default: {}
  without:
    description: Hosts that count as if their turn had not come.
    type: list
    elements: str
    default: []
  way_back:
    description: What the filter P(morpheus.deploy.way_back#filter) returned, when hosts are taken back.
    type: dict
  went_back:
    description: Of these, what M(morpheus.deploy.stack_rollout) returned.
    type: dict
    default: {}
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: See what the balancer is told before the first host changes
  ansible.builtin.debug:
    msg: "{{ rollout_placing | morpheus.deploy.placed_routes }}"
"""

RETURN = r"""
_value:
  description: For O(morpheus.deploy.edge_placed#module:routes).
  type: dict
  sample: {shop.example/reports/: {hosts: [app-2], guarded: false}}
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Results = Mapping[str, Mapping[str, Any]]


def placed_routes(
    found: Mapping[str, Any],
    results: Results | None = None,
    without: Sequence[str] = (),
    way_back: Mapping[str, str] | None = None,
    went_back: Results | None = None,
) -> dict[str, dict[str, Any]]:
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.placed_routes import Placing, back, forward

    placing = Placing(**found)
    if way_back is None:
        return forward(placing, results or {}, without)
    return back(placing, results or {}, way_back, went_back or {})


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"placed_routes": placed_routes}
