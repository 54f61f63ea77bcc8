# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom Prometheus asks, and how the blackbox exporter asks in its place. Pure.

Every target has a label ``host``, the inventory's name, because addresses say nothing to people.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring.watched import Host, Watched

DIRECTORY = "/etc/prometheus"
RULES = f"{DIRECTORY}/rules.yml"
CA = f"{DIRECTORY}/ca.pem"
BLACKBOX_CA = "/etc/blackbox_exporter/ca.pem"
# The route of node-exporter at the edge of each host, which stacks/monitoring/compose.hosts.yml brings.
NODE_PATH = "/-/metrics/node/metrics"
# Services of the monitoring's own stack, by which Compose lets them find each other.
PROMETHEUS, ALERTMANAGER, BLACKBOX = "localhost:9090", "alertmanager:9093", "blackbox:9115"
NODE, POSTGRES = "node-exporter:9100", "postgres-exporter:9187"
MODULE = "http_2xx"
# <stack>.<service>, as HAProxy calls a backend; two more have the same servers (edge/haproxy.py). A balancer has no services.
_SERVICE = "(.+?[.].+?)(?:[.](?:any|tunnels))?"
_BALANCER = "upstreams.*"


def prometheus(watched: Watched) -> dict[str, Any]:
    """As prometheus.yml."""
    seconds = watched.given["scrape_seconds"]
    own = {"prometheus": PROMETHEUS, "alertmanager": ALERTMANAGER, "blackbox": BLACKBOX}
    if watched.given["database"]:
        own["postgres"] = POSTGRES
    return {
        "global": {
            "scrape_interval": f"{seconds}s",
            "scrape_timeout": f"{min(seconds, 10)}s",
            "evaluation_interval": f"{seconds}s",
            "external_labels": {"environment": watched.inventory.environment},
        },
        "rule_files": [RULES],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [ALERTMANAGER]}]}]},
        "scrape_configs": [
            _edges(watched),
            *_nodes(watched),
            _probes(watched),
            *({"job_name": job, "static_configs": [_target(address, watched.at)]} for job, address in own.items()),
        ],
    }


def blackbox(watched: Watched) -> dict[str, Any]:
    """As blackbox.yml."""
    http: dict[str, Any] = {"preferred_ip_protocol": "ip4", "ip_protocol_fallback": True}
    if watched.given["ca_path"]:
        http["tls_config"] = {"ca_file": BLACKBOX_CA}
    return {"modules": {MODULE: {"prober": "http", "timeout": "9s", "http": http}}}


def _target(address: str, host: str, **labels: str) -> dict[str, Any]:
    return {"targets": [address], "labels": {"host": host, **labels}}


def _edges(watched: Watched) -> dict[str, Any]:
    return {
        "job_name": "edge",
        "static_configs": [_target(host.metrics, host.name) for host in watched.inventory.hosts],
        "metric_relabel_configs": [
            # Of each replica, and there are many slots; nothing here reads them.
            {"source_labels": ["__name__"], "regex": "haproxy_server_.*", "action": "drop"},
            {"source_labels": ["proxy"], "regex": _SERVICE, "target_label": "service", "replacement": "$1"},
            {"source_labels": ["proxy"], "regex": _BALANCER, "target_label": "service", "replacement": ""},
        ],
    }


def _nodes(watched: Watched) -> Iterator[dict[str, Any]]:
    """The monitoring's own host is asked beside its edge: its edge would have to let all containers of that host in."""
    hosts = [host for host in watched.inventory.hosts if host.runs_stacks and host.name != watched.at]
    own = _target(NODE, watched.at)
    yield {"job_name": "node", "static_configs": [own, *(_node(host) for host in hosts if not host.site)]}
    # The name that a certificate must carry is said once for a whole job.
    for number, site in enumerate(sorted({host.site for host in hosts if host.site}), 1):
        tls = {"server_name": site, **({"ca_file": CA} if watched.given["ca_path"] else {})}
        targets = [_node(host) for host in hosts if host.site == site]
        yield {"job_name": f"node-{number}", "scheme": "https", "tls_config": tls, "static_configs": targets}


def _node(host: Host) -> dict[str, Any]:
    return _target(host.edge, host.name, job="node", __metrics_path__=NODE_PATH)


def _probes(watched: Watched) -> dict[str, Any]:
    return {
        "job_name": "probe",
        "metrics_path": "/probe",
        "params": {"module": [MODULE]},
        "static_configs": [{"targets": watched.urls}],
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"source_labels": ["__param_target"], "target_label": "url"},
            {"target_label": "instance", "replacement": BLACKBOX},
            {"target_label": "__address__", "replacement": BLACKBOX},
        ],
    }
