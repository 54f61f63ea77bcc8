# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: placeholder_certificate
short_description: Make a certificate with which HAProxy starts before any was issued
version_added: 0.1.0
description:
  - It is signed by itself and has ended, so no browser takes it, and whoever reads it sees that another one is due.
positional: _input
options:
  _input:
    description: Nothing is read of it.
    type: raw
    required: true
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Make room for a certificate
  morpheus.deploy.edge_config:
    placeholders: {acme: "{{ none | morpheus.deploy.placeholder_certificate }}"}
"""

RETURN = r"""
_value:
  description: Certificate and key in PEM.
  type: str
  sample: "-----BEGIN CERTIFICATE-----"
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any


def placeholder_certificate(unused: Any) -> str:
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.acme import request

    return request.placeholder(datetime.now(UTC))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"placeholder_certificate": placeholder_certificate}
