# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes that several modules share."""

from __future__ import annotations


class ModuleDocFragment:
    # A module that looks and never writes.
    READ_ONLY = r"""
attributes:
  check_mode:
    support: full
    description: The module never changes anything.
  diff_mode:
    support: none
    description: There is nothing to compare.
  idempotent:
    support: full
    description: The module never changes anything.
"""

    # A module that changes secrets.
    SECRET = r"""
attributes:
  diff_mode:
    support: none
    description: There is nothing to show but secrets.
"""

    # A module that puts something of the edge into one of two states.
    SWITCH = r"""
attributes:
  check_mode:
    support: full
    description: Looks, and says what would change.
  idempotent:
    support: full
    description: Nothing is changed where the state is as wanted, and a run that was killed half-way is completed.
"""

    # A module that claims something for an environment.
    CLAIM = r"""
attributes:
  idempotent:
    support: full
    description: A claim by the same environment changes nothing.
"""

    # A module that needs the edge on the host.
    EDGE = r"""
attributes:
  platform:
    support: full
    platforms: posix
    description: Linux, where the role C(edge) has run.
"""

    # A module that needs the edge of a balancer.
    BALANCER = r"""
attributes:
  platform:
    support: full
    platforms: posix
    description: Linux, where the role C(edge) has run with C(edge_upstreams).
"""

    # A module whose work is done in its action plugin.
    CONTROLLER = r"""
attributes:
  action:
    support: full
    description: All of it happens in the action plugin.
  async:
    support: none
    description: It happens on the controller.
  platform:
    support: full
    platforms: posix
    description: The controller.
"""

    # A module that compares what is there with what is wanted.
    DIFFERENCES = r"""
attributes:
  idempotent:
    support: full
    description: Only what differs is written.
"""

    # A module that has nothing to write.
    UNCHANGED = r"""
attributes:
  diff_mode:
    support: none
    description: Nothing is changed.
"""
