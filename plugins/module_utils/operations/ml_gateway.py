# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program of the ML gateway, run in a container of it on this host: it answers for the whole environment, from its books."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.answers import speaking
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.labels import PROJECT, SERVICE


@dataclass(frozen=True)
class Program:
    """``does``: what cannot be done when the engine does not answer, ``without``: what is so then."""

    does: str
    without: str

    def answer(self, client: Any, stack: str, service: str, arguments: Sequence[str] = ()) -> dict[str, Any]:
        """The JSON that it prints. What it says when it refuses is the error."""
        labels = [f"{PROJECT}={stack}", f"{SERVICE}={service}"]
        with speaking(self.does):
            running = client.containers.list(filters={"label": labels, "status": "running"})
            if not running:
                raise DeployError(
                    f"no gateway runs on this host: there is no container of the service {service} of the stack {stack}. "
                    f"Deploy it, or name a host that has one with --limit. {self.without}"
                )
            code, (out, err) = running[0].exec_run(["python3", "-m", "app.control", *arguments], demux=True)
        if code != 0:
            said = (err or out or b"").decode("utf-8", "replace").strip()
            raise DeployError(said.splitlines()[-1] if said else f"the gateway's program ended with exit status {code}")
        found: dict[str, Any] = json.loads(out)
        return found
