# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: env_file
short_description: Render variables as an env file that Compose reads back unchanged
version_added: 0.1.0
description:
  - Every value reaches the container exactly as given, with quotes, C($), C(#), backslashes, newlines, unicode, leading and
    trailing space.
  - Values are strings. Anything else fails with the name of the variable, never its value.
positional: _input
options:
  _input:
    description: Variables by name.
    type: dict
    required: true
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Write an env file
  ansible.builtin.copy:
    content: "{{ {'GREETING': 'it costs $5 # not a comment'} | morpheus.deploy.env_file }}"
    dest: /srv/app/app.env
    mode: "0600"
  no_log: true
  diff: false
"""

RETURN = r"""
_value:
  description: The text of the env file, variables in order of their names.
  type: str
  sample: |
    GREETING="it costs $$5 # not a comment"
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.morpheus.deploy.plugins.module_utils.base import env_file as dotenv


def env_file(values: Mapping[str, Any]) -> str:
    problems = dotenv.problems(values)
    if problems:
        raise AnsibleFilterError("this cannot become an env file: " + "; ".join(problems))
    return dotenv.render(values)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"env_file": env_file}
