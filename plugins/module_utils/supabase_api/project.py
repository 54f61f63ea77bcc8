# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project's settings through the Management API: read, compared with what is declared, and written."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api import scope, settings, signing_keys
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.client import Api
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.settings import (
    AUTH,
    NETWORK,
    POOLER,
    TLS,
    Difference,
    Section,
)

_POLL_SECONDS = 0.5
_KEYS = "config/auth/signing-keys"
# Of an API that does not say how long its tokens last.
_TOKEN_SECONDS = 3600
_LEGACY = (
    "the API keys anon and service_role are signed with it; give their users publishable and secret keys, and disable these two "
    "in the project's settings"
)


def _now() -> datetime:
    return datetime.now(timezone.utc)  # noqa: UP017 - hosts have Python 3.10


@dataclass
class Project:
    """``options``: group -> setting -> value, beside ``signing_key``. ``clock`` and ``pause``: seconds. ``now``: by which keys
    have an age.
    """

    api: Api
    ref: str
    options: Mapping[str, Any]
    wait_seconds: float = 60.0
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = _now
    waiting: list[str] = field(default_factory=list)
    # Whether the Management API says that anybody may connect to the database; None when it was not asked.
    is_open: bool | None = None

    def refuse_wide_token(self) -> None:
        wide = scope.too_wide(self.api, self.ref)
        if wide:
            raise DeployError(
                f"the token is not scoped to the project {self.ref}: {'; '.join(wide)}. "
                f"Nothing was changed; {scope.mend(self.ref)}"
            )

    def differences(self) -> list[Difference]:
        declared = settings.wanted(self.options)
        seen = {section: self._read(section) for section in {setting.section for setting in declared}}
        found = settings.differences(declared, seen)
        return found + [Difference("signing_key", step.seen, step.wanted) for step in self._key_steps(seen.get(AUTH))]

    def apply(self) -> None:
        """Writes what differs, and looks again. Raises DeployError when the API took it and does not show it."""
        declared = settings.wanted(self.options)
        seen = {section: self._read(section) for section in {setting.section for setting in declared}}
        different = settings.differences(declared, seen)
        for section, body in settings.changes(declared, different).items():
            self._write(section, body)
        for step in self._key_steps(seen.get(AUTH)):
            self._take(step)
        left = settings.differences(declared, {section: self._read(section) for section in seen})
        if left:
            raise DeployError(
                f"the Management API accepted the settings of {self.ref} and does not show them: "
                + "; ".join(one.sentence for one in left)
            )
        self._await_restrictions(declared)

    def _read(self, section: Section) -> Mapping[str, Any]:
        body = self.api.read(self._path(section))
        if section == POOLER:
            return next((one for one in body if one.get("database_type") == "PRIMARY"), {})
        if section == TLS:
            return dict(body["currentConfig"])
        if section == NETWORK:
            config = body["config"]
            given = [*(config.get("dbAllowedCidrs") or []), *(config.get("dbAllowedCidrsV6") or [])]
            addresses = settings.networks(one["address"] if isinstance(one, Mapping) else one for one in given)
            self.is_open = not addresses or any(one in addresses for one in settings.EVERYWHERE)
            return {"addresses": addresses, "status": body["status"]}
        return dict(body)

    def _write(self, section: Section, body: Mapping[str, Any]) -> None:
        if section == TLS:
            self.api.write("PUT", self._path(TLS), {"requestedConfig": body})
        elif section == NETWORK:
            by_version: dict[int, list[str]] = {4: [], 6: []}
            for one in body["addresses"]:
                by_version[ipaddress.ip_network(one).version].append(one)
            wanted = {"dbAllowedCidrs": by_version[4], "dbAllowedCidrsV6": by_version[6]}
            self.api.write("POST", self._path("network-restrictions/apply"), wanted)
        else:
            self.api.write("PATCH", self._path(section), body)

    def _await_restrictions(self, declared: Mapping[settings.Setting, Any]) -> None:
        """Until then the addresses before may still connect."""
        if not any(setting.section == NETWORK for setting in declared):
            return
        deadline = self.clock() + self.wait_seconds
        while self._read(NETWORK)["status"] != "applied":
            if self.clock() >= deadline:
                raise DeployError(
                    f"the network restrictions of {self.ref} are stored and were not applied for {self.wait_seconds:g} s, so "
                    "other addresses may still connect; run this again"
                )
            self.pause(_POLL_SECONDS)

    def _key_steps(self, auth: Mapping[str, Any] | None) -> list[signing_keys.Step]:
        given = self.options.get("signing_key") or {}
        if not given:
            return []
        wanted = signing_keys.Wanted(given["algorithm"], int(given["max_age_days"]))
        keys = self.api.read(self._path(_KEYS))["keys"]
        lasting = int((auth or self._read(AUTH)).get("jwt_exp") or _TOKEN_SECONDS)
        found, self.waiting = signing_keys.steps(keys, wanted, lasting, self.now(), self._needed)
        return found

    def _needed(self, key: str) -> str:
        """Supabase does not revoke the legacy secret while API keys that it signed are accepted."""
        legacy, switch = self._path(f"{_KEYS}/legacy"), self._path("api-keys/legacy")
        # Supabase means to remove both, and says 404 then.
        if self.api.ask("GET", legacy).is_missing or self.api.read(legacy)["id"] != key:
            return ""
        if self.api.ask("GET", switch).is_missing:
            return ""
        return _LEGACY if self.api.read(switch)["enabled"] else ""

    def _take(self, step: signing_keys.Step) -> None:
        path = self._path(_KEYS)
        if step.act == signing_keys.ADOPT:
            self.api.write("POST", f"{path}/legacy")
        elif step.act == signing_keys.CREATE:
            body = {"algorithm": self.options["signing_key"]["algorithm"], "status": "standby"}
            self.api.write("POST", path, body)
        else:
            self.api.write("PATCH", f"{path}/{step.key}", {"status": signing_keys.STATUS[step.act]})

    def _path(self, rest: str) -> str:
        return f"/v1/projects/{self.ref}/{rest}"
