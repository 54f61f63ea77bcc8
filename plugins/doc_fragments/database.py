# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that ask a Postgres database."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  platform:
    support: full
    platforms: posix
    description: Where the database can be reached from.
requirements:
  - psycopg2, on the host
options:
  system_identifier:
    description: The system identifier that the cluster must have. Empty asks for none.
    type: str
    default: ""
"""

    # One that must be the environment's.
    DECLARED = r"""
options:
  url:
    description:
      - C(postgresql://user:password@host:5432/database). Supabase's transaction pooler, port 6543, is refused.
    type: str
    required: true
  variable:
    description: What messages call O(url), such as the name of its variable.
    type: str
    default: url
  environment:
    description: The environment whose marker the database must carry.
    type: str
    required: true
  project_ref:
    description: The Supabase project that O(url) must name; any when empty.
    type: str
    default: ""
"""
