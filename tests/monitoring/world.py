"""A host on this machine, watched by a real Prometheus with what is made of an inventory.

Real: Prometheus, Alertmanager, HAProxy, the exporters and Postgres. Only their addresses are not those of the stack,
everything is asked each second, and no alert waits.
"""

from __future__ import annotations

import http.server
import json
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import psycopg2  # type: ignore[import-untyped]
import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.held import Claim
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.lease import Lease
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Kind
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import measured
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.rollout import Rollout
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring import receivers, rules, targets
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring.watched import Host

from tests.hangs import HANGS_AFTER_SECONDS
from tests.monitoring.environments import INVENTORY, PRODUCTION, production
from tests.monitoring.programs import ROOT, running
from tests.postgres import free_port, server

_POLL_SECONDS = 0.2
_EDGE = """
global
    maxconn 100
defaults
    mode http
    timeout connect 1s
    timeout client 10s
    timeout server 10s
frontend metrics
    bind 127.0.0.1:{metrics}
    http-request use-service prometheus-exporter if {{ path /metrics }}
frontend https
    bind 127.0.0.1:{https} ssl crt {certificate}
    default_backend shop.web
backend shop.web
    http-request return status 503 if {{ path /bad }}
    server s1 127.0.0.1:{application}
backend shop.web.any
    server s1 127.0.0.1:{application}
backend shop.web.tunnels
    server s1 127.0.0.1:{application}
backend upstreams
    server s1 127.0.0.1:{application}
"""


def await_(what: str, met: Callable[[], Any]) -> Any:
    """What ``met`` gives once it is something."""
    end = time.monotonic() + HANGS_AFTER_SECONDS
    while True:
        found = met()
        if found:
            return found
        assert time.monotonic() < end, f"{what} did not come within {HANGS_AFTER_SECONDS} s"
        time.sleep(_POLL_SECONDS)


@dataclass
class Prometheus:
    port: int
    # What Alertmanager has told its receiver.
    told: list[dict[str, Any]] = field(default_factory=list)
    # What its host tells of itself.
    root: Path = Path()
    # Name -> ends this part of the world, for good.
    ends: dict[str, Callable[[], None]] = field(default_factory=dict)

    def firing(self) -> dict[str, dict[str, str]]:
        """Name -> labels of one such alert."""
        found = self.ask('ALERTS{alertstate="firing"}')
        return {one["metric"]["alertname"]: one["metric"] for one in found}

    def ask(self, query: str) -> list[dict[str, Any]]:
        """The series of an instant query. Its own words where it refuses one."""
        address = f"http://127.0.0.1:{self.port}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        try:
            with urllib.request.urlopen(address, timeout=HANGS_AFTER_SECONDS) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as exc:
            raise AssertionError(f"{query}: {exc.read().decode()}") from exc
        return cast("list[dict[str, Any]]", found["data"]["result"])


def _serving(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> http.server.ThreadingHTTPServer:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def do_POST(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            """Into no log."""

    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def _well(request: http.server.BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "2")
    request.end_headers()
    request.wfile.write(b"ok")


def _as_an_engine(request: http.server.BaseHTTPRequestHandler) -> None:
    """As Docker Engine 26.1 told of itself at /metrics, shortened."""
    body = (ROOT / "tests" / "monitoring" / "engine.txt").read_bytes()
    request.send_response(200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


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


@contextmanager
def _in_a_thread(found: http.server.ThreadingHTTPServer) -> Iterator[int]:
    threading.Thread(target=found.serve_forever, daemon=True).start()
    try:
        yield found.server_address[1]
    finally:
        found.shutdown()
        found.server_close()


def _certificate(directory: Path) -> tuple[Path, Path]:
    """Of 127.0.0.1, with its key; and the authority, which is the same. It ends sooner than monitoring.thresholds allows."""
    key, certificate = directory / "key.pem", directory / "ca.pem"
    wanted = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "10", "-subj", "/CN=127.0.0.1")
    more = ("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate))
    subprocess.run(["openssl", *wanted, *more], check=True, capture_output=True)
    both = directory / "site.pem"
    both.write_text(certificate.read_text() + key.read_text())
    return both, certificate


def _a_host_with_a_past(root: Path) -> None:
    """Two hosts' worth of what deploys write down."""
    lease = Lease("production", root)
    ends = [("deploy 1.1.0", "deployed"), ("rotate database", "done"), ("rollback", "rolled_back"), ("deploy 1.2.0", "failed")]
    for number, (what, word) in enumerate(ends):
        token = lease.acquire(Claim("anna@laptop", what, what)).token
        record = {
            "at": f"2026-11-24T10:{number:02}:00Z",
            "environment": "production",
            "what": what,
            "to": "1.2.0",
            "verdict": word,
        }
        command = lease.return_(token, {**record, "seconds": 16.0 + number}, only_if_held=True)
        subprocess.run(["sh", "-c", command], check=True, timeout=HANGS_AFTER_SECONDS)
    releases = Releases("shop", root / "stacks")
    lineage = releases.lineage()
    lineage.went_live("1.1.0-0123456789ab", Kind.DEPLOY)
    releases.write_lineage(lineage)
    nothing = cast(Any, None)
    measured.keep(releases, Rollout(nothing, nothing, Kind.DEPLOY, None, "", [], [], []), time.time())


def _books(port: int) -> None:
    """As the ML gateway makes them, with a call in them."""
    connection = psycopg2.connect(host="127.0.0.1", port=port, user="watch", dbname="postgres")
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute((ROOT / "services" / "ml-gateway" / "books.sql").read_text())
            cursor.executemany(
                "insert into ml_gateway.counted values (%s, 'comic', %s, %s, %s)",
                [
                    *(("answered_total", "runpod", "", 7), ("refused_total", "requests_per_minute", "", 2)),
                    *(("seconds_bucket", "runsync", bound, count) for bound, count in (("1", 3), ("10", 7), ("+Inf", 7))),
                ],
            )
            for period in ("YYYY-MM-DD", "YYYY-MM"):
                cursor.execute("insert into ml_gateway.spent values (to_char(now() at time zone 'utc', %s), 7, 4.5)", (period,))
    finally:
        connection.close()


@contextmanager
def watched_host(directory: Path) -> Iterator[Prometheus]:
    ports = {name: free_port() for name in ("metrics", "https", "node", "postgres", "blackbox", "alertmanager", "prometheus")}
    both, authority = _certificate(directory)
    told: list[dict[str, Any]] = []

    def hear(request: http.server.BaseHTTPRequestHandler) -> None:
        told.extend(json.loads(request.rfile.read(int(request.headers["Content-Length"])))["alerts"])
        _well(request)

    def log(name: str) -> Path:
        return directory / f"{name}.log"

    root = directory / "host"
    _a_host_with_a_past(root)
    with ExitStack() as stack:
        application = stack.enter_context(_in_a_thread(_serving(_well)))
        sink = stack.enter_context(_in_a_thread(_serving(hear)))
        edge = directory / "haproxy.cfg"
        edge.write_text(_EDGE.format(**ports, certificate=both, application=application))
        haproxy = stack.enter_context(running("haproxy", "-f", edge, log=log("haproxy")))
        cluster = stack.enter_context(ExitStack())
        database = cluster.enter_context(server("watch", "fsync=off"))
        _books(database)
        engine = stack.enter_context(ExitStack())
        metrics_of_engine = engine.enter_context(_in_a_thread(_serving(_as_an_engine)))
        stack.enter_context(_hands_on(f"127.0.0.1:{metrics_of_engine}", root / "metrics" / "engine.prom"))
        node = (
            f"--web.listen-address=127.0.0.1:{ports['node']}",
            *_flags("compose.hosts.yml", "node-exporter", root / "metrics"),
        )
        exporter = stack.enter_context(running("prometheus-node-exporter", *node, log=log("node")))
        url = f"postgresql://watch@127.0.0.1:{database}/postgres?sslmode=disable"
        queries = ROOT / "stacks" / "monitoring" / "queries.yml"
        asked = (f"--web.listen-address=127.0.0.1:{ports['postgres']}", f"--extend.query-path={queries}")
        stack.enter_context(running("prometheus-postgres-exporter", *asked, log=log("postgres"), more={"DATA_SOURCE_NAME": url}))
        for name, text in _texts(directory, ports, sink, authority).items():
            (directory / name).write_text(text)
        probing = (f"--config.file={directory / 'blackbox.yml'}", f"--web.listen-address=127.0.0.1:{ports['blackbox']}")
        prober = stack.enter_context(running("prometheus-blackbox-exporter", *probing, log=log("blackbox")))
        telling = (
            *(f"--config.file={directory / 'alertmanager.yml'}", f"--storage.path={directory / 'alertmanager'}"),
            *(f"--web.listen-address=127.0.0.1:{ports['alertmanager']}", "--cluster.listen-address="),
        )
        stack.enter_context(running("prometheus-alertmanager", *telling, log=log("alertmanager")))
        watching = (
            *(f"--config.file={directory / 'prometheus.yml'}", f"--storage.tsdb.path={directory / 'prometheus'}"),
            f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
        )
        stack.enter_context(running("prometheus", *watching, log=log("prometheus")))
        parts = {
            "edge": haproxy.kill,
            "engine": engine.close,
            "database": cluster.close,
            "host": exporter.kill,
            "prober": prober.kill,
        }
        found = Prometheus(ports["prometheus"], told, root, parts)
        await_("Prometheus", lambda: _answers(found.port))
        users = threading.Event()
        stack.callback(users.set)
        threading.Thread(target=_users, args=(ports["https"], users), daemon=True).start()
        yield found


def _flags(file: str, service: str, metrics: Path) -> list[str]:
    """As the stack gives them, but for where it listens and where the metrics lie."""
    document = yaml.safe_load((ROOT / "stacks" / "monitoring" / file).read_text())
    flags = [str(one).replace("$$", "$") for one in document["services"][service]["command"]]
    return [
        f"--collector.textfile.directory={metrics}" if "textfile.directory" in one else one
        for one in flags
        if "listen" not in one
    ]


def _texts(directory: Path, ports: Mapping[str, int], sink: int, authority: Path) -> dict[str, str]:
    """File -> its text, of production with one host."""
    host = Host("watch-1", "10.0.0.9:8405", "10.0.0.9:443")
    site = f"https://127.0.0.1:{ports['https']}/health"
    given = {
        **PRODUCTION,
        "ca_path": str(authority),
        "urls": [],
        "receivers": [{"name": "sink", "kind": "webhook", "url": f"http://127.0.0.1:{sink}/"}],
    }
    watched = production(given, replace(INVENTORY, hosts=[host], urls=[site]))
    assert watched.problems == []
    places = {
        "10.0.0.9:8405": f"127.0.0.1:{ports['metrics']}",
        targets.PROMETHEUS: f"127.0.0.1:{ports['prometheus']}",
        targets.ALERTMANAGER: f"127.0.0.1:{ports['alertmanager']}",
        targets.BLACKBOX: f"127.0.0.1:{ports['blackbox']}",
        targets.NODE: f"127.0.0.1:{ports['node']}",
        targets.POSTGRES: f"127.0.0.1:{ports['postgres']}",
        targets.BLACKBOX_CA: str(authority),
        targets.DIRECTORY: str(directory),
    }
    prometheus = targets.prometheus(watched)
    prometheus["global"] |= dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), "1s")
    documents = {
        "prometheus.yml": prometheus,
        "rules.yml": _at_once(rules.rules(watched)),
        "alertmanager.yml": receivers.alertmanager(watched),
        "blackbox.yml": targets.blackbox(watched),
    }
    found = {}
    for name, document in documents.items():
        text = yaml.safe_dump(json.loads(json.dumps(document)))
        for place, here in places.items():
            text = text.replace(place, here)
        found[name] = text
    return found


def _at_once(document: dict[str, Any]) -> dict[str, Any]:
    """An alert fires as soon as its cause is there: that it waits is promtool's to see."""
    for rule in (rule for group in document["groups"] for rule in group["rules"] if "for" in rule):
        rule["for"] = "0s"
    return document


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=HANGS_AFTER_SECONDS) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


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
