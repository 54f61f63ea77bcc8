# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which environment a host belongs to. It is written when the host is provisioned, and asked before every write."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import IDENTITY, NewerFormatError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import IDENTITY_ROOT, OWNER_FILE


@dataclass(frozen=True)
class Owner:
    """The environment that has claimed a host, and when; both empty when none has."""

    environment: str = ""
    claimed: str = ""


class HostIdentity:
    def __init__(self, root: Path = IDENTITY_ROOT) -> None:
        self.path = root / OWNER_FILE.name
        self._marker = root / "sandbox"

    @property
    def is_sandbox(self) -> bool:
        return self._marker.exists()

    def read(self) -> Owner:
        """Raises DeployError when the file is there and says nothing."""
        try:
            found = IDENTITY.load(self.path)
            owner = Owner(str(found["environment"]), str(found.get("claimed", "")))
        except FileNotFoundError:
            return Owner()
        except NewerFormatError:
            raise
        except (DeployError, OSError, ValueError, KeyError, TypeError, AttributeError):
            owner = Owner()
        if not owner.environment:
            raise DeployError(
                f"{self.path} is not what a claim writes, so the owner of this host is unknown. Find out, remove the file, and "
                "claim the host again with playbooks/provision.yml of its environment."
            )
        return owner

    def write(self, owner: Owner) -> None:
        text = json.dumps(IDENTITY.numbered({"environment": owner.environment, "claimed": owner.claimed})) + "\n"
        write_atomically(self.path, text, mode=0o644)


def problems(expected: str, owner: Owner, *, sandbox_only: bool, is_sandbox: bool) -> list[str]:
    """Why a run of the environment ``expected`` may not write on a host of ``owner``."""
    found = []
    if not owner.environment:
        found.append(
            f"This host belongs to no environment. If it is one of {expected}'s, claim it: playbooks/provision.yml with the "
            f"inventory of {expected}."
        )
    elif owner.environment != expected:
        found.append(
            f"This host belongs to {owner.environment} and not to {expected}. Take it out of this inventory; or, if it has "
            f"moved, claim it: playbooks/provision.yml -e identity_release_from={owner.environment}"
        )
    if sandbox_only and not is_sandbox:
        found.append(
            "The secrets of this inventory are the demo's, whose password is public, and this host is not a sandbox host (it has "
            f"no {IDENTITY_ROOT}/sandbox). Make a vault of your own, without vault_demo."
        )
    return found


def claim_problem(environment: str, owner: Owner, release_from: str) -> str:
    """Why ``environment`` may not claim a host of ``owner``; empty when it may."""
    if owner.environment in ("", environment) or owner.environment == release_from:
        return ""
    mend = f"-e identity_release_from={owner.environment}"
    if release_from:
        mend = f"{mend}, for it is not {release_from}'s"
    return (
        f"This host belongs to {owner.environment}, since {owner.claimed or 'an unknown time'}, and cannot become one of "
        f"{environment}. Take it out of this inventory; or, if it has moved, run again with {mend}"
    )
