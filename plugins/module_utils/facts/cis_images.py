# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image, held against the benchmark: ``docker inspect`` and ``docker history``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.facts.cis_controls import ROOT_USERS, Finding, Found, findings

_SECRET_NAME = re.compile(r"(?i)(?:^|_)(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|CREDENTIALS?)(?:_|$)")
_ASSIGNMENT = re.compile(r"(?:^|[\s|])([A-Za-z_][A-Za-z0-9_]*)=(?=\S)")
_ADD = re.compile(r"(?:^|#\(nop\)\s+)ADD\s+(?P<sources>.+?)\s+(?:in\s+)?(?P<target>\S+)(?:\s+# buildkit)?\s*$")


def image_findings(inspect: Mapping[str, Any], history: Sequence[Mapping[str, Any]] = ()) -> list[Finding]:
    """What section 4 says against an image. ``history``: what the engine answers for /images/<name>/history, for 4.9 and 4.10."""
    subject = str(next(iter(inspect.get("RepoTags") or inspect.get("RepoDigests") or []), inspect.get("Id", "")))
    config = inspect.get("Config") or {}
    steps = [str(entry.get("CreatedBy") or "") for entry in history]
    found = [*_image_user(config), *_image_health(config), *_added(steps), *_baked(config, steps)]
    return findings(subject, found)


def _image_user(config: Mapping[str, Any]) -> list[Found]:
    if str(config.get("User") or "").partition(":")[0] not in ROOT_USERS:
        return []
    return [("4.1", "runs as root unless told otherwise", "end its Dockerfile with a numeric USER")]


def _image_health(config: Mapping[str, Any]) -> list[Found]:
    if (config.get("Healthcheck") or {}).get("Test") not in (None, [], ["NONE"]):
        return []
    return [("4.6", "has no HEALTHCHECK", "add one, or set healthcheck in the Compose file (5.27)")]


def _added(steps: Sequence[str]) -> list[Found]:
    """An archive that is unpacked into / is the root file system itself, which COPY cannot do."""
    found: list[Found] = []
    for match in filter(None, map(_ADD.search, steps)):
        if match["target"] != "/":
            mend = "use COPY; fetch what is remote in RUN, with its checksum"
            found.append(("4.9", f"was built with ADD {match['sources'][:60]}", mend))
    return found


def _baked(config: Mapping[str, Any], steps: Sequence[str]) -> list[Found]:
    variables = {str(entry).partition("=")[0] for entry in config.get("Env") or [] if str(entry).partition("=")[2]}
    assigned = {name for step in steps for name in _ASSIGNMENT.findall(step)}
    names = sorted(name for name in variables | assigned if _SECRET_NAME.search(name))
    mend = "give it at run time (stack_secrets), or at build time with RUN --mount=type=secret; and replace the value"
    return [("4.10", f"holds a value for {name}", mend) for name in names]
