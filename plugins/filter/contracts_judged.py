# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: contracts_judged
short_description: Say whether answers keep the contracts of ML endpoints
version_added: 0.1.0
description:
  - Looks at state, schema, time and size of each answer, and whether it came from the model that the stack is pinned to. Needs
    C(jsonschema) on the controller.
positional: _input, source, pins
options:
  _input:
    description: What M(morpheus.deploy.ml_contract) returned as C(answers).
    type: list
    elements: dict
    required: true
extends_documentation_fragment:
  - morpheus.deploy.contracts
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Judge the answers
  ansible.builtin.set_fact:
    judged: "{{ asked.answers | morpheus.deploy.contracts_judged(stack_source, contracts.pins) }}"
"""

RETURN = r"""
_value:
  description: Each answer, with sentences in C(broken); none where it keeps the contract.
  type: list
  elements: dict
  sample:
    - {name: comic.yml, endpoint: comic, target: staging, broken: ["comic.yml: staging: took 61 s, at most 60 s are agreed"]}
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError


def contracts_judged(
    answers: Sequence[Mapping[str, Any]], source: str, pins: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.contract import judge
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.contract.files import Contracts

    try:
        return judge.judged(Contracts.read(source), answers, pins)
    except DeployError as exc:
        raise AnsibleFilterError(str(exc)) from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"contracts_judged": contracts_judged}
