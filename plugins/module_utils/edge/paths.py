# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the edge has its files on this host, and what its role recorded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import EDGE

# Below the configuration directory: what HAProxy serves sites with, and which of it.
CERTIFICATES, CERTIFICATES_LIST = "certs", "certificates.list"
# Of the certificate that an ACME authority issues; the others are called by their sites.
ISSUED = "acme"
# Below the configuration directory: the maps of stacks.
MAPS = "routes.d"
# Users of a stack with the hashes of their passwords. No other file of a stack at the edge is for its HAProxy alone.
_USERS = ".users.cfg"


def stack_file(stack: str) -> str:
    """Below the configuration directory, like all that follow: backends of a stack, and what is admitted."""
    return f"stacks/{stack}.cfg"


def users_file(stack: str) -> str:
    return f"stacks/{stack}{_USERS}"


def map_file(stack: str) -> str:
    """Its routes; routes.map has those of all stacks."""
    return f"{MAPS}/{stack}.map"


def own_files(stack: str) -> tuple[str, ...]:
    """All that rollouts write for one stack alone. A rule that asks for users does not outlive them."""
    return stack_file(stack), map_file(stack), users_file(stack)


def holds_users(name: str) -> bool:
    return name.endswith(_USERS)


@dataclass(frozen=True)
class EdgePaths:
    """Where the edge lives on the host; ``conf`` is HAProxy's configuration directory, ``run`` holds its sockets."""

    root: Path

    @property
    def conf(self) -> Path:
        return self.root / "conf"

    @property
    def settings(self) -> Path:
        return self.root / "edge.json"

    @property
    def socket(self) -> Path:
        return self.root / "run" / "admin.sock"

    @property
    def master(self) -> Path:
        return self.root / "run" / "master.sock"

    @property
    def addresses(self) -> Path:
        """What HAProxy's ``server-state-file`` names; there while it is reloaded."""
        return self.root / "run" / "servers.state"


def edge_settings(paths: EdgePaths) -> dict[str, str]:
    """What the edge role recorded: the image and network of the edge. Raises EdgeError when there is no edge here."""
    try:
        found = EDGE.load(paths.settings)
        return {name: str(found[name]) for name in ("image", "user")}
    except FileNotFoundError:
        raise EdgeError(
            f"this host has no edge ({paths.settings} is missing): run playbooks/provision.yml for this inventory first"
        ) from None
    except KeyError as exc:
        raise EDGE.damaged(paths.settings, f"it does not say {exc}") from exc
