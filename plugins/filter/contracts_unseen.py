# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: contracts_unseen
short_description: Say for which models nobody has seen the contracts kept
version_added: 0.1.0
description:
  - A contract counts as seen when C(playbooks/ml_contract.yml) has found it kept for exactly this id, model and version, and it
    was not changed since.
positional: _input, source, pins
options:
  _input:
    description: What M(morpheus.deploy.ml_contract) returned as C(kept).
    type: list
    elements: dict
    required: true
extends_documentation_fragment:
  - morpheus.deploy.contracts
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Refuse a model whose contract nobody has seen kept
  ansible.builtin.assert:
    that: contracts.kept | morpheus.deploy.contracts_unseen(stack_source, stack.ml_pins) == []
"""

RETURN = r"""
_value:
  description: A sentence for each.
  type: list
  elements: str
  sample: ["comic is pinned to comic-xl 1.5.0 (def456), and its contract was never seen kept"]
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def contracts_unseen(kept: Sequence[Mapping[str, Any]], source: str, pins: Mapping[str, Mapping[str, Any]]) -> list[str]:
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.contract import files

    contracts = files.Contracts.read(source)
    return [*contracts.problems, *files.unseen(contracts, pins, kept)]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"contracts_unseen": contracts_unseen}
