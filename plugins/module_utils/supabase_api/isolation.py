# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What another environment's project does with this one's address and tokens, and what the own one does, without which a refusal
proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api import greeting
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.client import REFUSALS, Api

ACCEPTED, REFUSED, UNKNOWN = "accepted", "refused", "unknown"
ADDRESS, TOKEN = "address", "token"
# Answers whoever has a key of the project, and nobody else.
_KEY_PATH = "/auth/v1/settings"


@dataclass(frozen=True)
class Proof:
    """``project``: empty for the own one, which must accept; all others must refuse."""

    kind: str
    project: str
    subject: str
    target: str
    outcome: str
    detail: str

    def as_result(self) -> dict[str, str]:
        return {
            "kind": self.kind,
            "project": self.project,
            "subject": self.subject,
            "target": self.target,
            "outcome": self.outcome,
            "detail": self.detail,
        }


def addresses(own: Mapping[str, Any], others: Sequence[Mapping[str, Any]], timeout: float) -> list[Proof]:
    """``own`` and ``others``: with ``databases``, each ``host``, ``port`` and ``user``."""
    found = []
    for project in (own, *others):
        for database in project["databases"]:
            said = greeting.greet(database["host"], database["port"], database["user"], timeout)
            outcome = {greeting.ASKED: ACCEPTED, greeting.REFUSED: REFUSED}.get(said.outcome, UNKNOWN)
            name = "" if project is own else project["name"]
            target = f"{database['host']} port {database['port']}"
            found.append(Proof(ADDRESS, name, "the address of this host", target, outcome, said.detail))
    return found


def tokens(own: Mapping[str, Any], others: Sequence[Mapping[str, Any]], options: Mapping[str, Any]) -> list[Proof]:
    """``options``: with ``token``, ``api_url`` and ``api_keys`` (name -> key), each of which is tried."""
    found = []
    for project in (own, *others):
        name = "" if project is own else project["name"]
        if options["token"]:
            api = Api.management(options)
            path = f"/v1/projects/{project['project_ref']}"
            found.append(_tried(name, "the Management API's token", api, path))
        for key, value in sorted(options["api_keys"].items()):
            api = Api(project["url"], {"apikey": value, "Authorization": f"Bearer {value}"}, options)
            found.append(_tried(name, f"the key {key}", api, _KEY_PATH))
    return found


def _tried(project: str, subject: str, api: Api, path: str) -> Proof:
    answer = api.ask("GET", path)
    outcome = ACCEPTED if answer.is_well else REFUSED if answer.status in REFUSALS else UNKNOWN
    detail = f"status {answer.status}" if answer.status else answer.words
    return Proof(TOKEN, project, subject, f"{api.url}{path}", outcome, detail)
