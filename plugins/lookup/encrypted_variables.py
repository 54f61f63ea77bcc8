# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: encrypted_variables
short_description: Open an encrypted file of variables whose values are never templates
version_added: 0.1.0
description:
  - What M(ansible.builtin.include_vars) reads is templated when it is used, so a secret that holds C({{) or C(lookup(...))
    would be executed, and printed in part by the error. Here every value is what it is, byte for byte, wherever it is used.
  - With the passwords that Ansible has loaded. A file that does not open is no error of this lookup, because Ansible's own words
    may quote what the file holds.
options:
  _terms:
    description: Paths of encrypted files on the controller.
    type: list
    elements: path
    required: true
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Open the vault
  ansible.builtin.set_fact:
    opened: "{{ lookup('morpheus.deploy.encrypted_variables', stack_vault) }}"
  no_log: true
"""

RETURN = r"""
_raw:
  description:
    - One for each file. C(variables) by name; C(error) when it could not be opened, which is not for people's eyes; C(templates),
      names of variables whose values look like templates and are none.
  type: list
  elements: dict
  sample: [{variables: {vault_key: "..."}, error: "", templates: []}]
"""

import re
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible.utils.unsafe_proxy import wrap_var

_TEMPLATE = re.compile(r"\{\{|\{%|\{#")


class LookupModule(LookupBase):  # type: ignore[misc]
    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        return [self._open(str(term)) for term in terms]

    def _open(self, path: str) -> dict[str, Any]:
        try:
            found = self._loader.load_from_file(path, cache="none")
        except AnsibleError as exc:
            return {"variables": {}, "error": str(exc) or "not decrypted", "templates": []}
        if found is not None and not isinstance(found, Mapping):
            return {"variables": {}, "error": "not a mapping of variables", "templates": []}
        # Not trusted as templates. The loader gives them so already; that it does is nothing to rely on.
        opened = wrap_var(dict(found or {}))
        looks = sorted(str(name) for name, value in opened.items() if _looks_like_a_template(value))
        return {"variables": opened, "error": "", "templates": looks}


def _looks_like_a_template(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_looks_like_a_template(one) for one in value.values())
    if isinstance(value, list):
        return any(_looks_like_a_template(one) for one in value)
    return isinstance(value, str) and bool(_TEMPLATE.search(value))
