# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that put together what an environment's hosts and balancers say."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  leases:
    description: What M(morpheus.deploy.lease) returned with C(state=read), by host that keeps the lease.
    type: dict
    required: true
  balancers:
    description: What M(morpheus.deploy.edge_upstream_info) returned, by balancer.
    type: dict
    default: {}
  ages:
    description:
      - How old the last backup may be in hours, C(backup) and C(buckets), and staging's data in days, C(staging_data). What is
        left out, or C(0), is not asked for.
    type: dict
    default: {}
  supabase:
    description: What was seen of the environment's Supabase project, as the role C(supabase) keeps it. Empty without one.
    type: dict
    default: {}
"""
