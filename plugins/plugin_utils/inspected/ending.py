# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that end by themselves, or seem to: a deploy runs jobs once, and takes the end of others for a failure. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.compose import jobs
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.needed import Needed


def say(needed: Needed, services: Mapping[str, Mapping[str, Any]]) -> None:
    waiting, alone = jobs.waiting(services), []
    for name, service in services.items():
        if service.get("profiles"):
            continue
        if name in waiting:
            who = ", ".join(waiting[name])
            said = f"a job, because {who} waits for its end: it runs once for each release, on one host (stack.jobs)"
            needed.say(f"services.{name}", "given", said)
        elif service.get("restart") in ("no", False) or _restart_condition(service) == "none":
            alone.append(name)
    if alone:
        # The same for each, with lines that are written once.
        said = (
            "nobody waits for its end; when it ends by itself, it is a job, or a deploy takes that for a failure: write "
            f"stack.jobs: {{{', '.join(f'{name}: {{hosts: one}}' for name in alone)}}}"
        )
        for name in alone:
            needed.say(f"services.{name}.restart", "yours", said)


def _restart_condition(service: Mapping[str, Any]) -> str:
    deploy = service.get("deploy")
    policy = deploy.get("restart_policy") if isinstance(deploy, Mapping) else None
    return str(policy.get("condition")) if isinstance(policy, Mapping) else ""
