# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""Which run a fencing token was given to."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  run:
    description: The run that O(token) was given to, from M(morpheus.deploy.lease). Required with a token other than C(0).
    type: str
    default: ""
"""
