# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Branches of a project through the Management API: each is a small project of its own, with a database, below its parent."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.client import Api

HEALTHY = "ACTIVE_HEALTHY"
# What no waiting mends.
_LOST = ("INIT_FAILED", "REMOVED", "RESTORE_FAILED", "PAUSE_FAILED")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?\Z")
_POLL_SECONDS = 2.0


@dataclass(frozen=True)
class Branch:
    name: str
    ref: str
    status: str
    created: str
    persistent: bool

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Branch:
        status = str(said.get("preview_project_status") or "UNKNOWN")
        return cls(said["name"], said["project_ref"], status, said["created_at"], bool(said.get("persistent")))

    def hours(self, now: datetime) -> float:
        return (now - datetime.fromisoformat(self.created.replace("Z", "+00:00"))).total_seconds() / 3600


def name_problem(name: str) -> str:
    if _NAME.match(name):
        return ""
    return f'name: "{name}" may hold at most 40 lower-case letters, digits and -, and begins and ends with a letter or digit'


@dataclass
class Branches:
    """Those of ``project``."""

    api: Api
    project: str
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep

    def all(self) -> list[Branch]:
        """Without the one that stands for the project itself."""
        found: Sequence[Mapping[str, Any]] = self.api.read(self._path)
        return sorted((Branch.of(one) for one in found if not one.get("is_default")), key=lambda one: one.name)

    def find(self, name: str) -> Branch | None:
        return next((one for one in self.all() if one.name == name), None)

    def create(self, name: str, git_branch: str) -> Branch:
        """Never with the parent's data, and never one that outlives its pull request."""
        body = {"branch_name": name, "persistent": False, "with_data": False}
        made = self.api.write("POST", self._path, body | ({"git_branch": git_branch} if git_branch else {}))
        return Branch.of(made)

    def await_healthy(self, branch: Branch, seconds: float) -> Branch:
        deadline = self.clock() + seconds
        while True:
            found = self.find(branch.name)
            if found is None or found.status in _LOST:
                seen = "is gone" if found is None else f"ended as {found.status}"
                raise DeployError(f"the branch {branch.name} of {self.project} {seen}; remove it (state: absent), and try again")
            if found.status == HEALTHY:
                return found
            if self.clock() >= deadline:
                seen = f"is {found.status} after {seconds:g} s"
                raise DeployError(f"the branch {branch.name} of {self.project} {seen}; run this again")
            self.pause(_POLL_SECONDS)

    def database(self, branch: Branch) -> dict[str, Any]:
        """How its database is reached, with the password."""
        found = self.api.read(f"/v1/branches/{branch.ref}")
        missing = [name for name in ("db_host", "db_port", "db_user", "db_pass") if not found.get(name)]
        if missing:
            why = "the token may not read it (branching_development_read)"
            raise DeployError(f"the Management API does not say {', '.join(missing)} of the branch {branch.name}: {why}")
        return {"host": found["db_host"], "port": found["db_port"], "user": found["db_user"], "password": found["db_pass"]}

    def remove(self, branch: Branch) -> None:
        """It is gone, and not only scheduled to go. Raises DeployError when it is still there."""
        self.api.write("DELETE", f"/v1/branches/{branch.ref}?force=true")
        if self.find(branch.name) is not None:
            raise DeployError(f"the Management API removed the branch {branch.name} and still lists it; run this again")

    @property
    def _path(self) -> str:
        return f"/v1/projects/{self.project}/branches"
