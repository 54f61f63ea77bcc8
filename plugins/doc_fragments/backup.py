# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that make, read or restore backups of a Postgres database."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
requirements:
  - age, on the host
  - Docker, or Postgres' own programs, on the host
options:
  image:
    description:
      - Image with the interface of the official C(postgres), whose programs are used. Its version must be the
        server's, and it must have the extensions that the database uses.
    type: str
    default: ""
  programs:
    description: Directory of programs that are installed on the host, in the place of O(image).
    type: str
    default: ""
"""

    # Where backups lie.
    PLACE = r"""
options:
  directory:
    description: Where backups lie on the host. Only root may look into it.
    type: str
    default: ""
  urls:
    description:
      - In the place of O(directory), URLs that each open one object of a store for a while, as
        M(morpheus.deploy.backup_store) signs them.
    type: dict
    default: {}
  wait_seconds:
    description: How long to wait for another run that is at work with backups on the host, in seconds.
    type: float
    default: 600.0
"""

    # Of modules that make one.
    MADE = r"""
attributes:
  diff_mode:
    support: none
    description: A backup has nothing before it.
  idempotent:
    support: none
    description: Each run makes another backup.
options:
  name:
    description: Name of the backup. Lower-case letters, digits, and C(.), C(_), C(-).
    type: str
    required: true
  why:
    description: What it is made for, for those who look for one later.
    type: str
    required: true
  recipients:
    description: Public keys of C(age), or of SSH as C(age) takes them.
    type: list
    elements: str
    required: true
"""

    # Of modules that keep what the buckets of a Supabase project hold.
    STORAGE = r"""
requirements:
  - age, on the host
options:
  environment:
    description: Whose project it is.
    type: str
    required: true
"""

    RECORD = r"""
options:
  record:
    description: The record of the backup, as M(morpheus.deploy.backup_store) returns it.
    type: dict
    required: true
"""
