# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: flags_wanted
short_description: The feature flags that hosts are to have, from what they have and what is asked
version_added: 0.1.0
description:
  - Refuses where hosts have other flags than the environment's file, so that nobody's change is undone unseen.
positional: _input
options:
  _input:
    description: Answers of M(morpheus.deploy.stack_flags) by host.
    type: dict
    required: true
  text:
    description: The environment's file of flags, as it stands.
    type: str
    required: true
  request:
    description: What is asked, as the filter P(morpheus.deploy.flags_asked#filter) takes it.
    type: dict
    default: {}
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Put together what is to be brought
  ansible.builtin.set_fact:
    wanted: "{{ answers | morpheus.deploy.flags_wanted(asked.text, {'flag': 'loud', 'to': 25, 'why': 'a try'}) }}"
"""

RETURN = r"""
_value:
  description: >-
    C(text) is what the file is to be, C(content) the same as base64 where hosts get it, C(lines) say what there is and who
    changed it, and C(apart) on which hosts there are other flags than in the file.
  type: dict
  sample: {problems: [], text: '{"flags": {}}', content: eyJmbGFncyI6IHt9fQ==, changes: [], lines: ["no flags"], apart: []}
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any


def flags_wanted(answers: Mapping[str, Mapping[str, Any]], text: str, request: Mapping[str, Any] | None = None) -> dict[str, Any]:
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.flags.asked import Host, Request, apart, lines, wanted

    asked = {name: value for name, value in (request or {}).items() if name != "diff"}
    hosts = [
        Host(name, base64.b64decode(one["flags"]).decode("utf-8", "replace"), int(one["version"]), one.get("history") or [])
        for name, one in answers.items()
        if "flags" in one
    ]
    found = wanted(Request(**asked), text, hosts)
    # Of what is brought, the play says whether it came.
    as_they_are = [] if found.brought or found.problems else hosts
    return {
        "problems": found.problems,
        "text": found.text,
        "content": base64.b64encode(found.text.encode()).decode() if found.brought else "",
        "changes": found.changes,
        "lines": lines(found.text, as_they_are),
        "apart": apart(found.text, as_they_are),
    }


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"flags_wanted": flags_wanted}
