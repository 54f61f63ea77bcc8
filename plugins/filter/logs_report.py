# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: logs_report
short_description: Merge the logs of all hosts by time
version_added: 0.1.0
description:
  - Merges what M(morpheus.deploy.stack_logs) read. The callback P(morpheus.deploy.verdict#callback) prints it.
positional: _input, environment, services, since, request
options:
  _input:
    description: What M(morpheus.deploy.stack_logs) returned, by host.
    type: dict
    required: true
  environment:
    description: Whose logs they are.
    type: str
    required: true
  services:
    description: Names of the services that were asked for; empty for all.
    type: list
    elements: str
    default: []
  since:
    description: How far back was asked for.
    type: str
    default: 10m
  request:
    description: Id of the request that was asked for; empty for all.
    type: str
    default: ""
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Merge the logs
  ansible.builtin.set_fact:
    logs_report: "{{ {'app-1': logs} | morpheus.deploy.logs_report('production', ['api'], '10m') }}"
"""

RETURN = r"""
_value:
  description:
    - The report. C(unread) has, by host, why there are no lines of it, C(strange) the services that no host knows, C(left_out)
      how many older lines a host has.
  type: dict
  sample:
    environment: production
    since: 10m
    request: ""
    services: [api]
    known: [edge, morpheus.api]
    strange: []
    unread: {}
    notes: []
    left_out: {}
    lines:
      - time: "2026-01-01T12:00:00.123456789Z"
        host: app-1
        stack: morpheus
        service: api
        replica: morpheus-api-3
        release: 1.2.0
        text: listening
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def logs_report(
    answers: Mapping[str, Mapping[str, Any]],
    environment: str,
    services: Iterable[str] = (),
    since: str = "10m",
    request: str = "",
) -> dict[str, Any]:
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.log_lines import report

    return report(answers, environment, services, since, request)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"logs_report": logs_report}
