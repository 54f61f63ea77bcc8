"""A host on this machine, watched by a real Prometheus with what is made of an inventory.

Real: Prometheus, Alertmanager, HAProxy, the exporters, Postgres and the ML gateway. Only their addresses are not those of the
stack, everything is asked each second, and no alert waits.
"""

from __future__ import annotations

import http.client
import http.server
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.held import Claim
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.lease import Lease
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Kind
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import measured
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.rollout import Rollout
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring import targets
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring.watched import Host, Inventory

from tests.hangs import HANGS_AFTER_SECONDS
from tests.monitoring import watching
from tests.monitoring.environments import INVENTORY, PRODUCTION, STAGING, production, staging
from tests.monitoring.gateway import Gateway
from tests.monitoring.parts import Disk, Part, answering, program, well
from tests.monitoring.programs import ROOT
from tests.monitoring.watching import Watching, await_
from tests.postgres import free_port, server

# Of so many requests one is answered with 503: too many for the month, too few to wake anybody up.
_ONE_OF = 300
# Longer than monitoring.thresholds.latency_seconds of the tests, and for so many users at once: HAProxy's average begins at 0 and
# comes near to the truth with hundreds of answers.
_LATE_SECONDS, _LATE_USERS = 0.5, 10
CONNECTIONS = 100
_EDGE = """
global
    maxconn {connections}
defaults
    mode http
    timeout connect 1s
    timeout client 1h
    timeout server 10s
frontend metrics
    bind 127.0.0.1:{metrics}
    http-request use-service prometheus-exporter if {{ path /metrics }}
frontend https
    bind 127.0.0.1:{https} ssl crt {certificate}
    bind 127.0.0.1:{http}
    use_backend shop.few if {{ path_beg /few }}
    use_backend shop.slow if {{ path /slow }}
    default_backend shop.web
backend shop.web
    http-request return status 503 if {{ path /bad }}
    server s1 127.0.0.1:{application}
backend shop.web.any
    server s1 127.0.0.1:{application}
backend shop.web.tunnels
    server s1 127.0.0.1:{application}
backend shop.few
    http-request return status 503 if {{ path /few/bad }}
    server s1 127.0.0.1:{application}
backend shop.slow
    server s1 127.0.0.1:{slow}
backend shop.ml
    server s1 127.0.0.1:{ml} check inter 100ms fall 1 rise 1
backend upstreams
    server s1 127.0.0.1:{application}
"""
# Of a second host, which serves nothing but what its node exporter tells.
_OTHER_EDGE = """
defaults
    mode http
    timeout connect 1s
    timeout client 10s
    timeout server 10s
frontend metrics
    bind 127.0.0.1:{other_metrics}
    http-request use-service prometheus-exporter if {{ path /metrics }}
frontend http
    bind 127.0.0.1:{other_http}
    http-request replace-path /-/metrics/node(.*) \\1
    default_backend host-metrics.node-exporter
backend host-metrics.node-exporter
    server s1 127.0.0.1:{other_node}
"""


@dataclass
class Prometheus(Watching):
    """Production's, with the host that it watches."""

    # What its host, and the second one, tell of themselves.
    root: Path = field(kw_only=True)
    other_root: Path = field(kw_only=True)
    # Name -> what can be killed.
    parts: Mapping[str, Part] = field(kw_only=True)
    gateway: Gateway = field(kw_only=True)
    disk: Disk = field(kw_only=True)
    database_port: int = field(kw_only=True)
    http_port: int = field(kw_only=True)
    # What is found where, for whoever else watches this host.
    places: Mapping[str, str] = field(kw_only=True)
    site: str = field(kw_only=True)
    authority: Path = field(kw_only=True)


def _as_an_engine(request: http.server.BaseHTTPRequestHandler) -> None:
    """As Docker Engine 26.1 told of itself at /metrics, shortened."""
    well(request, (ROOT / "tests" / "monitoring" / "engine.txt").read_bytes())


@contextmanager
def _hands_on(engine: str, file: Path) -> Iterator[None]:
    """The program of the role docker_engine, each second."""
    program = (ROOT / "roles" / "docker_engine" / "files" / "engine_metrics.py").read_text()
    often = program.replace("EVERY_SECONDS = 15.0", "EVERY_SECONDS = 1.0")
    assert often != program
    process = subprocess.Popen([sys.executable, "-I", "-c", often, engine, str(file)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _late(request: http.server.BaseHTTPRequestHandler) -> None:
    time.sleep(_LATE_SECONDS)
    well(request)


def certificate(directory: Path, days: int) -> tuple[Path, Path]:
    """Of 127.0.0.1, with its key; and the authority, which is the same."""
    key, authority = directory / "key.pem", directory / "ca.pem"
    wanted = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(days), "-subj", "/CN=127.0.0.1")
    more = ("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(authority))
    subprocess.run(["openssl", *wanted, *more], check=True, capture_output=True)
    both = directory / "site.pem"
    both.write_text(authority.read_text() + key.read_text())
    return both, authority


def _a_host_with_a_past(root: Path) -> None:
    """What deploys write down."""
    words = [("deploy 1.1.0", "deployed"), ("rotate database", "done"), ("rollback", "rolled_back"), ("deploy 1.2.0", "failed")]
    for number, (what, word) in enumerate(words):
        run_ended(root, what, word, f"2026-11-24T10:{number:02}:00Z")
    went_live(root, "1.1.0")


def run_ended(root: Path, what: str, word: str, at: str) -> None:
    """As a run ends: with a line in the history, and the lease given back."""
    lease = Lease("production", root)
    token = lease.acquire(Claim("anna@laptop", what, what)).token
    record = {"at": at, "environment": "production", "what": what, "to": "1.2.0", "verdict": word, "seconds": 16.0}
    command = lease.return_(token, record, only_if_held=True)
    subprocess.run(["sh", "-c", command], check=True, timeout=HANGS_AFTER_SECONDS)


def went_live(root: Path, release: str) -> None:
    """As a rollout ends on a host."""
    releases = Releases("shop", root / "stacks")
    lineage = releases.lineage()
    lineage.went_live(f"{release}-0123456789ab", Kind.DEPLOY)
    releases.write_lineage(lineage)
    nothing = cast(Any, None)
    measured.keep(releases, Rollout(nothing, nothing, Kind.DEPLOY, None, "", [], [], []), time.time())


_PORTS = (
    *("metrics", "https", "http", "application", "slow", "ml", "engine", "node", "postgres", "blackbox"),
    *("other_metrics", "other_http", "other_node"),
)


@contextmanager
def watched_host(directory: Path, **thresholds: float) -> Iterator[Prometheus]:
    """``thresholds``: of monitoring.thresholds, in place of the defaults."""
    ports = {name: free_port() for name in _PORTS}
    # It ends sooner than monitoring.thresholds allows.
    both, authority = certificate(directory, 10)
    own = Watching()
    # Who is paged is woken up, and hears of nothing else.
    own_receivers = [own.receiver("sink"), own.receiver("on-call", "page")]

    def started(name: str, *arguments: object, log: str, more: dict[str, str] | None = None) -> Part:
        return ending(program(name, *arguments, log=directory / f"{log}.log", more=more))

    root, other_root = directory / "host", directory / "other"
    _a_host_with_a_past(root)
    went_live(other_root, "1.1.0")
    with ExitStack() as stack:

        def ending(part: Part) -> Part:
            stack.callback(part.end)
            return part

        disk = Disk()
        stack.callback(disk.close)
        application = ending(answering(well, ports["application"]))
        ending(answering(_late, ports["slow"]))
        replica = ending(answering(well, ports["ml"]))
        edge, other = directory / "haproxy.cfg", directory / "other.cfg"
        edge.write_text(_EDGE.format(**ports, certificate=both, connections=CONNECTIONS))
        other.write_text(_OTHER_EDGE.format(**ports))
        its_edge = started("haproxy", "-f", edge, log="haproxy")
        other_edge = started("haproxy", "-f", other, log="other-haproxy")
        database = stack.enter_context(server("watch", "fsync=off", f"max_connections={CONNECTIONS}"))
        url = f"postgresql://watch@127.0.0.1:{database}/postgres?sslmode=disable"
        gateway = Gateway(directory / "gateway", url)
        stack.callback(gateway.close)
        engine = ending(answering(_as_an_engine, ports["engine"]))
        stack.enter_context(_hands_on(f"127.0.0.1:{ports['engine']}", root / "metrics" / "engine.prom"))
        nodes = [
            started(
                "prometheus-node-exporter",
                f"--web.listen-address=127.0.0.1:{ports[name]}",
                *flags("compose.hosts.yml", "node-exporter", metrics),
                log=name,
            )
            for name, metrics in (("node", root / "metrics"), ("other_node", other_root / "metrics"))
        ]
        queries = ROOT / "stacks" / "monitoring" / "queries.yml"
        asked = (f"--web.listen-address=127.0.0.1:{ports['postgres']}", f"--extend.query-path={queries}")
        started("prometheus-postgres-exporter", *asked, log="postgres", more={"DATA_SOURCE_NAME": url})
        places, site = _places(ports, authority), f"https://127.0.0.1:{ports['https']}/health"
        given = {**PRODUCTION, "thresholds": {**PRODUCTION["thresholds"], **thresholds}}
        watching.write(directory, production(*_watched(given, own_receivers, site, authority)), own, places)
        probing = (f"--config.file={directory / 'blackbox.yml'}", f"--web.listen-address=127.0.0.1:{ports['blackbox']}")
        prober = started("prometheus-blackbox-exporter", *probing, log="blackbox")
        await_("the gateway", gateway.answers)
        # A call in its books, and one that may cost more than is left.
        assert (gateway.call(), gateway.call("dear")) == (200, 402)
        mortal = {
            "edge": its_edge,
            "application": application,
            "replica": replica,
            "engine": engine,
            "node exporter": nodes[0],
            "other edge": other_edge,
            "prober": prober,
        }
        stack.enter_context(watching.begun(directory, own))
        found = Prometheus(
            *(own.environment, own.port, own.alertmanager, own.sink, own.told),
            root=root,
            other_root=other_root,
            parts=mortal,
            gateway=gateway,
            disk=disk,
            database_port=database,
            http_port=ports["http"],
            places=places,
            site=site,
            authority=authority,
        )
        gone = threading.Event()
        stack.callback(gone.set)
        late = [_users_of_slow] * _LATE_USERS
        for users, name in ((_users, "https"), *((one, "http") for one in (_users_of_few, *late))):
            threading.Thread(target=users, args=(ports[name], gone), daemon=True).start()
        yield found


def flags(file: str, service: str, metrics: Path) -> list[str]:
    """As the stack gives them, but for where it listens and where the metrics lie."""
    document = yaml.safe_load((ROOT / "stacks" / "monitoring" / file).read_text())
    flags = [str(one).replace("$$", "$") for one in document["services"][service]["command"]]
    return [
        f"--collector.textfile.directory={metrics}" if "textfile.directory" in one else one
        for one in flags
        if "listen" not in one
    ]


@contextmanager
def also_watched_by_staging(host: Prometheus, directory: Path, **thresholds: float) -> Iterator[Watching]:
    """The very same host, by a Prometheus and an Alertmanager with what is made of staging's inventory."""
    own = Watching("staging")
    given = {**STAGING, "thresholds": {**STAGING["thresholds"], **thresholds}}
    watched = staging(*_watched(given, [own.receiver("staging")], host.site, host.authority))
    watching.write(directory, watched, own, host.places)
    with watching.begun(directory, own):
        yield own


def _watched(
    given: Mapping[str, Any], receivers: list[dict[str, Any]], site: str, authority: Path
) -> tuple[dict[str, Any], Inventory]:
    """What an environment says of its monitoring, and its two hosts."""
    hosts = [Host("watch-1", "10.0.0.9:8405", "10.0.0.9:443"), Host("app-2", "10.0.0.2:8405", "10.0.0.2:80")]
    return (
        {**given, "ca_path": str(authority), "urls": [], "receivers": receivers},
        replace(INVENTORY, hosts=hosts, urls=[site]),
    )


def _places(ports: Mapping[str, int], authority: Path) -> dict[str, str]:
    return {
        "10.0.0.9:8405": f"127.0.0.1:{ports['metrics']}",
        "10.0.0.2:8405": f"127.0.0.1:{ports['other_metrics']}",
        "10.0.0.2:80": f"127.0.0.1:{ports['other_http']}",
        targets.BLACKBOX: f"127.0.0.1:{ports['blackbox']}",
        targets.NODE: f"127.0.0.1:{ports['node']}",
        targets.POSTGRES: f"127.0.0.1:{ports['postgres']}",
        targets.BLACKBOX_CA: str(authority),
    }


def _users(port: int, until: threading.Event) -> None:
    """Of ten requests one is answered with 503."""
    trusting = ssl._create_unverified_context()
    number = 0
    while not until.wait(0.05):
        number += 1
        try:
            urllib.request.urlopen(
                f"https://127.0.0.1:{port}/{'bad' if number % 10 == 0 else ''}", context=trusting, timeout=10
            ).close()
        except OSError:
            continue


def _users_of_few(port: int, gone: threading.Event) -> None:
    """They stay connected. Bad luck comes late, so that the first errors are not many of few."""
    connection, number = http.client.HTTPConnection("127.0.0.1", port, timeout=HANGS_AFTER_SECONDS), 0
    while not gone.wait(0.02):
        number += 1
        try:
            connection.request("GET", "/few/bad" if number % _ONE_OF == 0 else "/few")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            connection.close()


def _users_of_slow(port: int, gone: threading.Event) -> None:
    while not gone.wait(0.05):
        with suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/slow", timeout=10).close()
