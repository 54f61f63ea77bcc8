# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the filter audit_report does: judge what an audit has collected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import baseline
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets import fingerprints
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import finding, network
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import report as audit
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import secrets as audit_secrets
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import isolation


def audit_report(
    hosts: Mapping[str, Mapping[str, Any]],
    environment: str,
    stack: Mapping[str, Any],
    secrets: Mapping[str, Any] | None = None,
    secret_files: Mapping[str, Any] | None = None,
    fingerprints: str = "",
    other_fingerprints: Sequence[str] | None = None,
    shared_secrets: Sequence[str] = (),
    max_age_days: int = 180,
    max_age_days_by_name: Mapping[str, int] | None = None,
    allowed_ports: Sequence[Any] = (22, 80, 443),
    baselines: str = "",
    endpoints: Sequence[str] = (),
    supabase: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The filter of this name, whose documentation says what comes in and out."""
    ages = dict(max_age_days_by_name or {})
    problems = [*network.port_problems(allowed_ports), *_age_problems({"": max_age_days, **ages})]
    known: Mapping[str, Mapping[str, str]] = {}
    try:
        known = baseline.known(baselines) if baselines else {}
    except DeployError as exc:
        problems.append(str(exc))
    if problems:
        raise AnsibleFilterError("nothing was judged: " + "; ".join(problems))
    settings = finding.Settings(
        environment=environment,
        stack=str(stack["name"]),
        now=datetime.now(timezone.utc),  # noqa: UP017 - as the modules beside it, which run on Python 3.10
        allowed_ports=[str(port) for port in allowed_ports],
        secrets=_names(secrets, secret_files or {}) if secrets is not None else None,
        database=stack.get("database") or {},
        baselines=known,
        endpoints=endpoints,
        supabase=supabase or {},
    )
    recorded = _recorded(environment, fingerprints, other_fingerprints, shared_secrets)
    return audit.report(hosts, settings, recorded, audit_secrets.MaximumAge(int(max_age_days), ages))


def _names(secrets: Mapping[str, Any], files: Mapping[str, Any]) -> dict[str, list[str]]:
    """File below secrets/ -> names in it, as a release's manifest has them."""
    return {**{f"{name}.env": sorted(values) for name, values in secrets.items()}, **{str(name): [] for name in files}}


def _age_problems(ages: Mapping[str, Any]) -> list[str]:
    return [
        f"{f'audit_secret_max_age_days_by_name.{name}' if name else 'audit_secret_max_age_days'}: must be a number of days"
        for name, days in ages.items()
        if isinstance(days, bool) or not isinstance(days, int) or days < 1
    ]


def _recorded(environment: str, path: str, others: Sequence[str] | None, allowed: Sequence[str]) -> audit_secrets.Recorded:
    if not path:
        return audit_secrets.Recorded(None, trouble=["stack_fingerprints is not set, so secrets are not compared"])
    wanted = isolation.Comparison(environment, path, "", others, allowed)
    own, trouble = _read([Path(path)])
    theirs, more = _read(isolation.other_files(wanted))
    if own and own[0]["environment"] != environment:
        own, trouble = [], [f"{path} is of {own[0]['environment']}"]
    return audit_secrets.Recorded(own[0] if own else None, theirs, [*trouble, *more], allowed)


def _read(paths: Iterable[Path]) -> tuple[list[fingerprints.Fingerprints], list[str]]:
    found, trouble = [], []
    for path in paths:
        try:
            found.append(fingerprints.read(path))
        except DeployError as exc:
            trouble.append(str(exc))
    return found, trouble
