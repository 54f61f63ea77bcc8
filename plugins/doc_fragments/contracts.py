# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that read the contracts of a stack's ML endpoints."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  source:
    description: The directory of the stack on the controller.
    type: path
    required: true
  pins:
    description: What the stack is pinned to, as P(morpheus.deploy.ml_contracts#filter) gives it back.
    type: dict
    required: true
"""
