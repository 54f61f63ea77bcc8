# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: backup_options
short_description: Check what an inventory says of backups
version_added: 0.1.0
description:
  - Says everything that is wrong with C(backup) and its secrets at once, each with path, value and what to write, and contacts
    nobody. No value of a secret is in what it says.
positional: _input, secrets, hosts
options:
  _input:
    description: The variable C(backup) of the inventory. Empty where no backups are wanted.
    type: dict
    required: true
  secrets:
    description:
      - C(backup_database_url), C(backup_identity), C(backup_storage_key), C(backup_s3_access_key) and C(backup_s3_secret_key).
    type: dict
    default: {}
  hosts:
    description: Hosts of the group C(app). The first one makes backups where C(backup) names none.
    type: list
    elements: str
    default: []
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Check the options of backups
  ansible.builtin.set_fact:
    options: "{{ backup | morpheus.deploy.backup_options({'backup_database_url': vault_backup_url}, groups['app']) }}"
"""

RETURN = r"""
_value:
  description: The problems, else the options with defaults as modules take them.
  type: dict
  sample:
    problems: []
    wanted: true
    host: app-1
    tools: {image: "postgres:17", programs: ""}
    directory: /var/backups/morpheus.deploy
    s3: {}
    keep: {keep_days: 14, keep_at_least: 3}
    recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]
    schemas: []
    buckets: []
    storage_url: https://abcdefghijklmnopqrst.supabase.co
    rate: 0
    declared: {project_ref: "", system_identifier: ""}
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def backup_options(given: Any, secrets: Mapping[str, Any] | None = None, hosts: Sequence[str] | None = None) -> dict[str, Any]:
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.backup.options import Backup
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications

    found = Backup(given, specifications.options("backup"), secrets or {}, list(hosts or []))
    return {"problems": found.problems, **found.told()}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"backup_options": backup_options}
