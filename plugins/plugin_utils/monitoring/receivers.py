# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is told of which alert, as alertmanager.yml. Pure. What opens a receiver is read from a file by Alertmanager itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import SECRETS_IN_CONTAINER
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring.watched import SEVERITIES, Watched

# Alert -> those that it explains, where both have the same of these labels: only the first is told.
EXPLAINS = [
    ("EdgeAway", ".+", ["host"]),
    ("ErrorsFast", "ErrorsSlow", ["service"]),
    ("SlowFast", "SlowLong", ["service"]),
    ("ServiceDown", "ErrorsFast", ["service"]),
]
_TITLE = "[{{ .CommonLabels.environment }}] {{ .CommonLabels.alertname }} ({{ .Status }}, {{ .CommonLabels.severity }})"
_TEXT = "{{ range .Alerts }}{{ .Annotations.summary }}\n{{ .Annotations.runbook }}\n{{ end }}"


def alertmanager(watched: Watched) -> dict[str, Any]:
    receivers = watched.receivers
    return {
        "route": {
            # Of an alert that somebody else has written, too.
            "receiver": receivers[0]["name"],
            "group_by": ["alertname", "environment"],
            "group_wait": "10s",
            "group_interval": "1m",
            "repeat_interval": f"{round(watched.given['repeat_hours'] * 60)}m",
            "routes": [
                {
                    "receiver": receiver["name"],
                    "matchers": [f'severity=~"{"|".join(one for one in SEVERITIES if one in receiver["severities"])}"'],
                    "continue": True,
                }
                for receiver in receivers
            ],
        },
        "inhibit_rules": [
            {
                "source_matchers": [f'alertname="{source}"'],
                "target_matchers": [f'alertname=~"{targets}"', f'alertname!="{source}"'],
                "equal": labels,
            }
            for source, targets, labels in EXPLAINS
        ],
        "receivers": [
            {"name": receiver["name"], f"{receiver['kind']}_configs": [_KINDS[receiver["kind"]](receiver)]}
            for receiver in receivers
        ],
    }


def _file(receiver: Mapping[str, Any]) -> str:
    return f"{SECRETS_IN_CONTAINER}{receiver['secret']}"


def _webhook(receiver: Mapping[str, Any]) -> dict[str, Any]:
    opened = {"http_config": {"authorization": {"credentials_file": _file(receiver)}}} if receiver["secret"] else {}
    return {"url": receiver["url"], "send_resolved": True, **opened}


def _slack(receiver: Mapping[str, Any]) -> dict[str, Any]:
    channel = {"channel": receiver["channel"]} if receiver["channel"] else {}
    return {"api_url_file": _file(receiver), **channel, "send_resolved": True, "title": _TITLE, "text": _TEXT}


def _email(receiver: Mapping[str, Any]) -> dict[str, Any]:
    login = {"auth_username": receiver["username"], "auth_password_file": _file(receiver)} if receiver["username"] else {}
    return {
        "to": receiver["to"],
        "from": receiver["from"],
        "smarthost": receiver["smarthost"],
        **login,
        "send_resolved": True,
        "headers": {"Subject": _TITLE},
        "text": _TEXT,
        "html": "",
    }


def _pagerduty(receiver: Mapping[str, Any]) -> dict[str, Any]:
    return {"routing_key_file": _file(receiver), "send_resolved": True, "description": _TITLE}


_KINDS = {"webhook": _webhook, "slack": _slack, "email": _email, "pagerduty": _pagerduty}
