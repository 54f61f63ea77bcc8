#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: runpod_endpoint
short_description: Keep an environment's serverless endpoints at RunPod as they are declared
version_added: 0.1.0
description:
  - Each entry of C(ml.endpoints) that has C(serverless) is made at RunPod when it is not there, and changed where it differs.
    It is found by its C(id), else by its name there, C(<environment>-<name>-<version>).
  - Another version of a model is another endpoint. One that runs another version than the declared one is refused and not
    changed, because releases may be pinned to it.
  - Refuses a change after which all endpoints together may cost more than C(ml.limits.hourly_bound) in an hour, and more than so
    far. That is reckoned with every worker on the dearest card that it may have, by the prices of RunPod's catalog.
  - Nothing is ever removed. An endpoint with C(workers_min) 0 costs nothing while nobody calls it.
  - It speaks RunPod's REST API, version 2, from the controller.
attributes:
  check_mode:
    support: full
    description: Asks RunPod, refuses what it would refuse, and says in C(drift) what it would change.
  diff_mode:
    support: full
    description: Shows each endpoint before and after; of variables of workers their names only.
  idempotent:
    support: full
    description: What is as declared is not touched, and an endpoint whose making was interrupted is found by its name.
options:
  ml:
    description: The inventory's variable C(ml), with C(management_key). See the role C(morpheus.deploy.ml_gateway).
    type: dict
    required: true
  environment:
    description: The environment, with which the names at RunPod begin.
    type: str
    required: true
extends_documentation_fragment:
  - morpheus.deploy.attributes.controller
seealso:
  - module: morpheus.deploy.ml_costs
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Keep the endpoints as they are declared
  morpheus.deploy.runpod_endpoint:
    ml: "{{ ml }}"
    environment: "{{ stack_environment }}"
  delegate_to: localhost
"""

RETURN = r"""
endpoints:
  description: Each with its C(id) at RunPod, what was different (C(drift)), and what it may cost in an hour (C(hourly)).
  returned: always
  type: list
  elements: dict
  sample: [{"name": "comic", "id": "vllm1xyz", "drift": ["workers.max is 5, declared is 3"], "hourly": 3.3}]
hourly:
  description: What all of them together may cost in an hour, C(before) and C(after), and the C(bound).
  returned: success
  type: dict
  sample: {"before": 5.5, "after": 3.3, "bound": 10.0}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, on_the_controller, run_module


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "ml": {"type": "dict", "required": True},
            "environment": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    run_module(module, on_the_controller("runpod_endpoint"))


if __name__ == "__main__":
    main()
