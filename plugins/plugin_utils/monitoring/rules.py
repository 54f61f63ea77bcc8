# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""When an alert fires: rules.yml of an environment's thresholds. Pure.

Errors and slowness are told by how fast they use up what the objective leaves (its budget) in thirty days, over a long window, so
that one bad minute wakes nobody up, and a short one, so that an alert ends soon after its cause.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring.watched import FASTEST, Watched

# How many times as fast as it may -> the long and the short window in which the budget is used up so. Of what cannot wait, and of
# what can.
_FAST = ((FASTEST, "1h", "5m"), (6.0, "6h", "30m"))
_SLOW = ((3.0, "1d", "2h"), (1.0, "3d", "6h"))
_EDGE = 'job="edge",service!=""'
# Of a service's three backends, the one whose servers are checked.
_CHECKED = f'{_EDGE},proxy!~".+[.](any|tunnels)"'
# Where nobody's data lie.
_NO_DISK = 'fstype!~"tmpfs|ramfs|devtmpfs|squashfs|nsfs|fuse.*"'
_DAY = 86400
# Limits of ml.limits -> what the books in the database say of them. What is counted by the minute stands in no book.
_BOOKS = {
    "money_per_day": 'ml_gateway_spent_money{period="day"}',
    "money_per_month": 'ml_gateway_spent_money{period="month"}',
    "requests_per_day": 'ml_gateway_spent_requests{period="day"}',
    "requests_per_month": 'ml_gateway_spent_requests{period="month"}',
}


@dataclass(frozen=True)
class Alert:
    """``lasts``: how long the expression must be true; ``runbook``: the command that comes next, without its inventory."""

    name: str
    expr: str
    lasts: str
    severity: str
    summary: str
    runbook: str

    def rule(self, inventory: str) -> dict[str, Any]:
        command = f"ansible-playbook {self.runbook.replace('<inventory>', inventory)}"
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.lasts,
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "runbook": command},
        }


STATUS = "playbooks/status.yml <inventory>"


def rules(watched: Watched) -> dict[str, Any]:
    """As rules.yml."""
    groups = {
        "users": [*_probed(watched), *_errors(watched.thresholds), *_slow(watched.thresholds), *_edge(watched.thresholds)],
        "hosts": _hosts(watched.thresholds),
        "deploys": _deploys(watched.thresholds),
        "database": [*_database(watched), *_spent(watched)],
        "monitoring": _own(),
    }
    found = [{"name": "records", "rules": [*_shares(), _is_slow(watched.thresholds)]}]
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
        f'(probe_ssl_earliest_cert_expiry{{job="probe"}} - time()) / {_DAY} < {days:g}',
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


def _hosts(thresholds: Mapping[str, Any]) -> Iterator[Alert]:
    free = f"node_filesystem_avail_bytes{{{_NO_DISK}}}"
    share = f"{free} / node_filesystem_size_bytes{{{_NO_DISK}}} * 100"
    disk = thresholds["disk_free_percent"]
    yield Alert(
        "HostAway", 'up{job="node"} == 0', "5m", "ticket", "The node exporter of {{ $labels.host }} does not answer", STATUS
    )
    yield Alert(
        "DiskFull",
        f"min by (host, device) ({share}) < {disk:g}",
        "5m",
        "page",
        "{{ $value | humanize }} % of {{ $labels.device }} on {{ $labels.host }} are free",
        STATUS,
    )
    yield Alert(
        "DiskFillsUp",
        f"min by (host, device) (predict_linear({free}[6h], {_DAY})) < 0"
        f" and min by (host, device) ({share}) < {min(4 * disk, 90):g}",
        "1h",
        "ticket",
        "{{ $labels.device }} on {{ $labels.host }} is full within a day if it goes on like this",
        STATUS,
    )
    yield Alert(
        "MemoryShort",
        f"node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes * 100 < {thresholds['memory_free_percent']:g}",
        "5m",
        "page",
        "{{ $value | humanize }} % of the memory of {{ $labels.host }} are free",
        STATUS,
    )
    yield Alert(
        "OutOfMemory",
        "increase(node_vmstat_oom_kill[10m]) > 0",
        "0m",
        "ticket",
        "The kernel of {{ $labels.host }} has killed a process that wanted more memory than there was",
        STATUS,
    )
    yield Alert(
        "CpuBusy",
        f'100 - 100 * avg by (host) (rate(node_cpu_seconds_total{{mode="idle"}}[5m])) > {thresholds["cpu_percent"]:g}',
        "15m",
        "ticket",
        "The processors of {{ $labels.host }} are busy for {{ $value | humanize }} % of the time",
        STATUS,
    )


def _deploys(thresholds: Mapping[str, Any]) -> Iterator[Alert]:
    yield Alert(
        "ReleaseDrift",
        "count by (stack) (count by (stack, release_id) (deploy_release_info)) > 1 unless on () deploy_lease_held_since_seconds",
        "15m",
        "ticket",
        "Hosts run {{ $value }} different releases of {{ $labels.stack }}, and no run is at work",
        STATUS,
    )
    minutes = thresholds["lease_minutes"]
    yield Alert(
        "LeaseHeld",
        f"(time() - max by (what) (deploy_lease_held_since_seconds)) / 60 > {minutes:g}",
        "1m",
        "ticket",
        "{{ $labels.what }} holds the lease for {{ $value | humanize }} minutes; no other run can begin",
        STATUS,
    )
    ended = "max by (kind, word, release) (deploy_run_timestamp_seconds"
    yield Alert(
        "RunEndedBadly",
        f'{ended}{{word=~"failed|mixed|interrupted"}}) >= scalar(max(deploy_run_timestamp_seconds))',
        "0m",
        "ticket",
        "The last run, {{ $labels.kind }} {{ $labels.release }}, ended with the word {{ $labels.word }}",
        STATUS,
    )
    ages = {
        "backup_hours": ("BackupOld", "backup_last_success_timestamp_seconds", 3600, "hours", "backup"),
        "staging_data_days": ("StagingDataOld", "staging_data_timestamp_seconds", _DAY, "days", "copy of the data for staging"),
    }
    for threshold, (name, metric, seconds, unit, what) in ages.items():
        if thresholds[threshold] is not None:
            yield Alert(
                name,
                f"(time() - max({metric})) / {seconds} > {thresholds[threshold]:g} or absent({metric})",
                "15m",
                "page" if name == "BackupOld" else "ticket",
                f"The last {what} is older than {thresholds[threshold]:g} {unit}, or none is told of",
                STATUS,
            )


def _database(watched: Watched) -> Iterator[Alert]:
    if not watched.given["database"]:
        return
    yield Alert(
        "DatabaseAway",
        'pg_up == 0 or up{job="postgres"} == 0',
        "2m",
        "page",
        f"{watched.at} does not reach the database",
        STATUS,
    )
    yield Alert(
        "DatabaseNearLimit",
        "sum(pg_stat_activity_count) / max(pg_settings_max_connections) * 100"
        f" > {watched.thresholds['database_connections_percent']:g}",
        "5m",
        "ticket",
        "{{ $value | humanize }} % of the connections that the database allows are open",
        STATUS,
    )


def _spent(watched: Watched) -> Iterator[Alert]:
    percent = watched.thresholds["ml_spend_percent"]
    caps = {limit: cap for limit, cap in watched.inventory.caps.items() if limit in _BOOKS}
    if not (watched.given["database"] and caps and percent):
        return
    shares = [f'label_replace({_BOOKS[limit]} / {cap:g} * 100, "limit", "{limit}", "", "")' for limit, cap in caps.items()]
    yield Alert(
        "MlSpendHigh",
        f"max by (limit) ({' or '.join(shares)}) > {percent:g}",
        "1m",
        "ticket",
        "{{ $value | humanize }} % of ml.limits.{{ $labels.limit }} are used",
        "playbooks/ml_mode.yml <inventory>",
    )


def _own() -> Iterator[Alert]:
    yield Alert(
        "MonitoringPartAway",
        'up{job!~"edge|node"} == 0',
        "5m",
        "ticket",
        "{{ $labels.job }} of the monitoring on {{ $labels.host }} does not answer",
        STATUS,
    )
