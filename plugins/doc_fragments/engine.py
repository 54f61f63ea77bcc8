# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that talk to the container engine."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  platform:
    support: full
    platforms: posix
    description: Linux with Docker Engine and the Compose plugin.
requirements:
  - Docker Engine and the Compose plugin 2.26 or newer
  - docker (the Python SDK), on the host
"""

    # What also judges replicas needs the language of their expectations.
    STACKS = r"""
attributes:
  platform:
    support: full
    platforms: posix
    description: Linux with Docker Engine and the Compose plugin.
requirements:
  - Docker Engine and the Compose plugin 2.26 or newer
  - docker (the Python SDK), on the host
  - jmespath, on the host
"""
