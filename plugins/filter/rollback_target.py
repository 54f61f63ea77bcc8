# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: rollback_target
short_description: Decide for a whole environment which release a rollback goes to
version_added: 0.1.0
description:
  - Without a wish it is the last release that was live and good on all hosts. After a deploy that was not finished everywhere it
    is the release from before that deploy; after a rollback that was not finished, its target.
  - All that speaks against it is reported at once, each problem with the host that has it.
positional: _input, wanted, left_out, ledgers
options:
  _input:
    description: What M(morpheus.deploy.stack_info) returned, by host.
    type: dict
    required: true
  wanted:
    description: Id of a release, or its name where that is unambiguous.
    type: str
    default: ""
  left_out:
    description: What the filter P(morpheus.deploy.left_out#filter) returned of hosts that stay as they are.
    type: dict
    default: {}
  ledgers:
    description: What M(morpheus.deploy.stack_ledger) returned of those hosts that were asked, by host.
    type: dict
    default: {}
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Decide where to go back to
  ansible.builtin.set_fact:
    decision: "{{ {'app-1': info} | morpheus.deploy.rollback_target('1.1.0') }}"
"""

RETURN = r"""
_value:
  description: The target, why it cannot be reached, and what a rollback leaves as it is.
  type: dict
  sample:
    id: 1.1.0-77b1e4d2
    release: 1.1.0
    leaves: [1.2.0-3f9a0c1d]
    problems: []
    cannot_undo: ["the database stays as it is, at schema 0002"]
    routes: {app-1: {now: [shop.example/], wanted: {shop.example/: {here: true, guarded: false}}}}
    ledger: {source: live, host: app-1, at: "2026-01-01T12:00:00Z", why: "", head: "0002"}
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any


def rollback_target(
    hosts: Mapping[str, Mapping[str, Any]],
    wanted: str = "",
    left_out: Mapping[str, Mapping[str, Any]] | None = None,
    ledgers: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.rollback import decide

    return asdict(decide(hosts, str(wanted or ""), left_out or {}, ledgers or {}))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"rollback_target": rollback_target}
