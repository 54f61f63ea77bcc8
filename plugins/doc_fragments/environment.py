# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""Filters that are told which environment it is."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  environment:
    description: Name of the environment.
    type: str
    required: true
"""
