# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: pending_migrations
short_description: Say which migrations of a release its database does not have
version_added: 0.8.0
description:
  - Compares the release's migration files with the ledger of their tool. C(runs) is false only where nothing is pending and the
    tool applies nothing but those files.
positional: _input, rows
options:
  _input:
    description: The configuration with the release's migrations, from the filter P(morpheus.deploy.stack_config#filter).
    type: dict
    required: true
  rows:
    description: C(ledger) as M(morpheus.deploy.database_identity) returned it.
    type: list
    elements: dict
    required: true
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Say what is pending
  ansible.builtin.debug:
    msg: "{{ preflight_config | morpheus.deploy.pending_migrations(lease_taken.database.ledger) }}"
"""

RETURN = r"""
_value:
  description: Paths of files, and whether the tool is to run.
  type: dict
  sample: {pending: [alembic/versions/3f9a_note.py], runs: true}
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def pending_migrations(config: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    # Loaded when it is needed: Ansible loads every filter of the collection at the start of each run.
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.preflight.pending import due

    found = due(config, rows)
    return {"pending": found.paths, "runs": found.runs}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"pending_migrations": pending_migrations}
