# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: file_content
short_description: Read a text file of the controller
version_added: 0.1.0
description:
  - The lookup P(ansible.builtin.file#lookup) as a filter, so that C(map) can read many files.
positional: _input
options:
  _input:
    description: Path on the controller.
    type: path
    required: true
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Read certificates by name
  ansible.builtin.set_fact:
    texts: "{{ paths | map('morpheus.deploy.file_content') }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: The file's text.
  type: str
  sample: "-----BEGIN CERTIFICATE-----"
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError


def file_content(path: str) -> str:
    try:
        return Path(path).expanduser().read_text()
    except OSError as exc:
        raise AnsibleFilterError(f"{path} cannot be read: {exc.strerror}") from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"file_content": file_content}
