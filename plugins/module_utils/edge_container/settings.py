# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the edge's container runs, as Compose is told."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import EDGE
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_NETWORK, HAPROXY_DIRECTORY, RUN_DIRECTORY
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.state import PROJECT
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.validation import HAPROXY_FILES
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.waiting import without_users

# No application has anything to do without the edge, so it comes before them when the CPUs are busy. With cgroup v2 a container
# without a number has as much as others have by 1024 or by 2597, by the engine's version: less would be a step back.
CPU_SHARES = 16384


@dataclass(frozen=True)
class EdgeSettings:
    """``user`` is the numeric uid:gid HAProxy runs as; ``ports``: Compose's short form, host to container."""

    image: str
    user: str
    ports: Sequence[str]

    def published(self, ports: Sequence[str]) -> EdgeSettings:
        """With other ``ports``. Where none are given, and while the edge waits for those of users, it keeps what it has."""
        return self if without_users(self.ports) or not ports else replace(self, ports=list(ports))

    def compose(self, root: Path) -> dict[str, Any]:
        # The official image adds -W and -db itself.
        command = ["haproxy", "-S", f"{RUN_DIRECTORY}/master.sock,mode,600"]
        command += [part for name in HAPROXY_FILES for part in ("-f", f"{HAPROXY_DIRECTORY}/{name}")]
        return {
            "name": PROJECT,
            "services": {
                "haproxy": {
                    "image": self.image,
                    "user": self.user,
                    "command": command,
                    "restart": "always",
                    "cpu_shares": CPU_SHARES,
                    "ports": list(self.ports),
                    "networks": [EDGE_NETWORK],
                    "read_only": True,
                    "cap_drop": ["ALL"],
                    "security_opt": ["no-new-privileges:true"],
                    "logging": {"driver": "json-file", "options": {"max-size": "20m", "max-file": "5"}},
                    "volumes": [f"{root}/conf:{HAPROXY_DIRECTORY}:ro", f"{root}/run:{RUN_DIRECTORY}"],
                }
            },
            "networks": {EDGE_NETWORK: {"name": EDGE_NETWORK}},
        }

    @property
    def ids(self) -> tuple[int, int]:
        uid, _, gid = self.user.partition(":")
        return int(uid), int(gid or uid)

    def files(self, paths: EdgePaths) -> dict[Path, str]:
        """What says how the edge runs: path -> content."""
        said = EDGE.numbered({"image": self.image, "user": self.user})
        return {paths.settings: as_text(said), paths.root / "compose.json": as_text(self.compose(paths.root))}


def as_text(found: Mapping[str, Any]) -> str:
    return json.dumps(found, indent=2) + "\n"


def place(texts: Mapping[Path, str]) -> None:
    for path, text in texts.items():
        write_atomically(path, text, mode=0o644)


def make_run_directory(run: Path, settings: EdgeSettings) -> None:
    """For HAProxy's sockets."""
    run.mkdir(exist_ok=True)
    os.chown(run, *settings.ids)
    run.chmod(0o750)


def lasting(text: bytes) -> Any:
    """What of the Compose file only a new container can have."""
    try:
        found = json.loads(text)
        for service in found["services"].values():
            service.pop("cpu_shares", None)
    except (ValueError, KeyError, TypeError, AttributeError):
        return text
    return found
