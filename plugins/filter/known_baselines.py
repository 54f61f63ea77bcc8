# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: known_baselines
short_description: Read which baselines of hosts the repository knows
version_added: 0.1.0
description:
  - Reads the file on the controller that C(playbooks/claim.yml) writes. A missing file knows none; a broken one is an error.
  - With O(recorded), tells what the file is to say once those hosts have been recorded.
positional: _input, recorded
options:
  _input:
    description: Path of the file.
    type: path
    required: true
  recorded:
    description: What M(morpheus.deploy.host_baseline) returned, by host.
    type: dict
    default: {}
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Read which baselines are known
  ansible.builtin.set_fact:
    known: "{{ (inventory_dir ~ '/baselines.json') | morpheus.deploy.known_baselines }}"
"""

RETURN = r"""
_value:
  description: By host, the SHA-256 of its baseline and when it was recorded.
  type: dict
  sample: {app-1: {digest: 5d41402abc4b2a76b9719d911017c592, recorded: "2026-11-24T10:00:00Z"}}
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError


def known_baselines(path: str, recorded: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, dict[str, str]]:
    from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
    from ansible_collections.morpheus.deploy.plugins.module_utils.facts import baseline

    try:
        before = baseline.known(path)
    except DeployError as exc:
        raise AnsibleFilterError(str(exc)) from None
    now = {host: {"digest": one["digest"], "recorded": one["recorded"]} for host, one in (recorded or {}).items()}
    return dict(sorted({**before, **now}.items()))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"known_baselines": known_baselines}
