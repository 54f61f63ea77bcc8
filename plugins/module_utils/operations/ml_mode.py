# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mode of an environment's ML gateways. It is a row in the database of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.operations import ml_gateway

MODES = ("live", "mock", "off")


def mode(client: Any, stack: str, service: str, wanted: Mapping[str, str]) -> dict[str, Any]:
    """The mode and its history. ``wanted``: ``mode``, ``by`` and ``why`` of a switch; empty only looks."""
    asked = [wanted["mode"], "--by", wanted["by"], "--why", wanted["why"]] if wanted else []
    program = ml_gateway.Program("switch the mode of the ML gateway", "The mode stays as it is.")
    return program.answer(client, stack, service, asked)


def used(cap: Mapping[str, Any]) -> str:
    """What is used of a cap, in a sentence."""
    near = ", which is past warn_at" if cap["near"] else ""
    return f"{cap['cap']}: {cap['used']} of {cap['limit']} are used ({cap['period']}){near}"
