# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: fingerprints
short_description: Make the fingerprints of an environment's secrets
version_added: 0.1.0
description:
  - Equal values have equal fingerprints under one key, so that environments can be compared without the password of another.
  - The day of a value that the file holds already is kept. A missing or broken file is recreated.
positional: _input
options:
  _input:
    description: "The inventory's variables C(stack_environment), C(stack_secrets), C(stack_secret_variables),
      C(stack_secret_files), C(stack_registries), C(stack_rotation), C(notifications), C(supabase_project), C(ml), whose
      endpoints are kept by their ids, C(stack_fingerprints), C(stack_fingerprint_key) and C(preflight_environments) as one
      mapping. Missing ones count as not set."
    type: dict
    required: true
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Make the fingerprints
  ansible.builtin.set_fact:
    made: "{{ {'stack_environment': 'staging', 'stack_secrets': stack_secrets} | morpheus.deploy.fingerprints }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: The text of the file and what is new in it, or what speaks against it. Names of secrets, never a value.
  type: dict
  sample:
    problems: []
    path: inventories/staging/fingerprints.json
    text: "{}"
    changes: ["api.SESSION_SECRET is new"]
    notes: ["api.PIN is not compared with other environments: 4 characters are too short to be a secret"]
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any


def fingerprints(variables: Mapping[str, Any]) -> dict[str, Any]:
    from ansible_collections.morpheus.deploy.plugins.module_utils.secrets import credentials
    from ansible_collections.morpheus.deploy.plugins.module_utils.secrets import fingerprints as topic
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import isolation

    environment, key = str(variables.get("stack_environment") or ""), variables.get("stack_fingerprint_key") or ""
    path = str(variables.get("stack_fingerprints") or "")
    result: dict[str, Any] = {"problems": [], "path": path, "text": "", "changes": [], "notes": []}
    env_files, files = topic.env_files(variables), variables.get("stack_secret_files") or {}
    result["problems"] = isolation.fingerprint_problems(environment, variables.get("preflight_environments") or [], path, key)
    result["problems"] += topic.value_problems(env_files, files) + credentials.other_problems(variables)
    if not result["problems"]:
        secrets = topic.by_name(env_files, files) | credentials.of_rotations(variables.get("stack_rotation"))
        secrets |= credentials.of_registries(variables.get("stack_registries"))
        secrets |= credentials.of_notifications(variables.get("notifications"))
        secrets |= credentials.of_supabase(variables.get("supabase_project"))
        before, result["changes"] = isolation.file_before(path)
        endpoints = credentials.of_endpoints(variables.get("ml"))
        now = topic.make(environment, key, secrets, date.today().isoformat(), before, endpoints)
        result["changes"] += topic.changes(before, now)
        result["text"] = topic.text(now)
        result["notes"] = topic.not_compared(secrets)
    return result


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"fingerprints": fingerprints}
