# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
from __future__ import annotations

DOCUMENTATION = r"""
name: status_report
short_description: Put the status of an environment together
version_added: 0.1.0
description:
  - Joins what the hosts say, the lease and the last runs. The callback P(morpheus.deploy.verdict#callback) prints it.
positional: _input, lease, history, environment
options:
  _input:
    description: What M(morpheus.deploy.stack_status) returned, by host.
    type: dict
    required: true
  lease:
    description: What M(morpheus.deploy.lease) returned with C(state=read).
    type: dict
    required: true
  history:
    description: The text of the environment's history.
    type: str
    required: true
  environment:
    description: Name of the environment.
    type: str
    required: true
author:
  - The morpheus.deploy maintainers
"""

EXAMPLES = r"""
- name: Put the status together
  ansible.builtin.set_fact:
    status_report: "{{ {'app-1': status} | morpheus.deploy.status_report(lease, history, 'staging') }}"
"""

RETURN = r"""
_value:
  description: The report.
  type: dict
  sample:
    environment: staging
    hosts: {app-1: {live: 1.2.0-3f9a0c1d, release: 1.2.0}}
    lease: null
    lease_problem: ""
    runs: []
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

KEYS = ("environment", "live", "release", "since", "rolling", "edge", "services", "drift", "msg")
RUNS = 5


def status_report(
    hosts: Mapping[str, Mapping[str, Any]], lease: Mapping[str, Any], history: str, environment: str
) -> dict[str, Any]:
    return {
        "environment": environment,
        "hosts": {name: {key: host[key] for key in KEYS if key in host} for name, host in hosts.items()},
        "lease": lease.get("holder"),
        # Nobody knows whether a lease is free that could not be read.
        "lease_problem": "" if "holder" in lease else str(lease.get("msg") or "it gave no answer"),
        "runs": [line for line in map(_line, history.splitlines()) if line][-RUNS:],
    }


def _line(text: str) -> dict[str, Any]:
    """A record, or nothing where a crash has torn the line."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"status_report": status_report}
