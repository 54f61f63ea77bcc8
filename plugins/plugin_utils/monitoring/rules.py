# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When an alert fires: rules.yml of an environment's thresholds, and in it what users see. Pure.

Errors and slowness are told by how fast they use up what the objective leaves (its budget) in thirty days, over a long window, so
that one bad minute wakes nobody up, and a short one, so that an alert ends soon after its cause.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring import backstage
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring.alert import STATUS, Alert
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring.watched import FASTEST, Watched

# How many times as fast as it may -> the long and the short window in which the budget is used up so. Of what cannot wait, and of
# what can.
_FAST = ((FASTEST, "1h", "5m"), (6.0, "6h", "30m"))
_SLOW = ((3.0, "1d", "2h"), (1.0, "3d", "6h"))
_EDGE = 'job="edge",service!=""'
# Of a service's three backends, the one whose servers are checked.
_CHECKED = f'{_EDGE},proxy!~".+[.](any|tunnels)"'


def rules(watched: Watched) -> dict[str, Any]:
    """As rules.yml."""
    groups = {
        "users": [*_probed(watched), *_errors(watched.thresholds), *_slow(watched.thresholds), *_edge(watched.thresholds)],
        "hosts": backstage.hosts(watched.thresholds),
        "deploys": backstage.deploys(watched.thresholds),
        "database": [*backstage.database(watched), *backstage.spent(watched), *backstage.provider(watched)],
        "monitoring": backstage.own(),
    }
    found = [{"name": "records", "rules": [*_shares(), _is_slow(watched.thresholds), *_caps(watched)]}]
    for name, alerts in groups.items():
        told = [alert.rule(watched.option) for alert in alerts]
        found += [{"name": name, "rules": told}] if told else []
    return {"groups": found}


def _shares() -> Iterator[dict[str, str]]:
    """Share of a service's requests, on all hosts, that were answered with 5xx."""
    for window in sorted({window for _, *windows in (*_FAST, *_SLOW) for window in windows}):
        bad = f'sum by (service) (rate(haproxy_backend_http_responses_total{{{_EDGE},code="5xx"}}[{window}]))'
        every = f"sum by (service) (rate(haproxy_backend_http_requests_total{{{_EDGE}}}[{window}]))"
        yield {"record": f"service:errors:ratio_rate{window}", "expr": f"{bad} / {every}"}


def _is_slow(thresholds: Mapping[str, Any]) -> dict[str, str]:
    """1 while a service that has requests answers slowly on one of its hosts, else 0. HAProxy tells averages alone."""
    average = f"haproxy_backend_response_time_average_seconds{{{_EDGE}}} > bool {thresholds['latency_seconds']:g}"
    asked = f"rate(haproxy_backend_http_requests_total{{{_EDGE}}}[5m]) > 0"
    return {"record": "service:slow:now", "expr": f"max by (service) (({average}) and ({asked}))"}


def _caps(watched: Watched) -> Iterator[dict[str, Any]]:
    """What ml.limits says, beside what is spent."""
    if watched.given["database"]:
        for limit, cap in watched.inventory.caps.items():
            yield {"record": "ml_gateway_cap", "expr": f"vector({cap:g})", "labels": {"limit": limit}}


def _burns(pattern: str, percent: float, speeds: tuple[tuple[float, str, str], ...]) -> str:
    """``pattern``: what is looked at, with a window in the place of {}."""
    budget = (100 - percent) / 100
    both = [
        f"({pattern.format(long)} > {speed * budget:.6g} and {pattern.format(short)} > {speed * budget:.6g})"
        for speed, long, short in speeds
    ]
    return " or ".join(both)


def _errors(thresholds: Mapping[str, Any]) -> Iterator[Alert]:
    percent, pattern = thresholds["availability_percent"], "service:errors:ratio_rate{}"
    what = "{{ $labels.service }} answers {{ $value | humanizePercentage }} of its requests with 5xx"
    yield Alert(
        "ErrorsFast",
        _burns(pattern, percent, _FAST),
        "2m",
        "page",
        f"{what}; the errors that {percent:g} % leave for a month are gone in days",
        "rollback.yml <inventory>",
    )
    yield Alert(
        "ErrorsSlow",
        _burns(pattern, percent, _SLOW),
        "15m",
        "ticket",
        f"{what}; more than {percent:g} % leave for a month",
        STATUS,
    )


def _slow(thresholds: Mapping[str, Any]) -> Iterator[Alert]:
    percent, pattern = thresholds["latency_percent"], "avg_over_time(service:slow:now[{}])"
    seconds, share = thresholds["latency_seconds"], "{{ $value | humanizePercentage }}"
    what = f"{{{{ $labels.service }}}} took longer than {seconds:g} s on average in {share} of"
    yield Alert("SlowFast", _burns(pattern, percent, _FAST), "2m", "page", f"{what} the last hours", STATUS)
    yield Alert("SlowLong", _burns(pattern, percent, _SLOW), "15m", "ticket", f"{what} the last days", STATUS)


def _probed(watched: Watched) -> Iterator[Alert]:
    yield Alert(
        "ApiDown",
        'probe_success{job="probe"} == 0',
        "2m",
        "page",
        f"{{{{ $labels.url }}}} does not answer {watched.at} as it should",
        STATUS,
    )
    days = watched.thresholds["certificate_days"]
    yield Alert(
        "CertificateEnds",
        f'(probe_ssl_earliest_cert_expiry{{job="probe"}} - time()) / 86400 < {days:g}',
        "10m",
        "ticket",
        "The certificate of {{ $labels.url }} ends in {{ $value | humanize }} days; put the next one into edge_certificate_paths",
        "playbooks/provision.yml <inventory> --tags edge",
    )


def _edge(thresholds: Mapping[str, Any]) -> Iterator[Alert]:
    yield Alert(
        "EdgeAway", 'up{job="edge"} == 0', "2m", "page", "The edge of {{ $labels.host }} does not tell its metrics", STATUS
    )
    yield Alert(
        "ServiceDown",
        f"sum by (host, service) (haproxy_backend_active_servers{{{_CHECKED}}}) == 0",
        "1m",
        "page",
        "{{ $labels.service }} has no replica on {{ $labels.host }} that passes its checks",
        STATUS,
    )
    share = "haproxy_process_current_connections / haproxy_process_max_connections * 100"
    yield Alert(
        "ConnectionsNearLimit",
        f"{share} > {thresholds['connections_percent']:g}",
        "5m",
        "ticket",
        "{{ $value | humanize }} % of the connections that the edge of {{ $labels.host }} may have are open",
        STATUS,
    )
