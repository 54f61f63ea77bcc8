"""What really happens to a watched host so that each alert fires, and what ends it. No metric is written for one.

docs/monitoring.md has it as a table: `python -m tests.monitoring.conditions` writes that anew.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [one for one in (str(ROOT / "collections"), str(ROOT)) if one not in sys.path]

import psycopg2  # type: ignore[import-untyped]
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import news, record
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.held import Claim
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.lease import Lease

from tests.hangs import HANGS_AFTER_SECONDS
from tests.monitoring import busy
from tests.monitoring.watching import await_
from tests.monitoring.world import CONNECTIONS, Prometheus, certificate, run_ended, went_live

Happens = Callable[[Prometheus], AbstractContextManager[None]]
# Of both limits, of the edge and of the database, 80 % are too many.
_TOO_MANY = 85
# How long the killed run has the lease before the next one may take it over.
_LEASE_SECONDS = 2.0
# In place of the device that a host has got.
DISK = "its small disk"
DOCUMENT = ROOT / "docs" / "monitoring.md"
_BEGIN, _END = "<!-- What happens to each alert in tests: tests/monitoring/conditions.py -->\n", "<!-- End of it. -->\n"


@dataclass(frozen=True)
class Condition:
    """``what`` has happened, and what ends it (``over``: empty where that takes the minutes or days that its rule looks back).

    ``meanwhile``: what goes on while the alert is awaited, and while its end is. ``job``: who tells what the rule looks at; while
    it cannot be asked nothing fires, and that is no end. ``already``: it has happened when the host is made. ``told``: false
    where Alertmanager keeps the alert back, because another one explains it. ``alone``: this machine becomes short of something,
    so its host is one of its own. ``deep``: CI leaves it out.
    """

    alert: str
    what: str
    over: str = ""
    happens: Happens = lambda _: nullcontext()
    labels: dict[str, str] = field(default_factory=dict)
    meanwhile: Callable[[Prometheus], object] = lambda _: None
    job: str = "node"
    already: bool = False
    told: bool = True
    alone: bool = False
    deep: bool = False


def killed(part: str) -> Happens:
    return lambda host: host.parts[part].gone()


@contextmanager
def connected(host: Prometheus) -> Iterator[None]:
    """Users who have said nothing yet."""
    with ExitStack() as stack:
        for _ in range(_TOO_MANY):
            stack.enter_context(closing(socket.create_connection(("127.0.0.1", host.http_port))))
        yield


def _session(host: Prometheus, database: str = "postgres") -> psycopg2.extensions.connection:
    found = psycopg2.connect(host="127.0.0.1", port=host.database_port, user="watch", dbname=database)
    found.autocommit = True
    return found


@contextmanager
def many_sessions(host: Prometheus) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(_TOO_MANY):
            stack.enter_context(closing(_session(host)))
        yield


@contextmanager
def cut_off(host: Prometheus) -> Iterator[None]:
    """The database lets nobody in, and whoever is in goes."""
    with closing(_session(host, "template1")) as connection, connection.cursor() as cursor:
        cursor.execute("alter database postgres allow_connections false")
        cursor.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'postgres'")
        try:
            yield
        finally:
            cursor.execute("alter database postgres allow_connections true")


@contextmanager
def a_run_is_killed(host: Prometheus) -> Iterator[None]:
    """It has taken the lease. The next run takes it over once it has expired, and gives it back."""
    lease = Lease("production", host.root)
    code = (
        "import sys, time; from pathlib import Path; sys.path[:0] = sys.argv[3:]\n"
        "from ansible_collections.morpheus.deploy.plugins.module_utils.lease.held import Claim\n"
        "from ansible_collections.morpheus.deploy.plugins.module_utils.lease.lease import Lease\n"
        "Lease('production', Path(sys.argv[1])).acquire(Claim('anna@laptop', 'deploy 1.3.0', 'killed', float(sys.argv[2])))\n"
        "print(flush=True); sys.stdin.read()\n"
    )
    arguments = [sys.executable, "-c", code, str(host.root), str(_LEASE_SECONDS), *sys.path]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"\n"
        process.send_signal(signal.SIGKILL)
    yield
    taken = lease.acquire(Claim("ben@laptop", "deploy 1.3.1", "next"), wait_seconds=HANGS_AFTER_SECONDS)
    assert (taken.taken_over or {})["reason"] == "deploy 1.3.0"
    assert lease.release(taken.token)


@contextmanager
def another_release(host: Prometheus) -> Iterator[None]:
    went_live(host.other_root, "1.2.0")
    yield
    went_live(host.other_root, "1.1.0")


@contextmanager
def until_a_good_run(host: Prometheus) -> Iterator[None]:
    """That the last one has failed belongs to the past of the host."""
    yield
    run_ended(host.root, "deploy 1.2.0", "deployed", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))


@contextmanager
def until_it_is_told(kind: str, host: Prometheus) -> Iterator[None]:
    yield
    news.News(host.root).tell(kind, {"at": record.said(time.time()), "name": "last-night"})


@contextmanager
def until_it_has_another_certificate(host: Prometheus) -> Iterator[None]:
    yield
    with host.parts["edge"].gone():
        certificate(host.root.parent, 60)


@contextmanager
def out_of_memory(host: Prometheus) -> Iterator[None]:
    """Once Prometheus knows how often that was before."""
    await_("the count", lambda: host.ask('node_vmstat_oom_kill{host="watch-1"}'))
    with busy.killed_for_memory():
        yield


def _filled(percent: float) -> Happens:
    return lambda host: host.disk.filled(percent)


def from_the_beginning(alert: str, what: str, **labels: str) -> Condition:
    return Condition(alert, what, labels=labels, already=True)


# In this order, because what a host was made with is there from the beginning.
CONDITIONS = [
    from_the_beginning("ErrorsFast", "HAProxy answers a tenth of the requests for a service with 503", service="shop.web"),
    from_the_beginning("ErrorsSlow", "HAProxy answers one of 300 requests for a service with 503", service="shop.few"),
    from_the_beginning("SlowFast", "a service answers half a second late, which is too late there", service="shop.slow"),
    replace(from_the_beginning("SlowLong", "the same; `SlowFast` keeps it back", service="shop.slow"), told=False),
    replace(
        from_the_beginning("CertificateEnds", "the certificate that HAProxy shows ends in ten days"),
        over="HAProxy is started with one of two months",
        happens=until_it_has_another_certificate,
        job="probe",
    ),
    replace(
        from_the_beginning("RunEndedBadly", "the last run has failed, and written that when it gave the lease back"),
        over="a good run ends",
        happens=until_a_good_run,
    ),
    replace(
        from_the_beginning("BackupOld", "there is no backup"),
        over="a backup is told of",
        happens=partial(until_it_is_told, news.BACKUP),
    ),
    replace(
        from_the_beginning("BucketBackupOld", "there is no backup of buckets"),
        over="one is told of",
        happens=partial(until_it_is_told, news.BUCKETS),
    ),
    replace(
        from_the_beginning("StagingDataOld", "there are no data for staging"),
        over="an import is told of",
        happens=partial(until_it_is_told, news.STAGING_DATA),
    ),
    Condition(
        "LeaseHeld",
        "a run takes the lease and is killed",
        "the next run takes it over and gives it back",
        a_run_is_killed,
        {"what": "deploy 1.3.0"},
    ),
    Condition(
        "ReleaseDrift",
        "another release goes live on one of two hosts",
        "the same one goes live there",
        another_release,
        {"stack": "shop"},
    ),
    Condition(
        "ConnectionsNearLimit",
        f"{_TOO_MANY} users connect to an edge that lets {CONNECTIONS} in",
        "they go",
        connected,
        {"host": "watch-1"},
        job="edge",
    ),
    Condition(
        "DatabaseNearLimit",
        f"{_TOO_MANY} sessions are open of {CONNECTIONS} that Postgres allows",
        "they end",
        many_sessions,
        job="postgres",
        deep=True,
    ),
    Condition(
        "MlSpendHigh",
        "the ML gateway begins a job that may cost 4.61 of 5",
        "the job is cancelled",
        lambda host: host.gateway.a_job_of_an_hour(),
        {"limit": "money_per_day"},
        job="postgres",
    ),
    Condition(
        "MlProviderFails",
        "the ML provider is killed while the gateway has calls for it",
        "it is back and answers calls",
        lambda host: host.gateway.provider.gone(),
        {"endpoint": "comic"},
        meanwhile=lambda host: host.gateway.call(),
        job="postgres",
    ),
    Condition("DiskFillsUp", "two thirds of a disk are written within a second", happens=_filled(65), labels={"device": DISK}),
    Condition(
        "DiskFull",
        "a disk is written until the kernel refuses another byte",
        "the file is removed",
        _filled(100),
        {"device": DISK},
    ),
    Condition(
        "ServiceDown",
        "the last replica of a service is killed",
        "it is back",
        killed("replica"),
        {"service": "shop.ml", "host": "watch-1"},
        job="edge",
    ),
    Condition(
        "ApiDown", "what serves the address is killed, and the edge answers 503", "it is back", killed("application"), job="probe"
    ),
    Condition("DatabaseAway", "the database cuts every session and lets nobody in", "it lets them in", cut_off, job="postgres"),
    Condition(
        "EngineAway",
        "what stands in for the engine is killed; the program that hands on what it tells is the real one",
        "it is back",
        killed("engine"),
        {"host": "watch-1"},
    ),
    Condition("HostAway", "a node exporter is killed", "it is back", killed("node exporter"), {"host": "watch-1"}),
    Condition("EdgeAway", "the HAProxy of a host is killed", "it is back", killed("other edge"), {"host": "app-2"}, job="edge"),
    Condition(
        "MonitoringPartAway",
        "the blackbox exporter is killed",
        "it is back",
        killed("prober"),
        {"job": "blackbox"},
        job="blackbox",
        deep=True,
    ),
    Condition(
        "OutOfMemory",
        "the kernel kills a process in a control group of 16 MB",
        happens=out_of_memory,
        labels={"host": "watch-1"},
        alone=True,
        deep=True,
    ),
    Condition(
        "MemoryShort",
        "processes take memory until less is free than the threshold says, which is 4 % below what was free before",
        "they end",
        lambda _: busy.memory_taken(),
        {"host": "watch-1"},
        alone=True,
        deep=True,
    ),
    Condition(
        "CpuBusy",
        "every processor is kept busy, until the share is halfway between what it was before and all",
        happens=lambda _: busy.processors(),
        labels={"host": "watch-1"},
        alone=True,
        deep=True,
    ),
]


def _where(condition: Condition) -> str:
    return "`make monitoring-deep`" if condition.deep else "`make monitoring`"


def table() -> str:
    rows = [
        f"| `{one.alert}` | {one.what} | {one.over or 'the time is over that its rule looks back'} | {_where(one)} |"
        for one in CONDITIONS
    ]
    return "\n".join(["| alert | fires when | ends when | tried by |", "|---|---|---|---|", *rows, ""])


def documented(text: str) -> str:
    """The document with the table as it should be."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{table()}\n{_END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(documented(DOCUMENT.read_text()))
