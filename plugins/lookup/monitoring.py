# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: monitoring
short_description: Make the files of an environment's monitoring, or say what is wrong with it
version_added: 0.1.0
description:
  - Reads the inventory's variable C(monitoring), the hosts of the groups C(app), C(lb) and C(monitoring), the stacks and the caps
    of C(ml.limits). Contacts nobody, and reads no secret.
  - C(variables) are those of the Compose file of C(stacks/monitoring). Where there are problems they hold nothing of use, since a
    deploy names these, with all others, before it contacts a host.
options: {}
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Show the rules of the environment
  ansible.builtin.debug:
    msg: "{{ lookup('morpheus.deploy.monitoring').variables.RULES_YML }}"
"""

RETURN = r"""
_raw:
  description: One entry. Each problem has its path.
  type: list
  elements: dict
  sample:
    - problems: []
      variables: {PROMETHEUS_YML: "global: {}", RULES_YML: "groups: []", ALERTMANAGER_YML: "", BLACKBOX_YML: "", CA_PEM: ""}
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.lookup import LookupBase
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring import files
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring.watched import GROUP, Host, Inventory, Watched
from ansible_collections.morpheus.deploy.plugins.plugin_utils.stacks.part import OF_ENVIRONMENT, PART

_METRICS = "127.0.0.1:8405"
_OF_HOST = ("edge_certificate_paths", "edge_https_port", "edge_http_port", "edge_metrics_address")


class LookupModule(LookupBase):  # type: ignore[misc]
    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        self._variables: Mapping[str, Any] = variables or {}
        raw = self._value(self._variables.get(GROUP))
        if raw is None:
            return [{"problems": [], "variables": {}}]
        watched = Watched(raw, specifications.options(GROUP), self._inventory())
        ca, problems = _ca(watched)
        made = files.refused() if problems else files.variables(watched, ca)
        return [{"problems": [*watched.problems, *problems], "variables": made}]

    def _inventory(self) -> Inventory:
        groups: Mapping[str, list[str]] = self._value(self._variables.get("groups")) or {}
        # A stack that runs on some hosts only is deployed by a run that knows no others in the group.
        running = self._mapping(self._variables.get(PART)).get(OF_ENVIRONMENT) or groups.get("app") or []
        names = dict.fromkeys([*running, *(groups.get("lb") or [])])
        return Inventory(
            str(self._value(self._variables.get("stack_environment")) or ""),
            [self._host(name, runs_stacks=name in running) for name in names],
            list(groups.get(GROUP) or []),
            list(self._urls()),
            self._caps(),
            dict(self._ages()),
        )

    def _host(self, name: str, *, runs_stacks: bool) -> Host:
        # playbooks/config.yml keeps other hosts' variables away, which may be secret: what one host says stands for all then.
        known = self._variables.get("hostvars")
        of_host = known[name] if known else {key: self._value(self._variables.get(key)) for key in _OF_HOST}
        address = str(of_host.get("ansible_host") or name)
        sites = [str(site) for site in of_host.get("edge_certificate_paths") or {}]
        port = (of_host.get("edge_https_port") or 443) if sites else (of_host.get("edge_http_port") or 80)
        metrics = str(of_host.get("edge_metrics_address") or _METRICS)
        return Host(name, metrics, f"{address}:{port}", sites[0] if sites else "", runs_stacks)

    def _urls(self) -> Iterator[str]:
        """Of every stack, and nothing else of it: a stack of the monitoring is made of this very lookup."""
        stacks = self._mapping(self._variables.get("stacks"))
        for stack in stacks.values() if stacks else [self._variables.get("stack")]:
            check = self._value(self._mapping(stack).get("public_check"))
            if isinstance(check, Mapping) and check.get("url"):
                yield str(check["url"])

    def _caps(self) -> dict[str, float]:
        """Nothing else of ml is read: beside them stands the provider's key."""
        limits = self._value(self._mapping(self._variables.get("ml")).get("limits"))
        return {
            str(name): float(cap)
            for name, cap in (limits.items() if isinstance(limits, Mapping) else ())
            if isinstance(cap, int | float) and not isinstance(cap, bool) and cap > 0
        }

    def _ages(self) -> Iterator[tuple[str, float]]:
        """Where backups are made and data are brought, how old they may become; defaults as of their roles."""
        for role, option, threshold in (
            ("backup", "max_age_hours", "backup_hours"),
            ("backup", "max_age_hours", "backup_buckets_hours"),
            ("staging_data", "max_age_days", "staging_data_days"),
        ):
            given = self._mapping(self._variables.get(role))
            if threshold == "backup_buckets_hours" and not self._value(given.get("buckets")):
                continue
            if given and self._value(given.get("does")) != "exports":
                default = specifications.options(role)[role]["options"][option]["default"]
                age = self._value(given.get(option, default))
                # What is no number is a problem of the role's own.
                yield threshold, float(age) if isinstance(age, int | float) and age > 0 else float(default)

    def _mapping(self, value: Any) -> Mapping[str, Any]:
        """With its values as they stand, so that those that nobody asks for are templated by nobody."""
        found = self._value(value) if isinstance(value, str) else value
        return found if isinstance(found, Mapping) else {}

    def _value(self, value: Any) -> Any:
        return self._templar.template(value)


def _ca(watched: Watched) -> tuple[str, list[str]]:
    path = watched.given.get("ca_path")
    if not path:
        return "", []
    try:
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError):
        return "", [f'{GROUP}.ca_path: "{path}" cannot be read on this machine']
    wrong = [] if "BEGIN CERTIFICATE" in text else [f'{GROUP}.ca_path: "{path}" holds no certificate (PEM)']
    return text, wrong
