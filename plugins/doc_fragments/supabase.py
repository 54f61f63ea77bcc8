# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that ask an API of Supabase's."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  platform:
    support: full
    platforms: posix
    description: Where the API can be reached from; playbooks use the controller.
options:
  ca_path:
    description: PEM file with the authority that signed the API's certificate, where it is no public one.
    type: path
    default: ""
  timeout_seconds:
    description: How long one request may take as a whole, in seconds; one that carries an object, a second more for each 16 KiB.
    type: float
    default: 20.0
"""

    # Of the storage API.
    STORAGE = r"""
options:
  url:
    description: Where the APIs of the project are, as in C(https://abcdefghijklmnopqrst.supabase.co).
    type: str
    required: true
  key:
    description: The project's secret key (C(service_role)).
    type: str
    required: true
"""

    # Of the Management API.
    MANAGEMENT = r"""
options:
  project_ref:
    description: Reference of the project, 20 lower-case letters.
    type: str
    required: true
  token:
    description: Access token of the Management API, scoped to the project.
    type: str
    required: true
  api_url:
    description: Where the Management API is.
    type: str
    default: https://api.supabase.com
"""
