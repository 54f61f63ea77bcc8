#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: health_gate
short_description: Wait until HTTP endpoints have proved several times in a row that they are well
version_added: 0.1.0
description:
  - Asks any number of endpoints at the same time. When the module returns, each of them has given O(successes) good answers in a
    row before O(deadline_seconds) had passed.
  - It fails when one has not. The message then says what the last answer was, and the result holds the counts and
    latencies of every endpoint.
  - An endpoint that goes on naming another release for 5 s, in answers that are good but for that, is not waited for any longer.
  - Redirects are not followed, certificates are verified, nothing is retried behind the scenes, and an answer that drips or
    never ends is cut off at O(timeout_seconds).
attributes:
  check_mode:
    support: full
    description: Asking changes nothing, so check mode asks too.
  platform:
    support: full
    platforms: posix
    description: Runs where Python does.
options:
  endpoints:
    description: What to ask.
    type: list
    elements: dict
    required: true
    suboptions:
      url:
        description: An C(http) or C(https) URL.
        type: str
        required: true
      name:
        description: How messages call it. The URL when left out.
        type: str
      address:
        description: Where to connect to instead of the URL's host, as C(address) or C(address:port). The name in the URL is
          still the one that is sent and that the certificate is verified against.
        type: str
        default: ""
      edge:
        description:
          - Ask the edge of the host that runs the module, on the port that it has for the URL's scheme. Where it has no
            certificate, an C(https) URL is asked as the TLS end in front of it asks. O(endpoints[].address) goes before it.
        type: bool
        default: false
      headers:
        description: Headers to send.
        type: dict
        default: {}
      status:
        description: HTTP status of a good answer.
        type: int
        default: 200
      expect:
        description: JMESPath expression over the JSON body that must be true.
        type: str
        default: ""
      version:
        description: JMESPath of the field in the JSON body that must equal O(endpoints[].release).
        type: str
        default: ""
      release:
        description: What O(endpoints[].version) must give.
        type: str
        default: ""
  successes:
    description: Good answers in a row.
    type: int
    default: 3
  interval_seconds:
    description: Pause between two requests to an endpoint, in seconds.
    type: float
    default: 0.25
  timeout_seconds:
    description: Time for one whole answer, in seconds.
    type: float
    default: 2.0
  deadline_seconds:
    description: Time for all of it, in seconds, timeouts included. Measured with a monotonic clock.
    type: float
    default: 60.0
  ca_path:
    description: PEM file on the host with certificates to trust instead of the system's.
    type: path
requirements:
  - jmespath, on the host that runs the module
extends_documentation_fragment:
  - morpheus.deploy.attributes.unchanged
seealso:
  - module: morpheus.deploy.stack_rollout
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Wait until the service answers
  morpheus.deploy.health_gate:
    endpoints:
      - url: http://192.0.2.10:8000/health

- name: Wait until two replicas attest the release
  morpheus.deploy.health_gate:
    endpoints:
      - url: http://192.0.2.10:8000/health
        version: version
        release: 1.2.0
      - url: http://192.0.2.11:8000/health
        version: version
        release: 1.2.0
    successes: 5
    deadline_seconds: 90

- name: Ask this host's edge under its public name
  morpheus.deploy.health_gate:
    endpoints:
      - url: https://www.example.com/health
        edge: true
"""

RETURN = r"""
endpoints:
  description: What was seen of each endpoint, on failure too.
  returned: always
  type: list
  elements: dict
  sample:
    - name: https://www.example.com/health
      url: https://www.example.com/health
      healthy: true
      attempts: 3
      failures: 0
      successes_in_row: 3
      seconds: 0.531
      status: 200
      last: '{"status": "ok"}'
      violation: ""
      cut_short: false
      latency_seconds: {median: 0.004, max: 0.006}
"""

from collections.abc import Mapping
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base import clock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, GateError, missing_library
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import own_edge
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.health import gate, seen
from ansible_collections.morpheus.deploy.plugins.module_utils.health.http import HttpProbe
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module

ENDPOINT = {
    "url": {"type": "str", "required": True},
    "name": {"type": "str"},
    "address": {"type": "str", "default": ""},
    "edge": {"type": "bool", "default": False},
    "headers": {"type": "dict", "default": {}},
    "status": {"type": "int", "default": 200},
    "expect": {"type": "str", "default": ""},
    "version": {"type": "str", "default": ""},
    "release": {"type": "str", "default": ""},
}


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    if gate.import_error:
        raise missing_library("jmespath")
    for number, item in enumerate(module.params["endpoints"]):
        for key in ("expect", "version"):
            problem = gate.expression_problem(item[key]) if item[key] else ""
            if problem:
                raise DeployError(f"endpoints[{number}].{key}: {item[key]!r} is not a JMESPath expression: {problem}")
    rules = seen.Rules(
        module.params["successes"],
        module.params["interval_seconds"],
        module.params["timeout_seconds"],
        module.params["deadline_seconds"],
    )
    if rules.successes < 1 or rules.timeout_seconds <= 0 or rules.deadline_seconds <= 0 or rules.interval_seconds < 0:
        raise DeployError(
            "successes must be 1 or more, timeout_seconds and deadline_seconds more than 0, interval_seconds 0 or more"
        )
    endpoints = [_endpoint(item) for item in module.params["endpoints"]]
    results = gate.Gate(rules, HttpProbe(module.params["ca_path"] or ""), clock.SystemClock()).wait(endpoints)
    about["endpoints"] = [health.as_dict() for health in results]
    bad = [health for health in results if not health.healthy]
    if bad:
        raise GateError(
            "; ".join(
                f"{health.name} was not healthy {rules.successes} times in a row within {rules.deadline_seconds:g} s: "
                f"after {health.attempts} attempts in {health.seconds:.1f} s the last answer was: {health.violation}"
                for health in bad
            )
        )
    return {"changed": False, **about}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "endpoints": {"type": "list", "elements": "dict", "required": True, "options": ENDPOINT},
            "successes": {"type": "int", "default": 3},
            "interval_seconds": {"type": "float", "default": 0.25},
            "timeout_seconds": {"type": "float", "default": 2.0},
            "deadline_seconds": {"type": "float", "default": 60.0},
            "ca_path": {"type": "path"},
        },
        supports_check_mode=True,
    )
    run_module(module, body)


def _endpoint(item: Mapping[str, Any]) -> gate.Endpoint:
    expectation = gate.Expectation(item["status"], item["expect"], item["version"], item["release"])
    name = item["name"] or item["url"]
    if item["edge"]:
        return own_edge.endpoint(name, EdgePaths(EDGE_ROOT), item, expectation)
    headers = tuple((str(key), str(value)) for key, value in item["headers"].items())
    return gate.Endpoint(name, item["url"], headers, item["address"], expectation)


if __name__ == "__main__":
    main()
