# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that judge what hosts show before a deploy."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  backup_hours:
    description: How old the last backup may be before that is told, in hours. C(0) asks for none.
    type: float
    default: 0.0
  database:
    description:
      - What M(morpheus.deploy.database_identity) returned, with the rows of the ledger and the connections that the database has.
    type: dict
    default: {}
  hosts:
    description: All hosts of the environment.
    type: list
    elements: str
    default: []
  at_once:
    description: Sizes of batches, as the filter P(morpheus.deploy.batches#filter) gives them.
    type: list
    elements: int
    default: [1]
"""
