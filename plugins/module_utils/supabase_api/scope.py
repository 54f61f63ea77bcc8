# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a token of the Management API reaches beside the project that it is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.client import REFUSALS, Answer, Api


def too_wide(api: Api, project: str) -> list[str]:
    """Why the token is more than one for the project, as sentences. Raises DeployError when nobody knows."""
    own = {project, *(str(branch.get("project_ref")) for branch in _list(api, f"/v1/projects/{project}/branches"))}
    others = sorted({str(one.get("ref")) for one in _list(api, "/v1/projects")} - own)
    organizations = [str(one.get("slug")) for one in _list(api, "/v1/organizations")]
    found = []
    if others:
        found.append(f"it also reads the projects {', '.join(others)}")
    if organizations:
        found.append(f"it reads the account's organizations ({', '.join(organizations)})")
    return found


def mend(project: str) -> str:
    return (
        f"make an access token that is scoped to the project {project} alone, with the permissions of docs/supabase.md, "
        "put it into the environment's vault, and revoke this one"
    )


def _list(api: Api, path: str) -> list[Mapping[str, Any]]:
    answer: Answer = api.ask("GET", path)
    if answer.status in REFUSALS:
        return []
    if not answer.is_well or not isinstance(answer.body, list):
        raise DeployError(f"nobody knows what else the token reaches: GET {api.url}{path} {api.told(answer)}")
    return [one for one in answer.body if isinstance(one, Mapping)]
