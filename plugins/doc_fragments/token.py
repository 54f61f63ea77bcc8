# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules that write say of the fencing token."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  token:
    description: Fencing token of the environment's lease, from M(morpheus.deploy.lease). C(0) is a run without a lease.
    type: int
    default: 0
"""

    # Where the host compares the token while the module works.
    FENCED = r"""
options:
  token:
    description:
      - Fencing token of the environment's lease, from M(morpheus.deploy.lease). A run that comes with an older one than this
        host has seen is refused, also in the middle of its work. C(0) is a run without a lease.
    type: int
    default: 0
"""
