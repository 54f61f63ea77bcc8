# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_state
short_description: Say what is to be done about the certificate of an environment
version_added: 0.1.0
description:
  - Compares what hosts serve with what is wanted. Another certificate is due when none is for all names, or when the one that
    lasts longest has fewer days left than O(renew_days), or less than a third of its life where that is shorter.
positional: _input, names, renew_days
options:
  _input:
    description: What M(morpheus.deploy.edge_certificate_info) said, by host. Hosts that named no certificate count as away.
    type: dict
    required: true
  names:
    description: What the certificate must be for.
    type: list
    elements: str
    required: true
  renew_days:
    description: How many days must be left.
    type: int
    default: 30
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: See whether another certificate is due
  ansible.builtin.set_fact:
    found: "{{ {'app-1': read} | morpheus.deploy.certificate_state(['www.example.com']) }}"
"""

RETURN = r"""
_value:
  description: Whether one is due and why; the host whose certificate is for all names and lasts longest, and who has another one.
  type: dict
  sample:
    due: false
    why: ""
    source: app-1
    path: /var/lib/morpheus.deploy/edge/conf/certs/acme.pem
    ends: "2026-12-31"
    days: 62
    behind: [app-2]
    away: {}
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any


def certificate_state(answers: Mapping[str, Mapping[str, Any]], names: Sequence[str], renew_days: float = 30) -> dict[str, Any]:
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.acme.state import state

    return state(answers, names, renew_days, datetime.now(UTC)).as_dict()


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"certificate_state": certificate_state}
