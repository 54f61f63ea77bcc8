"""For every alert of production: what makes it fire, what it says then, and what looks alike and makes nobody come.

Time begins at 0 for promtool, also that of time().
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

HOUR, DAY = 60, 24 * 60
# Seconds when promtool begins, which is at 0: an hour later more and less than 26 hours ago.
OLD, LAST_NIGHT = -26 * 3600, -20 * 3600
WEB = 'job="edge",host="app-1",proxy="shop.web",service="shop.web"'
ANY = WEB.replace('proxy="shop.web"', 'proxy="shop.web.any"')
TUNNELS = WEB.replace('proxy="shop.web"', 'proxy="shop.web.tunnels"')
REQUESTS = f"haproxy_backend_http_requests_total{{{WEB}}}"
ERRORS = f'haproxy_backend_http_responses_total{{{WEB},code="5xx"}}'
SLOWNESS = f"haproxy_backend_response_time_average_seconds{{{WEB}}}"
ONE_DISK = 'job="node",host="app-1",device="/dev/vda1",fstype="ext4",mountpoint="/metrics"'
FREE, SIZE = f"node_filesystem_avail_bytes{{{ONE_DISK}}}", f"node_filesystem_size_bytes{{{ONE_DISK}}}"
AVAILABLE, MEMORY = (
    'node_memory_MemAvailable_bytes{job="node",host="app-1"}',
    'node_memory_MemTotal_bytes{job="node",host="app-1"}',
)
PROBE = 'job="probe",url="https://shop.example/health"'
RELEASE = 'deploy_release_info{{job="node",host="{}",stack="shop",release="{}",release_id="{}-1f"}}'
LEASE = 'deploy_lease_held_since_seconds{job="node",host="app-1",environment="production",what="deploy 1.2.0"}'
RUN = 'deploy_run_timestamp_seconds{{job="node",host="{}",environment="production",kind="{}",word="{}",release="1.2.0"}}'

Series = Mapping[str, str]


@dataclass(frozen=True)
class Case:
    """``at``: minutes after which it is looked at; ``labels`` and ``value`` as the alert says them; ``silent``: what is none."""

    alert: str
    at: int
    fires: Series
    labels: Mapping[str, str]
    value: str = ""
    silent: Mapping[str, Series] = field(default_factory=dict)


def steady(value: float, minutes: int = 3 * DAY) -> str:
    return f"{value}+0x{minutes}"


def growing(by: float, minutes: int = 3 * DAY) -> str:
    return f"0+{by}x{minutes}"


CASES = [
    Case(
        "ApiDown",
        10,
        {f"probe_success{{{PROBE}}}": steady(0)},
        {"job": "probe", "url": "https://shop.example/health"},
        silent={
            "it answers": {f"probe_success{{{PROBE}}}": steady(1)},
            "one bad minute": {f"probe_success{{{PROBE}}}": "1x7 0 1x10"},
        },
    ),
    Case(
        "CertificateEnds",
        15,
        {f"probe_ssl_earliest_cert_expiry{{{PROBE}}}": steady(13 * 86400 + 15 * 60)},
        {"job": "probe", "url": "https://shop.example/health"},
        "13",
        {"it has two days more": {f"probe_ssl_earliest_cert_expiry{{{PROBE}}}": steady(15 * 86400)}},
    ),
    Case(
        "ErrorsFast",
        60,
        {REQUESTS: growing(600), ERRORS: growing(18)},
        {"service": "shop.web"},
        "3%",
        {
            "too few for that": {REQUESTS: growing(600), ERRORS: growing(2)},
            "they ended half an hour ago": {REQUESTS: growing(600), ERRORS: "0+60x20 1200x60"},
            "nobody asks": {REQUESTS: steady(600), ERRORS: steady(18)},
            "of a balancer, which counts them once more": {
                REQUESTS.replace('service="shop.web"', 'service=""'): growing(600),
                ERRORS.replace('service="shop.web"', 'service=""'): growing(18),
            },
        },
    ),
    Case(
        "ErrorsSlow",
        DAY,
        {REQUESTS: growing(600), ERRORS: growing(2.4)},
        {"service": "shop.web"},
        "0.4%",
        {"what a month allows": {REQUESTS: growing(600), ERRORS: growing(0.3)}},
    ),
    Case(
        "SlowFast",
        30,
        {REQUESTS: growing(600), SLOWNESS: steady(2)},
        {"service": "shop.web"},
        "100%",
        {
            "fast enough": {REQUESTS: growing(600), SLOWNESS: steady(0.9)},
            "the average of requests long ago": {REQUESTS: steady(600), SLOWNESS: steady(2)},
        },
    ),
    Case(
        "SlowLong",
        DAY,
        {REQUESTS: growing(600), SLOWNESS: steady(2)},
        {"service": "shop.web"},
        "100%",
        {"fast enough": {REQUESTS: growing(600), SLOWNESS: steady(0.9)}},
    ),
    Case(
        "EdgeAway",
        5,
        {'up{job="edge",host="app-1"}': steady(0)},
        {"job": "edge", "host": "app-1"},
        silent={"a reload": {'up{job="edge",host="app-1"}': "1x3 0 1x10"}},
    ),
    Case(
        "ServiceDown",
        5,
        # The backend that tries them all has no checks, so its servers are always up.
        {f"haproxy_backend_active_servers{{{WEB}}}": steady(0), f"haproxy_backend_active_servers{{{ANY}}}": steady(2)},
        {"host": "app-1", "service": "shop.web"},
        silent={
            "one is left": {f"haproxy_backend_active_servers{{{WEB}}}": steady(1)},
            "no tunnel is open": {
                f"haproxy_backend_active_servers{{{WEB}}}": steady(1),
                f"haproxy_backend_active_servers{{{TUNNELS}}}": steady(0),
            },
        },
    ),
    Case(
        "ConnectionsNearLimit",
        10,
        {
            'haproxy_process_current_connections{job="edge",host="app-1"}': steady(7200),
            'haproxy_process_max_connections{job="edge",host="app-1"}': steady(8000),
        },
        {"job": "edge", "host": "app-1"},
        "90",
        {
            "half of them": {
                'haproxy_process_current_connections{job="edge",host="app-1"}': steady(4000),
                'haproxy_process_max_connections{job="edge",host="app-1"}': steady(8000),
            }
        },
    ),
    Case(
        "HostAway",
        10,
        {'up{job="node",host="app-1"}': steady(0)},
        {"job": "node", "host": "app-1"},
        silent={"a reboot": {'up{job="node",host="app-1"}': "1x3 0x3 1x10"}},
    ),
    Case(
        "DiskFull",
        10,
        {FREE: steady(8), SIZE: steady(100)},
        {"host": "app-1", "device": "/dev/vda1"},
        "8",
        {
            "room enough": {FREE: steady(12), SIZE: steady(100)},
            "a disk in memory": {
                FREE.replace("ext4", "tmpfs"): steady(1),
                SIZE.replace("ext4", "tmpfs"): steady(100),
            },
        },
    ),
    Case(
        "DiskFillsUp",
        8 * HOUR,
        {FREE: "100-0.15x600", SIZE: steady(100)},
        {"host": "app-1", "device": "/dev/vda1"},
        silent={
            "slowly": {FREE: "35-0.001x600", SIZE: steady(100)},
            "an image was pulled": {FREE: "90x300 60x300", SIZE: steady(100)},
        },
    ),
    Case(
        "MemoryShort",
        10,
        {AVAILABLE: steady(4), MEMORY: steady(100)},
        {"job": "node", "host": "app-1"},
        "4",
        {"enough": {AVAILABLE: steady(6), MEMORY: steady(100)}},
    ),
    Case(
        "OutOfMemory",
        10,
        {'node_vmstat_oom_kill{job="node",host="app-1"}': "3x5 4x10"},
        {"job": "node", "host": "app-1"},
        silent={"long ago": {'node_vmstat_oom_kill{job="node",host="app-1"}': steady(3)}},
    ),
    Case(
        "CpuBusy",
        30,
        {'node_cpu_seconds_total{job="node",host="app-1",cpu="0",mode="idle"}': growing(3)},
        {"host": "app-1"},
        "95",
        {
            "busy, and not too much": {'node_cpu_seconds_total{job="node",host="app-1",cpu="0",mode="idle"}': growing(12)},
            "one of four": {
                f'node_cpu_seconds_total{{job="node",host="app-1",cpu="{number}",mode="idle"}}': growing(60 if number else 0)
                for number in range(4)
            },
        },
    ),
    Case(
        "ReleaseDrift",
        30,
        {
            RELEASE.format("app-1", "1.1.0", "1.1.0"): steady(1),
            RELEASE.format("app-2", "1.1.0", "1.1.0"): steady(1),
            RELEASE.format("app-3", "1.2.0", "1.2.0"): steady(1),
        },
        {"stack": "shop"},
        "2",
        {
            "one release": {RELEASE.format(host, "1.1.0", "1.1.0"): steady(1) for host in ("app-1", "app-2")},
            "a deploy is at work": {
                RELEASE.format("app-1", "1.1.0", "1.1.0"): steady(1),
                RELEASE.format("app-2", "1.2.0", "1.2.0"): steady(1),
                LEASE: steady(0),
            },
        },
    ),
    Case(
        "LeaseHeld",
        62,
        {LEASE: steady(0), LEASE.replace("app-1", "app-2"): steady(0)},
        {"what": "deploy 1.2.0"},
        "62",
        {
            "a deploy of half an hour": {LEASE: steady(32 * 60)},
            "given back": {LEASE: "0x30"},
        },
    ),
    Case(
        "RunEndedBadly",
        90,
        {
            RUN.format("app-1", "deploy", "deployed"): steady(1000),
            RUN.format("app-1", "deploy", "failed"): steady(2000),
            RUN.format("app-2", "deploy", "failed"): steady(2000),
        },
        {"kind": "deploy", "word": "failed", "release": "1.2.0"},
        silent={
            "a good one came after it": {
                RUN.format("app-1", "deploy", "failed"): steady(2000),
                RUN.format("app-1", "deploy", "deployed"): steady(3000),
            }
        },
    ),
    Case(
        "BackupOld",
        60,
        {'backup_last_success_timestamp_seconds{job="node",host="app-1"}': steady(OLD)},
        {},
        silent={"last night": {'backup_last_success_timestamp_seconds{job="node",host="app-1"}': steady(LAST_NIGHT)}},
    ),
    Case(
        "BucketBackupOld",
        60,
        {
            'backup_buckets_timestamp_seconds{job="node",host="app-1"}': steady(OLD),
            'backup_last_success_timestamp_seconds{job="node",host="app-1"}': steady(LAST_NIGHT),
        },
        {},
        silent={
            "that of the database alone is old": {
                'backup_buckets_timestamp_seconds{job="node",host="app-1"}': steady(LAST_NIGHT),
                'backup_last_success_timestamp_seconds{job="node",host="app-1"}': steady(OLD),
            },
        },
    ),
    Case(
        "StagingDataOld",
        60,
        {'up{job="node",host="app-1"}': steady(1)},
        {},
        silent={"fresh": {'staging_data_timestamp_seconds{job="node",host="app-1"}': steady(0)}},
    ),
    Case(
        "DatabaseAway",
        5,
        {'pg_up{job="postgres",host="watch-1"}': steady(0)},
        {"job": "postgres", "host": "watch-1"},
        silent={"it answers": {'pg_up{job="postgres",host="watch-1"}': steady(1)}},
    ),
    Case(
        "DatabaseNearLimit",
        10,
        {
            'pg_stat_activity_count{job="postgres",state="active"}': steady(50),
            'pg_stat_activity_count{job="postgres",state="idle"}': steady(40),
            'pg_settings_max_connections{job="postgres"}': steady(100),
        },
        {},
        "90",
        {
            "half of them": {
                'pg_stat_activity_count{job="postgres",state="idle"}': steady(50),
                'pg_settings_max_connections{job="postgres"}': steady(100),
            }
        },
    ),
    Case(
        "MlSpendHigh",
        5,
        {
            'ml_gateway_spent_money{job="postgres",period="day"}': steady(4.5),
            'ml_gateway_spent_money{job="postgres",period="month"}': steady(20),
        },
        {"limit": "money_per_day"},
        "90",
        {
            "a day like others": {
                'ml_gateway_spent_money{job="postgres",period="day"}': steady(2),
                'ml_gateway_spent_money{job="postgres",period="month"}': steady(20),
            }
        },
    ),
    Case(
        "MlProviderFails",
        20,
        {
            'ml_gateway_refused_total{job="postgres",endpoint="comic",reason="provider_failed"}': growing(9),
            'ml_gateway_answered_total{job="postgres",endpoint="comic",provider="runpod"}': growing(3),
        },
        {"endpoint": "comic"},
        "75",
        {
            "one of ten": {
                'ml_gateway_refused_total{job="postgres",endpoint="comic",reason="provider_failed"}': growing(1),
                'ml_gateway_answered_total{job="postgres",endpoint="comic",provider="runpod"}': growing(9),
            },
            "a limit that is reached": {
                'ml_gateway_refused_total{job="postgres",endpoint="comic",reason="requests_per_minute"}': growing(9),
                'ml_gateway_answered_total{job="postgres",endpoint="comic",provider="runpod"}': growing(3),
            },
            "nobody asks": {
                'ml_gateway_refused_total{job="postgres",endpoint="comic",reason="provider_failed"}': steady(9),
                'ml_gateway_answered_total{job="postgres",endpoint="comic",provider="runpod"}': steady(3),
            },
        },
    ),
    Case(
        "EngineAway",
        10,
        {'engine_up{job="node",host="app-1"}': steady(0)},
        {"host": "app-1"},
        silent={
            "it answers": {'engine_up{job="node",host="app-1"}': steady(1)},
            "it is restarted": {'engine_up{job="node",host="app-1"}': "1x5 0x2 1x10"},
            "another file is old": {
                'engine_up{job="node",host="app-1"}': steady(1),
                'node_textfile_mtime_seconds{job="node",host="app-1",file="/metrics/backup.prom"}': steady(-86400),
            },
        },
    ),
    Case(
        "EngineAway",
        10,
        {
            'engine_up{job="node",host="app-1"}': steady(1),
            'node_textfile_mtime_seconds{job="node",host="app-1",file="/metrics/engine.prom"}': steady(60),
        },
        {"host": "app-1"},
        silent={
            "it is written all the time": {
                'engine_up{job="node",host="app-1"}': steady(1),
                'node_textfile_mtime_seconds{job="node",host="app-1",file="/metrics/engine.prom"}': growing(60),
            }
        },
    ),
    Case(
        "MonitoringPartAway",
        10,
        {'up{job="blackbox",host="watch-1"}': steady(0)},
        {"job": "blackbox", "host": "watch-1"},
        silent={"it is replaced": {'up{job="blackbox",host="watch-1"}': "1x3 0x2 1x10"}},
    ),
]
