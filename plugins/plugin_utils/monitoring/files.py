# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the monitoring's stack as variables of its Compose file, which has them as the content of configs."""

from __future__ import annotations

import json
from typing import Any

import yaml
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring import receivers, rules, targets
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring.watched import Watched

_NAMES = ("PROMETHEUS_YML", "RULES_YML", "ALERTMANAGER_YML", "BLACKBOX_YML", "CA_PEM")


def variables(watched: Watched, ca: str = "") -> dict[str, str]:
    """``ca``: what stands in monitoring.ca_path."""
    if watched.problems:
        return refused()
    return {
        "PROMETHEUS_YML": _text(targets.prometheus(watched)),
        "RULES_YML": _text(rules.rules(watched)),
        "ALERTMANAGER_YML": _text(receivers.alertmanager(watched)),
        "BLACKBOX_YML": _text(targets.blackbox(watched)),
        # A config without content is refused by Compose.
        "CA_PEM": ca or "# monitoring.ca_path is not set, so a public authority has signed the certificates\n",
    }


def refused() -> dict[str, str]:
    """Where there are problems, which end every deploy: so that the Compose file does not seem to lack values, too."""
    return dict.fromkeys(_NAMES, "# monitoring has problems")


def _text(content: Any) -> str:
    # Texts of an inventory are strings of Ansible's own, which YAML would not write.
    plain = json.loads(json.dumps(content))
    return yaml.safe_dump(plain, sort_keys=False, width=4096)
