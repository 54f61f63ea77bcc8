# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What HAProxy says against a configuration, before anything that runs has it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import HAPROXY_DIRECTORY
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.engine import Engine

HAPROXY_FILES = ("haproxy.cfg", "stacks")


def validate_edge(engine: Engine, settings: Mapping[str, str], candidate: Path) -> str:
    """What HAProxy, in the very image that runs, says against a configuration directory; empty when it accepts it."""
    command = ["haproxy", "-c", *(part for name in HAPROXY_FILES for part in ("-f", f"{HAPROXY_DIRECTORY}/{name}"))]
    code, output = engine.run_tool(settings["image"], command, {candidate: HAPROXY_DIRECTORY}, settings["user"])
    alerts = [line.split(" : ", 1)[-1] for line in output.splitlines() if "[ALERT]" in line]
    return "" if code == 0 else "; ".join(alerts[:3]) or output
