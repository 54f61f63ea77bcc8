# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: way_back
short_description: Say which hosts are to go back to which release after a batch of hosts has failed
version_added: 0.1.0
description:
  - Hosts that were switched go back when their release asks for it (C(failure_action)), and with them those whose rollout ended
    without an answer. After another run has taken over none does.
positional: _input, previous
options:
  _input:
    description: What M(morpheus.deploy.stack_rollout) returned, by host; empty where its turn had not come.
    type: dict
    required: true
  previous:
    description: By host, the id of the release that was live there before, as M(morpheus.deploy.stack_release) returned it.
    type: dict
    required: true
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: See which hosts are to go back
  ansible.builtin.set_fact:
    back: "{{ {'app-1': rolled, 'app-2': {}} | morpheus.deploy.way_back({'app-1': prepared.previous_id}) }}"
"""

RETURN = r"""
_value:
  description: Ids of releases by host.
  type: dict
  sample: {app-1: 1.1.0-77b1e4d2}
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import way_back as decided


def way_back(results: Mapping[str, Mapping[str, Any]], previous: Mapping[str, str]) -> dict[str, str]:
    return decided.way_back(results, previous)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"way_back": way_back}
