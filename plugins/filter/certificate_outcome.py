# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_outcome
short_description: Say what became of the certificate of an environment
version_added: 0.1.0
description:
  - Puts into sentences what was found, ordered and brought to hosts, and tells apart what a person has to mend.
positional: _input, names, ordered, placed, check_mode
options:
  _input:
    description: What P(morpheus.deploy.certificate_state#filter) said.
    type: dict
    required: true
  names:
    description: What the certificate is for.
    type: list
    elements: str
    required: true
  ordered:
    description: Result of M(morpheus.deploy.acme_certificate). Empty when nothing was ordered.
    type: dict
    default: {}
  placed:
    description: What M(morpheus.deploy.edge_certificate) said, by host.
    type: dict
    default: {}
  check_mode:
    description: Whether nothing was done.
    type: bool
    default: false
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Say what became of the certificate
  ansible.builtin.debug:
    msg: "{{ (found | morpheus.deploy.certificate_outcome(['www.example.com'], ordered, {'app-1': placed})).notes }}"
"""

RETURN = r"""
_value:
  description: Everything that is to be said, and of it the problems.
  type: dict
  sample:
    notes: ["the certificate for www.example.com was issued (it ends on 2026-12-31); it ends on 2027-03-01"]
    problems: []
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def certificate_outcome(
    found: Mapping[str, Any],
    names: Sequence[str],
    ordered: Mapping[str, Any] | None = None,
    placed: Mapping[str, Mapping[str, Any]] | None = None,
    check_mode: bool = False,
) -> dict[str, Any]:
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.acme import notes

    return notes.outcome(found, names, ordered or {}, placed or {}, check_mode=check_mode)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"certificate_outcome": certificate_outcome}
