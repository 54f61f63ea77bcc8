"""HAProxy in the image that hosts run, with the role's own template: alone, without Compose, DNS or the sandbox."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket

from sandbox.world import HAPROXY_IMAGE, LABEL
from tests.edge_checks.upstreams import Upstream
from tests.templates.test_edge_templates import render
from tests.unit import certificates

SITE = "www.example.com"
CONF = "/usr/local/etc/haproxy"
EMPTY_FILES = ("away.map", "kept-off.map", "maintenance.map", "maintenance.html", "routes.map", "home.list", "placed.map")
POLL_SECONDS = 0.02
# Of a line in "show stat".
SERVER = "2"


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def gateway() -> str:
    """This machine's address as containers see it."""
    return docker("network", "inspect", "bridge", "--format", "{{range .IPAM.Config}}{{.Gateway}}{{end}}").split()[0]


def write_certificate(path: Path, name: str = SITE) -> Path:
    certificate, key = certificates.make([name])
    path.write_text(certificate + key)
    return path


def balancer(upstreams: list[Upstream]) -> str:
    """The balancer's configuration."""
    given = [{"name": one.name, "address": gateway(), "port": one.port} for one in upstreams]
    return render("haproxy.cfg.j2", edge_certificate_paths={SITE: ""}, edge_upstreams=given, edge_upstream_name=SITE)


def edge() -> str:
    """The configuration of a host's own edge."""
    return render("haproxy.cfg.j2", edge_certificate_paths={SITE: ""})


@dataclass
class HAProxy:
    """One that runs. ``times``: (backend, server) -> when it was first seen down, on the monotonic clock."""

    container: str
    socket: Socket
    address: str
    certificate: Path
    times: dict[tuple[str, str], float] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def connect(self, timeout: float = 30) -> HTTPSConnection:
        host, port = self.address.split(":")
        context = ssl.create_default_context(cafile=str(self.certificate))
        context.check_hostname = False
        return HTTPSConnection(host, int(port), timeout=timeout, context=context)

    def get(self, path: str = "/", headers: Mapping[str, str] | None = None, timeout: float = 30) -> tuple[int, dict[str, Any]]:
        """Status and JSON body, on a new connection."""
        connection = self.connect(timeout)
        try:
            connection.request("GET", path, headers={"Host": SITE, **(headers or {})})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(body)
        except ValueError:
            return answer.status, {}

    def down(self, backend: str) -> set[str]:
        """Servers that are down by their checks now."""
        table = self.socket.ask("show stat").lstrip("# ").splitlines()
        names = table[0].split(",") if table else []
        rows = (dict(zip(names, line.split(","), strict=False)) for line in table[1:] if line)
        servers = (row for row in rows if row["pxname"] == backend and row["type"] == SERVER)
        return {row["svname"] for row in servers if row["status"].startswith("DOWN")}

    def watch(self, backend: str) -> None:
        """Note when servers of ``backend`` are down, from now on."""

        def look() -> None:
            while not self.over.wait(POLL_SECONDS):
                # It may not be running any more when it is asked for the last time.
                with suppress(EdgeError):
                    for server in self.down(backend):
                        self.times.setdefault((backend, server), time.monotonic())

        threading.Thread(target=look, daemon=True).start()


@contextmanager
def running(
    directory: Path, config: str, certificate: Path, stack: str = "", routes: str = "", maps: Mapping[str, str] | None = None
) -> Iterator[HAProxy]:
    """HAProxy with ``config``, and with ``stack`` as the backends and ``routes`` as the map of one stack; ``maps``: others."""
    conf, run = directory / "conf", directory / "run"
    for path in (conf / "certs", conf / "stacks", run):
        path.mkdir(parents=True)
    for name in EMPTY_FILES:
        (conf / name).write_text((maps or {}).get(name, ""))
    (conf / "haproxy.cfg").write_text(config)
    (conf / "stacks" / "test.cfg").write_text(stack)
    (conf / "routes.map").write_text(routes)
    (conf / "certificates.list").write_text(f"{CONF}/certs/{SITE}.pem\n")
    for name in ("upstream-ca.pem", f"certs/{SITE}.pem"):
        (conf / name).write_bytes(certificate.read_bytes())
    run.chmod(0o777)
    container = docker(
        *("run", "--detach", "--rm", "--label", LABEL, "--publish", "127.0.0.1::8443"),
        *("--volume", f"{conf}:{CONF}:ro", "--volume", f"{run}:/run/haproxy"),
        *(HAPROXY_IMAGE, "haproxy", "-f", f"{CONF}/haproxy.cfg", "-f", f"{CONF}/stacks"),
    )
    found = HAProxy(container, Socket(str(run / "admin.sock")), "", certificate)
    try:
        eventually((run / "admin.sock").exists, 20, lambda: docker("logs", container))
        found.address = docker("port", container, "8443/tcp").splitlines()[0]
        yield found
    finally:
        found.over.set()
        docker("rm", "--force", container)


def eventually(is_so: Callable[[], bool], seconds: float, what: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, what()
        time.sleep(POLL_SECONDS)


class Metronome:
    """Measures how long this machine let nobody do anything: what nothing that is timed here can be blamed for."""

    def __init__(self) -> None:
        self.longest_stall = 0.0
        self._over = threading.Event()

    def __enter__(self) -> Metronome:
        threading.Thread(target=self._tick, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _tick(self) -> None:
        while not self._over.is_set():
            before = time.monotonic()
            time.sleep(POLL_SECONDS)
            self.longest_stall = max(self.longest_stall, time.monotonic() - before - POLL_SECONDS)
