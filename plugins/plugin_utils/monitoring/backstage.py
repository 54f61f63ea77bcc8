# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When somebody must know of what users do not see yet: hosts, deploys, the database and what ML endpoints cost. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring.alert import STATUS, Alert
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring.watched import Watched

# Where nobody's data lie.
_NO_DISK = 'fstype!~"tmpfs|ramfs|devtmpfs|squashfs|nsfs|fuse.*"'
_DAY = 86400
# So long the file with the engine's metrics may be unchanged (docker_engine/files/engine_metrics.py writes it every 15 s).
_SILENT_SECONDS = 120
# Of the calls of an ML endpoint.
_FAILING_PERCENT = 50
# Limits of ml.limits -> what the books in the database say of them. What is counted by the minute stands in no book.
_BOOKS = {
    "money_per_day": 'ml_gateway_spent_money{period="day"}',
    "money_per_month": 'ml_gateway_spent_money{period="month"}',
    "requests_per_day": 'ml_gateway_spent_requests{period="day"}',
    "requests_per_month": 'ml_gateway_spent_requests{period="month"}',
}


def hosts(thresholds: Mapping[str, Any]) -> Iterator[Alert]:
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
    # Told by who hands the engine's metrics on; where that is not wanted, nobody tells it.
    file = 'node_textfile_mtime_seconds{file=~".*/engine[.]prom"}'
    yield Alert(
        "EngineAway",
        f"min by (host) (engine_up) == 0 or max by (host) (time() - {file}) > {_SILENT_SECONDS}",
        "5m",
        "ticket",
        "The engine of {{ $labels.host }} tells nothing of itself; its containers may run on, but no deploy can change them",
        STATUS,
    )


def deploys(thresholds: Mapping[str, Any]) -> Iterator[Alert]:
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
        "backup_buckets_hours": ("BucketBackupOld", "backup_buckets_timestamp_seconds", 3600, "hours", "backup of buckets"),
        "staging_data_days": ("StagingDataOld", "staging_data_timestamp_seconds", _DAY, "days", "copy of the data for staging"),
    }
    for threshold, (name, metric, seconds, unit, what) in ages.items():
        if thresholds[threshold] is not None:
            yield Alert(
                name,
                f"(time() - max({metric})) / {seconds} > {thresholds[threshold]:g} or absent({metric})",
                "15m",
                "ticket" if name == "StagingDataOld" else "page",
                f"The last {what} is older than {thresholds[threshold]:g} {unit}, or none is told of",
                STATUS,
            )


def database(watched: Watched) -> Iterator[Alert]:
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


def spent(watched: Watched) -> Iterator[Alert]:
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


def provider(watched: Watched) -> Iterator[Alert]:
    """By the gateways' counts, which stand in the books, too."""
    if not (watched.given["database"] and watched.inventory.caps):
        return
    failed = 'sum by (endpoint) (increase(ml_gateway_refused_total{reason=~"provider_(unreachable|failed|refused_key)"}[10m]))'
    answered = "sum by (endpoint) (increase(ml_gateway_answered_total[10m]))"
    yield Alert(
        "MlProviderFails",
        f"{failed} / ({failed} + ({answered} or {failed} * 0)) * 100 > {_FAILING_PERCENT}",
        "5m",
        "ticket",
        "The provider fails {{ $value | humanize }} % of the calls of the ML endpoint {{ $labels.endpoint }}",
        "playbooks/ml_mode.yml <inventory>",
    )


def own() -> Iterator[Alert]:
    yield Alert(
        "MonitoringPartAway",
        'up{job!~"edge|node"} == 0',
        "5m",
        "ticket",
        "{{ $labels.job }} of the monitoring on {{ $labels.host }} does not answer",
        STATUS,
    )
