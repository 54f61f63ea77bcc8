# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: ml_contracts
short_description: Read the contracts of the ML endpoints that a stack calls
version_added: 0.1.0
description:
  - They are the files C(ml-contract/*.yml) of the stack's directory, each with C(endpoint), C(request), C(answer) (a JSON
    schema) and C(bounds). Every endpoint that the stack is pinned to must have one.
positional: _input, endpoints, names
options:
  _input:
    description: The directory of the stack on the controller.
    type: path
    required: true
  endpoints:
    description: The inventory's C(ml.endpoints).
    type: list
    elements: dict
    required: true
  names:
    description: The stack's C(ml_endpoints).
    type: list
    elements: str
    required: true
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Read the contracts
  ansible.builtin.set_fact:
    contracts: "{{ stack_source | morpheus.deploy.ml_contracts(ml.endpoints, stack.ml_endpoints) }}"
"""

RETURN = r"""
_value:
  description: C(problems), C(pins), what M(morpheus.deploy.ml_contract) is to C(ask), and to C(keep) when all is well.
  type: dict
  sample:
    problems: []
    pins: {comic: {id: abc123, model: comic-xl, version: 1.4.0, called: comic@1f2e3d4c}}
    ask: [{name: comic.yml, endpoint: comic@1f2e3d4c, request: {input: {}}, seconds: 60.0, bytes: 5000000}]
    keep: [{endpoint: comic, pin: 1f2e3d4c, contract: 0a1b2c3d4e5f6071}]
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def ml_contracts(source: str, endpoints: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import pins as pinned
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.contract import judge
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.contract.files import Contracts, pin_of

    stack: dict[str, Any] = {"ml_endpoints": list(names)}
    problems = pinned.pin(stack, {"ml": {"endpoints": endpoints}})
    pins = stack.get("ml_pins") or {}
    contracts = Contracts.read(source)
    problems += [*contracts.problems, *judge.schema_problems(contracts), *contracts.lacking(pins)]
    if not names:
        problems.append("stack.ml_endpoints: is empty, so the stack calls no endpoint that could have a contract")
    asked = [(pin["called"], one) for name, pin in pins.items() for one in contracts.of(name)]
    return {
        "problems": problems,
        "pins": pins,
        "ask": [
            {"name": one.file, "endpoint": called, "request": one.request, "seconds": one.seconds, "bytes": one.bytes}
            for called, one in asked
        ],
        "keep": [{"endpoint": name, "pin": pin_of(pin), "contract": contracts.digest(name)} for name, pin in pins.items()],
    }


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"ml_contracts": ml_contracts}
