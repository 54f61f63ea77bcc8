# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that ask a container of the ML gateway."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  stack:
    description: Name of the stack whose containers are the gateway.
    type: str
    required: true
  service:
    description: Name of its service.
    type: str
    default: gateway
"""
