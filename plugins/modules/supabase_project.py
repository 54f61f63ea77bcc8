#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_project
short_description: Keep the settings of a Supabase project
version_added: 0.1.0
description:
  - When the module returns, the project has every setting that the options name, as the Management API shows it, and its network
    restrictions are in force. What is left out stays as it is.
  - A token that reaches more than the project is refused, before anything is changed.
  - Signing keys are rotated in steps. Another one is put on standby, is used once whoever verifies tokens has read it, and the
    one before is revoked when its last token has ended. Each call does what can be done at once; RV(waiting) says what cannot,
    and in how many minutes it can. What a killed call has left is gone on with by the next one.
  - The legacy secret is not revoked while the API keys C(anon) and C(service_role) are accepted, which it has signed.
  - In check mode RV(differences) is the drift.
attributes:
  check_mode:
    support: full
    description: Reads the settings, and says what would be changed.
  diff_mode:
    support: full
    description: Shows each setting that differs, as it is and as it is wanted. None of them is a secret.
options:
  auth:
    description: How users sign in.
    type: dict
    default: {}
    suboptions:
      site_url:
        description: Where mails of the auth service lead to.
        type: str
      redirect_urls:
        description: Where else a sign-in may end. C(*) stands for one part and C(**) for any rest.
        type: list
        elements: str
      allow_signup:
        description: Whether people can register.
        type: bool
      allow_anonymous:
        description: Whether there are users without a name.
        type: bool
      confirm_email:
        description: Whether an address has to be confirmed before the first sign-in.
        type: bool
      password_min_length:
        description: Letters that a password has at least, 6 or more.
        type: int
      token_seconds:
        description: How long an access token is good, in seconds, at most 604800.
        type: int
      rotate_refresh_tokens:
        description: Whether a refresh token is good once.
        type: bool
  network:
    description: Who may connect to the database.
    type: dict
    default: {}
    suboptions:
      allowed_addresses:
        description:
          - Addresses and networks, of IPv4 and IPv6, by which the environment's hosts go out. All others are refused.
          - A network that is everybody is refused.
        type: list
        elements: str
      require_tls:
        description: Whether connections without TLS are refused.
        type: bool
  pooler:
    description: The pooler in front of the database.
    type: dict
    default: {}
    suboptions:
      mode:
        description: How long a connection of the database is a client's own.
        type: str
        choices: [transaction, session]
      size:
        description: Connections for each user and database.
        type: int
  data_api:
    description: What is served of the database over HTTP.
    type: dict
    default: {}
    suboptions:
      schemas:
        description: Schemas that are served.
        type: list
        elements: str
      max_rows:
        description: Rows that an answer has at most.
        type: int
  storage:
    description: Objects.
    type: dict
    default: {}
    suboptions:
      max_file_bytes:
        description: Bytes that an object has at most, in any bucket.
        type: int
  signing_key:
    description: The key that signs the tokens of users. Left out, nobody looks at it.
    type: dict
    suboptions:
      algorithm:
        description: How it signs.
        type: str
        choices: [ES256, RS256, EdDSA, HS256]
        default: ES256
      max_age_days:
        description: Days after which another one takes its place.
        type: int
        default: 180
  wait_seconds:
    description: How long to wait for network restrictions to be in force, in seconds.
    type: float
    default: 60.0
extends_documentation_fragment:
  - morpheus.deploy.attributes.differences
  - morpheus.deploy.supabase
  - morpheus.deploy.supabase.management
seealso:
  - module: morpheus.deploy.supabase_isolation_info
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Keep the settings of staging's project
  morpheus.deploy.supabase_project:
    project_ref: abcdefghijklmnopqrst
    token: "{{ vault_supabase_token }}"
    auth: {site_url: https://staging.example.com, confirm_email: true}
    network: {allowed_addresses: [192.0.2.10, 192.0.2.11], require_tls: true}
    signing_key: {max_age_days: 90}
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
differences:
  description: What differed, or in check mode differs.
  returned: success
  type: list
  elements: dict
  sample: [{name: auth.allow_signup, seen: true, wanted: false, sentence: "auth.allow_signup is on, expected off"}]
waiting:
  description: What of a rotation cannot be done yet, as sentences.
  returned: success
  type: list
  elements: str
  sample: [another signing key is on standby, and can be used in 20 min]
wide:
  description: What the token reaches beside the project, as sentences. Only check mode returns when there is any.
  returned: success
  type: list
  elements: str
  sample: []
open:
  description: Whether anybody may connect to the database. Without O(network.allowed_addresses) nobody has asked.
  returned: success
  type: bool
  sample: false
"""

from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api import client, scope, settings, signing_keys
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.project import Project
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    problems = settings.network_problems(params["network"].get("allowed_addresses") or [])
    if problems:
        raise DeployError("; ".join(f"network.allowed_addresses{problem}" for problem in problems))
    project = Project(client.Api.management(params), params["project_ref"], params, params["wait_seconds"])
    wide = scope.too_wide(project.api, project.ref)
    if wide and not module.check_mode:
        project.refuse_wide_token()
    different = project.differences()
    if different and not module.check_mode:
        project.apply()
    found = [{"name": one.name, "seen": one.seen, "wanted": one.wanted, "sentence": one.sentence} for one in different]
    before = {one.name: one.seen for one in different}
    after = {one.name: one.wanted for one in different}
    result = {"changed": bool(different), "differences": found, "waiting": project.waiting, "wide": wide, "open": project.is_open}
    return {**result, "diff": {"before": before, "after": after}}


@in_words
def main() -> None:
    flag, text, number = {"type": "bool"}, {"type": "str"}, {"type": "int"}
    texts = {"type": "list", "elements": "str"}
    module = AnsibleModule(
        argument_spec={
            "project_ref": {"type": "str", "required": True},
            "token": {"type": "str", "required": True, "no_log": True},
            "api_url": {"type": "str", "default": client.MANAGEMENT},
            "auth": {
                "type": "dict",
                "default": {},
                "options": {
                    "site_url": text,
                    "redirect_urls": texts,
                    "allow_signup": flag,
                    "allow_anonymous": flag,
                    "confirm_email": flag,
                    "password_min_length": {"type": "int", "no_log": False},
                    "token_seconds": {"type": "int", "no_log": False},
                    "rotate_refresh_tokens": {"type": "bool", "no_log": False},
                },
            },
            "network": {"type": "dict", "default": {}, "options": {"allowed_addresses": texts, "require_tls": flag}},
            "pooler": {
                "type": "dict",
                "default": {},
                "options": {"mode": {"type": "str", "choices": ["transaction", "session"]}, "size": number},
            },
            "data_api": {"type": "dict", "default": {}, "options": {"schemas": texts, "max_rows": number}},
            "storage": {"type": "dict", "default": {}, "options": {"max_file_bytes": number}},
            "signing_key": {
                "type": "dict",
                "no_log": False,
                "options": {
                    "algorithm": {"type": "str", "choices": list(signing_keys.ALGORITHMS), "default": "ES256"},
                    "max_age_days": {"type": "int", "default": 180},
                },
            },
            "wait_seconds": {"type": "float", "default": 60.0},
            **client.OPTIONS,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
