# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module that writes is told that it needs no lease."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  without_lease:
    description: That it is meant to be done without a lease. Without this, C(0) as O(token) is refused, except in check mode.
    type: bool
    default: false
"""
