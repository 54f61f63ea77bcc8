# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""Modules that work on a stack by its name."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  stack:
    description: Name of the stack.
    type: str
    required: true
"""
