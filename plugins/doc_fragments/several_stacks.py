# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""Filters that are told on which hosts each of several stacks runs."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  hosts:
    description: Hosts by stack, of those that do not run on every one.
    type: dict
"""
