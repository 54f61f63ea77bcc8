"""Two environments with a monitoring: production with everything that can be watched, and a staging that minds less."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring.watched import Host, Inventory, Watched

PRODUCTION: dict[str, Any] = {
    "thresholds": {"backup_hours": 26, "backup_buckets_hours": 26, "staging_data_days": 30},
    "receivers": [
        {"name": "on-call", "kind": "pagerduty", "secret": "pagerduty_key", "severities": ["page"]},
        {"name": "team", "kind": "slack", "secret": "slack_url", "channel": "#deploys"},
        {
            "name": "office",
            "kind": "email",
            "to": "ops@shop.example",
            "from": "alerts@shop.example",
            "smarthost": "mail.shop.example:587",
            "username": "alerts",
            "secret": "mail_password",
            "severities": ["ticket"],
        },
        {
            "name": "tickets",
            "kind": "webhook",
            "url": "https://tickets.example/hook",
            "secret": "hook_token",
            "severities": ["ticket"],
        },
    ],
    "urls": ["https://shop.example/api/health"],
    "database": True,
}
STAGING: dict[str, Any] = {
    "thresholds": {
        "availability_percent": 99,
        "latency_seconds": 5,
        "disk_free_percent": 5,
        "certificate_days": 3,
        "lease_minutes": 240,
    },
    "receivers": [{"name": "sink", "kind": "webhook", "url": "http://alerts.staging.example:9099/"}],
}
HOSTS = [
    Host("app-1", "10.0.0.1:8405", "10.0.0.1:443", "shop.example"),
    Host("app-2", "10.0.0.2:8405", "10.0.0.2:443", "shop.example"),
    Host("watch-1", "10.0.0.9:8405", "10.0.0.9:80"),
    Host("lb-1", "10.0.0.8:8405", "10.0.0.8:443", "shop.example", runs_stacks=False),
]
INVENTORY = Inventory(
    "production",
    HOSTS,
    ["watch-1"],
    ["https://shop.example/health"],
    {"requests_per_minute": 60, "requests_per_day": 1000, "money_per_day": 5.0, "money_per_month": 60.0},
)
OPTIONS = specifications.options("monitoring")


def production(given: Mapping[str, Any] = PRODUCTION, inventory: Inventory = INVENTORY) -> Watched:
    return Watched(given, OPTIONS, inventory)


def staging(given: Mapping[str, Any] = STAGING, inventory: Inventory = INVENTORY) -> Watched:
    return Watched(given, OPTIONS, replace(inventory, environment="staging", caps={}))
