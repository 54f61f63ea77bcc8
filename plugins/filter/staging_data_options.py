# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: staging_data_options
short_description: Check what an inventory says of data for staging
version_added: 0.1.0
description:
  - Says everything that is wrong with C(staging_data), its file of rules and its secrets at once, each with path, value and what
    to write, and contacts nobody. No value of a secret is in what it says.
positional: _input, secrets, hosts
options:
  _input:
    description: The variable C(staging_data) of the inventory. Empty where none is wanted.
    type: dict
    required: true
  secrets:
    description: The secrets of the role C(staging_data), by their names.
    type: dict
    default: {}
  hosts:
    description: Hosts of the group C(app). The first one is used where C(staging_data) names none.
    type: list
    elements: str
    default: []
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Check the options of staging's data
  ansible.builtin.set_fact:
    options: "{{ staging_data | morpheus.deploy.staging_data_options({}, groups['app']) }}"
"""

RETURN = r"""
_value:
  description: The problems, else the options with defaults as modules take them.
  type: dict
  sample:
    problems: []
    wanted: true
    does: exports
    host: app-1
    tools: {image: "", programs: ""}
    s3: {bucket: shop-exports}
    directory: ""
    recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]
    rules: {public.users.email: email}
    subset: {}
    rate: 0
    max_age_days: 30
    keep: {keep_days: 14, keep_at_least: 1}
    declared: {project_ref: "", system_identifier: ""}
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def staging_data_options(
    given: Any, secrets: Mapping[str, Any] | None = None, hosts: Sequence[str] | None = None
) -> dict[str, Any]:
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.backup.staging_data import StagingData
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications

    found = StagingData(given, specifications.options("staging_data"), secrets or {}, list(hosts or []))
    return {"problems": found.problems, **found.told()}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"staging_data_options": staging_data_options}
