# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mode of an environment's ML gateways, by a program in the container of one of them. It is a row in the database of all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.answers import speaking
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.labels import PROJECT, SERVICE

MODES = ("live", "mock", "off")
_PROGRAM = ("python3", "-m", "app.mode")


def mode(client: Any, stack: str, service: str, wanted: Mapping[str, str]) -> dict[str, Any]:
    """The mode and its history. ``wanted``: ``mode``, ``by`` and ``why`` of a switch; empty only looks."""
    labels = [f"{PROJECT}={stack}", f"{SERVICE}={service}"]
    asked = [wanted["mode"], "--by", wanted["by"], "--why", wanted["why"]] if wanted else []
    with speaking("switch the mode of the ML gateway"):
        running = client.containers.list(filters={"label": labels, "status": "running"})
        if not running:
            raise DeployError(
                f"no gateway runs on this host: there is no container of the service {service} of the stack {stack}. "
                "Deploy it, or name a host that has one with --limit. The mode stays as it is."
            )
        code, (out, err) = running[0].exec_run([*_PROGRAM, *asked], demux=True)
    if code != 0:
        said = (err or out or b"").decode("utf-8", "replace").strip()
        raise DeployError(said.splitlines()[-1] if said else f"the gateway's program ended with exit status {code}")
    found: dict[str, Any] = json.loads(out)
    return found
