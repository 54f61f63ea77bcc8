# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: stack_config
short_description: Check an environment's configuration and give it back typed
version_added: 0.1.0
description:
  - Checks shape (by the argument specification of the role C(morpheus.deploy.preflight)) and meaning (cross-checks with the
    Compose files) and reports all problems at once.
positional: _input
options:
  _input:
    description: "The inventory's variables C(stack), C(stack_environment), C(stack_release), C(stack_secrets),
      C(stack_secret_variables), C(stack_secret_files), C(stack_registries),
      C(stack_source), C(stack_fingerprints), C(stack_fingerprint_key), C(stack_other_fingerprints),
      C(stack_shared_secrets), C(notifications), C(hooks), C(ml), C(costs) and
      C(preflight_environments) as one mapping. Missing ones count as not set. Beside them
      C(stack_groups), the inventory's groups with their hosts, C(stack_vault_variables), what the vault holds, and
      C(stack_vault_templates), names of what looks like a template in it, as the lookup
      P(morpheus.deploy.encrypted_variables#lookup) gives both. C(edge_acme), C(edge_certificate_paths),
      C(certificates_account_key) and C(stacks) as they are for P(morpheus.deploy.acme_options#filter); and
      C(monitoring_problems), as P(morpheus.deploy.monitoring#lookup) finds them; and the C(preflight_) options of the role
      C(morpheus.deploy.preflight)."
    type: dict
    required: true
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Check the configuration
  ansible.builtin.set_fact:
    result: "{{ {'stack': stack, 'stack_environment': 'staging', 'stack_release': '1.0.0'} | morpheus.deploy.stack_config }}"
"""

RETURN = r"""
_value:
  description: The outcome. Holds names of secrets' variables in problems, never a value.
  type: dict
  sample:
    problems: []
    notes: []
    environment: staging
    release: 1.0.0
    stack: {name: morpheus}
    files: {compose.yml: c2VydmljZXM6IHt9Cg==}
    live_files: {}
    executable: []
    placement: {scheduler: [app-1]}
    supabase: {}
    limits: {clock_seconds: 5.0, accept: []}
    secret_rights: {session_secret: {owner: 10001, mode: "0400"}}
"""

from collections.abc import Callable, Mapping
from typing import Any


def stack_config(variables: Mapping[str, Any]) -> dict[str, Any]:
    from ansible_collections.morpheus.deploy.plugins.filter.costs_problems import costs_problems
    from ansible_collections.morpheus.deploy.plugins.filter.ml_problems import ml_problems
    from ansible_collections.morpheus.deploy.plugins.module_utils.health import gate
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import compose_asked, migration, pools, specifications
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.check import StackConfig
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.no_jmespath import NO_JMESPATH
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.notify.channels import told
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.preflight import finding as preflight

    if gate.import_error:
        return {"problems": [NO_JMESPATH], "notes": []}
    options = specifications.options("preflight")
    checked = StackConfig(variables, options)
    people = told(variables.get("notifications"), variables.get("hooks"), options)
    limits, limit_problems = preflight.limits(variables, options)
    return {
        # What Compose says is asked for last: where our own words know what is wrong, they say what to write instead.
        # Of the shape of what people are told, both say the same.
        "problems": list(
            dict.fromkeys(
                [
                    *checked.problems,
                    *ml_problems(variables.get("ml")),
                    *costs_problems(variables.get("costs")),
                    *people.problems,
                    *_acme_problems(variables),
                    *(variables.get("monitoring_problems") or []),
                    *limit_problems,
                ]
            )
        )
        or compose_asked.problems(
            checked.config,
            checked.release,
            checked.environment,
            checked.files,
            variables.get("stack_secrets") or {},
            variables.get("stack_secret_variables") or {},
        ),
        "notes": checked.notes,
        "environment": checked.environment,
        "release": checked.release,
        "stack": checked.release_config,
        "files": checked.files,
        "live_files": checked.live_files,
        "executable": checked.executable,
        "secret_rights": checked.secret_rights,
        "placement": checked.placement,
        "supabase": checked.supabase,
        "migrations": migration.files(checked.config, checked.files) if not checked.problems else [],
        "owner": _owner(checked.config),
        "pools": pools.wanted(checked.stack, checked.model, checked.files, checked.placement) if not checked.problems else [],
        "limits": limits,
    }


def _owner(stack: Mapping[str, Any]) -> dict[str, Any]:
    """Of the database: the secret that migrates it, what tells whose it is, and how many connections the stack may have."""
    database, migration_ = stack.get("database") or {}, stack.get("migration") or {}
    secret = migration_.get("secret") or database.get("secret") or ""
    about = {name: database.get(name) or "" for name in ("project_ref", "system_identifier")}
    return {"secret": secret, "connections": database.get("connections") or 0, **about}


def _acme_problems(variables: Mapping[str, Any]) -> list[str]:
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.acme import options as acme
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications

    stacks = [variables.get("stack"), *(variables.get("stacks") or {}).values()]
    return acme.problems(variables, stacks, lambda: specifications.options("edge"))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"stack_config": stack_config}
