"""Certificates of an ACME authority, by the playbook as a person types it, a real HAProxy and a real authority. No engine."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_ROOT, IDENTITY_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.challenges import MAP
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import render_backends, render_map
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.plugin_utils.acme import request
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import certificate

from tests.edge_lab.application import Application
from tests.edge_lab.haproxy import Haproxy, host_of_an_edge, root_file_system
from tests.edge_lab.namespace import in_a_thread
from tests.edge_lab.pebble import ELSEWHERE, LIFE_DAYS, Dns, Pebble, authority, programs
from tests.hangs import HANGS_AFTER_SECONDS
from tests.templates.test_edge_templates import render
from tests.unit import certificates

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SITE, SHOP, STAR = "www.example.com", "shop.example.com", "*.wild.example.com"
# So that the authority knows the account again, whatever a test does.
ACCOUNT_KEY = certificates.make([SITE])[1]
DAYS_LEFT = 20
# Sets TXT records as a provider's program would, at the DNS server of the laboratory.
HOOK = """
import json, sys, urllib.request
asked = json.loads(sys.stdin.readline())
assert asked["environment"] == "staging"
path, more = {"present": ("set-txt", {"value": asked["value"]}), "remove": ("clear-txt", {})}[asked["action"]]
data = json.dumps({"host": asked["record"] + ".", **more}).encode()
urllib.request.urlopen("http://127.0.0.1:8055/" + path, data, timeout=10)
with open(sys.argv[1], "a") as log:
    print(asked["action"], asked["record"], file=log)
"""
# What the playbook's modules look for on a host leads to the laboratory, for the playbook alone.
INSIDE = """
mount -t tmpfs none /var/lib
mkdir -p "$(dirname {edge})" {edge}
mount --bind "$2" {edge}
cp -a /etc "$1/etc"
mkdir -p "$1/etc/{identity}"
echo '{{"environment": "staging"}}' >"$1/etc/{identity}/identity.json"
mount --bind "$1/etc" /etc
shift 2
exec "$@"
"""


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"well")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@dataclass
class Done:
    code: int
    words: str
    file: dict[str, Any]


@dataclass
class Lab:
    directory: Path
    paths: EdgePaths
    haproxy: Haproxy
    pebble: Pebble
    dns: Dns
    # The one thread that lives in the network.
    inside: ThreadPoolExecutor

    def renew(self, *options: str, names: Sequence[str] = (), **acme: Any) -> Done:
        return self.inside.submit(self._renew, options, names, acme).result()

    def _renew(self, options: Sequence[str], names: Sequence[str], acme: dict[str, Any]) -> Done:
        given = {"email": "ops@example.com", "directory": self.pebble.url, "ca_path": str(self.pebble.ca)}
        routes = [{"host": name} for name in names or (SITE, SHOP)]
        variables = {
            "stack_environment": "staging",
            "stack": {"name": "shop", "services": [{"name": "web", "routes": routes}]},
            "edge_acme": {**given, **acme},
            "certificates_account_key": ACCOUNT_KEY,
            "ansible_connection": "local",
            "ansible_become": False,
            "ansible_pipelining": True,
            "ansible_python_interpreter": sys.executable,
        }
        inventory = self.directory / "hosts.yml"
        inventory.write_text(yaml.safe_dump({"app": {"hosts": {"app-1": {}}, "vars": variables}}))
        (self.directory / "ansible.cfg").write_text(
            f"[defaults]\ncollections_path = {ROOT / 'collections'}\ncallbacks_enabled = morpheus.deploy.verdict\n"
            "inject_facts_as_vars = false\n"
        )
        script = INSIDE.format(edge=EDGE_ROOT, identity=IDENTITY_ROOT.relative_to("/etc"))
        playbook = [str(BIN / "ansible-playbook"), str(ROOT / "playbooks" / "certificates.yml"), "-i", "hosts.yml", *options]
        with TemporaryDirectory(prefix="edge-lab.") as scratch:
            done = subprocess.run(
                ["unshare", "--mount", "sh", "-ec", script, "sh", scratch, str(self.paths.root), *playbook],
                cwd=self.directory,
                env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
                capture_output=True,
                text=True,
                timeout=HANGS_AFTER_SECONDS,
                check=False,
            )
        found = self.directory / ".deploy" / "staging" / ("check.json" if "--check" in options else "verdict.json")
        words = " ".join(f"{done.stdout} {done.stderr}".split())
        return Done(done.returncode, words, json.loads(found.read_text()) if found.exists() else {})

    @property
    def file(self) -> Path:
        return self.paths.conf / "certs" / "acme.pem"

    def hold(self, content: str) -> None:
        """HAProxy begins anew with another certificate."""
        self.haproxy.kill()
        self.file.unlink(missing_ok=True)
        self.file.write_text(content)
        self.inside.submit(self.haproxy.start).result()

    def served(self, name: str = SITE) -> str:
        """What a user who asks for ``name`` is shown, in PEM, without being believed."""
        return self.inside.submit(self._served, name).result()

    def _served(self, name: str) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", 8443), timeout=20) as connection,
            context.wrap_socket(connection, server_hostname=name) as tls,
        ):
            return ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True) or b"")

    def trusts(self, name: str) -> bool:
        """Whether a browser that knows the authority takes what it is shown for ``name``."""
        return self.inside.submit(self._trusts, name).result()

    def _trusts(self, name: str) -> bool:
        context = ssl.create_default_context(cadata=self.pebble.root())
        try:
            with socket.create_connection(("127.0.0.1", 8443), timeout=20) as connection:
                context.wrap_socket(connection, server_hostname=name).close()
        except ssl.SSLCertVerificationError:
            return False
        return True

    def plain(self, path: str, host: str) -> tuple[int, str]:
        return self.inside.submit(self._plain, path, host).result()

    @staticmethod
    def _plain(path: str, host: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=20)
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@contextmanager
def _living(inside: ThreadPoolExecutor) -> Iterator[Lab]:
    with ExitStack() as stack:
        paths = stack.enter_context(host_of_an_edge())
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="edge-lab.")))
        (paths.root / "run").chmod(0o777)
        (paths.conf / "haproxy.cfg").write_text(render("haproxy.cfg.j2", edge_acme={"email": "ops@example.com"}))
        (paths.conf / "certificates.list").write_text(render("certificates.list.j2", edge_acme={"email": "ops@example.com"}))
        (paths.conf / MAP).write_text("")
        app = Application(("127.0.0.1", 0), App)
        stack.callback(app.server_close)
        threading.Thread(target=app.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        stack.callback(app.shutdown)
        backends = render_backends("shop", ["web"], 1, {"web": {"s1": ("127.0.0.1", app.server_port)}})
        (paths.conf / "stacks" / "shop.cfg").write_text(backends)
        (paths.conf / "routes.map").write_text(render_map("shop", {"*/": "web"}))
        pebble, dns = stack.enter_context(authority(directory))
        haproxy = Haproxy(root_file_system(), paths)
        stack.callback(haproxy.kill)
        yield Lab(directory, paths, haproxy, pebble, dns, inside)


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    """Fetched before a test moves into its own network, where no mirror is."""
    programs()


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with in_a_thread(_living) as found:
        yield found


@pytest.fixture
def lab(world: Lab) -> Lab:
    """A host that was provisioned a moment ago, and has no certificate."""
    world.hold(request.placeholder(datetime.now(UTC)))
    return world


@dataclass
class First:
    """The first certificate of a host: what was served before, and how it was issued."""

    lab: Lab
    before: str
    done: Done


@pytest.fixture(scope="module")
def first(world: Lab) -> First:
    """Once for the tests that look at it. They change nothing that another one of them sees."""
    world.hold(request.placeholder(datetime.now(UTC)))
    return First(world, world.served(), world.renew())


@pytest.fixture
def old(world: Lab) -> str:
    """A certificate with its key that ends soon, which the host serves with."""
    content = "".join(certificates.make([SITE, SHOP], days=DAYS_LEFT))
    world.hold(content)
    return content


def ends_in(pem: str) -> timedelta:
    return certificate.read(pem).expires - datetime.now(UTC)


def test_the_first_certificate_is_issued_for_all_names_and_stays_when_haproxy_restarts(first: First) -> None:
    lab, before, done = first.lab, first.before, first.done
    assert (done.code, done.file["verdict"]) == (0, "done"), done.words
    assert f"the certificate for {SITE}, {SHOP} was issued (no host has one)" in done.words
    assert lab.trusts(SITE)
    assert lab.trusts(SHOP)
    assert not lab.trusts("other.example.com")
    after = lab.served()
    assert after != before
    assert abs(ends_in(after) - timedelta(days=LIFE_DAYS)) < timedelta(days=1)
    assert (lab.file.stat().st_mode & 0o777, lab.file.stat().st_uid) == (0o400, 99)
    again = lab.renew()
    assert (again.code, again.file["verdict"]) == (0, "done"), again.words
    assert "was issued" not in again.words
    assert lab.served() == after
    lab.hold(lab.file.read_text())
    assert lab.served() == after
    said = done.words + json.dumps(done.file) + again.words
    assert [line for line in lab.file.read_text().splitlines() if "PRIVATE" not in line and line in said] == []


def test_only_names_that_it_was_told_of_are_answered_and_nothing_but_tokens(first: First) -> None:
    lab = first.lab
    thumbprint = request.thumbprint(ACCOUNT_KEY)
    assert lab.plain("/.well-known/acme-challenge/a-token_1", f"{SITE}:80") == (200, f"a-token_1.{thumbprint}")
    assert lab.plain("/.well-known/acme-challenge/<script>", SITE)[0] == 308
    assert lab.plain("/.well-known/acme-challenge/a/b", SITE)[0] == 308
    assert lab.plain("/.well-known/acme-challenge/a-token", "other.example.com")[0] == 308
    assert lab.plain("/", SITE)[0] == 308


@dataclass
class Users:
    """New connections and ones that are kept, GET and POST, none tried again, by users who verify what they are shown."""

    context: ssl.SSLContext
    over: threading.Event = field(default_factory=threading.Event)
    failed: list[str] = field(default_factory=list)
    asked: int = 0
    seen: set[bytes] = field(default_factory=set)

    def run(self) -> None:
        kept = self._open()
        # Some 80 requests a second: as many as it can would take the processor from who renews.
        while not self.over.wait(0.05):
            for method in ("GET", "POST"):
                one = self._open()
                self._ask(one, method)
                one.close()
                self._ask(kept, method)

    def _open(self) -> http.client.HTTPSConnection:
        # The name that is asked for is not the address that is connected to.
        found = http.client.HTTPSConnection(SITE, 8443, timeout=30, context=self.context)
        found._create_connection = lambda *unused: socket.create_connection(("127.0.0.1", 8443), 30)  # type: ignore[attr-defined]
        return found

    def _ask(self, connection: http.client.HTTPSConnection, method: str) -> None:
        self.asked += 1
        try:
            connection.request(method, "/", body="x" * 300 if method == "POST" else None)
            self.seen.add(connection.sock.getpeercert(binary_form=True) or b"")
            answer = connection.getresponse()
            if (answer.status, answer.read()) != (200, b"well"):
                self.failed.append(f"{method}: {answer.status}")
        except (OSError, http.client.HTTPException) as exc:
            self.failed.append(f"{method}: {type(exc).__name__}: {exc}")


def test_a_renewal_fails_no_request_and_reloads_nothing(lab: Lab, old: str) -> None:
    context = lab.inside.submit(lambda: ssl.create_default_context(cadata=lab.pebble.root() + old.partition("-----BEGIN PR")[0]))
    users = [Users(context.result()) for _ in range(3)]
    threads = lab.inside.submit(lambda: [_started(one.run) for one in users]).result()
    before = lab.haproxy.log.read_text().count("Loading success")
    try:
        done = lab.renew()
        served = lab.served()
        asked = [one.asked for one in users]
        deadline = time.monotonic() + 60
        # Until each has asked on with the new one.
        while any(one.asked < then + 20 for one, then in zip(users, asked, strict=True)) and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        for one in users:
            one.over.set()
        for thread in threads:
            thread.join()
    assert (done.code, done.file["verdict"]) == (0, "done"), done.words
    assert f"was issued (it ends on {datetime.now(UTC) + timedelta(days=DAYS_LEFT):%Y-%m-%d})" in done.words
    assert [line for one in users for line in one.failed] == []
    total = sum(one.asked for one in users)
    print(f"{total} requests while the certificate was renewed, 0 failed")
    assert total > 200
    shown = {ssl.DER_cert_to_PEM_cert(one).strip() for user in users for one in user.seen}
    assert shown == {old.partition("-----BEGIN PR")[0].strip(), served.strip()}
    assert lab.haproxy.log.read_text().count("Loading success") == before


def _started(run: Any) -> threading.Thread:
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


@pytest.mark.deep
def test_a_name_that_leads_elsewhere_is_named_and_hosts_go_on_with_what_they_have(lab: Lab, old: str) -> None:
    lab.inside.submit(lab.dns.lead, SHOP, ELSEWHERE).result()
    try:
        before = lab.served()
        done = lab.renew()
    finally:
        lab.inside.submit(lab.dns.back, SHOP).result()
    assert done.code == 2
    print("\n".join(done.file["messages"]))
    [message] = done.file["messages"]
    assert f"the certificate for {SITE}, {SHOP} could not be issued" in message
    assert f": {SHOP}: " in message
    assert "(urn:ietf:params:acme:error:connection)" in message
    assert f"{SITE}: " not in message
    assert "Hosts go on with the one that ends on" in message
    assert f"(in {DAYS_LEFT - 1} days)" in message
    assert lab.served() == before
    assert lab.file.read_text() == old


@pytest.mark.deep
def test_an_authority_that_is_away_is_no_outage(lab: Lab, old: str) -> None:
    before = lab.served()
    lab.inside.submit(lab.pebble.stop).result()
    try:
        done = lab.renew()
    finally:
        lab.inside.submit(lab.pebble.start).result()
    assert done.code == 2
    print("\n".join(done.file["messages"]))
    [message] = done.file["messages"]
    assert "Connection refused" in message
    assert "Hosts go on with the one that ends on" in message
    assert lab.served() == before
    assert lab.file.read_text() == old


@pytest.mark.deep
def test_check_mode_says_what_is_due_and_asks_nobody(lab: Lab, old: str) -> None:
    lab.inside.submit(lab.pebble.stop).result()
    try:
        done = lab.renew("--check")
    finally:
        lab.inside.submit(lab.pebble.start).result()
    assert (done.code, done.file["verdict"]) == (0, "checked"), done.words
    assert "would be issued: it ends on" in done.words
    assert lab.file.read_text() == old


@pytest.mark.deep
def test_a_wildcard_is_issued_by_dns_and_its_records_are_removed(lab: Lab) -> None:
    hook, log = lab.directory / "hook.py", lab.directory / "hook.log"
    hook.write_text(HOOK)
    done = lab.renew(names=[SITE, STAR], challenge="dns-01", dns_hook=[sys.executable, str(hook), str(log)])
    assert (done.code, done.file["verdict"]) == (0, "done"), done.words
    assert lab.trusts("any.wild.example.com")
    assert lab.trusts(SITE)
    records = ["_acme-challenge.wild.example.com", f"_acme-challenge.{SITE}"]
    assert sorted(log.read_text().splitlines()) == sorted(f"{word} {one}" for word in ("present", "remove") for one in records)
