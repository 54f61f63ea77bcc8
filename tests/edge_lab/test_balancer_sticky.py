"""A balancer keeps a user who sticks to a replica at that replica's host, for as long as the host is up; by a real HAProxy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import addresses
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket

from tests.edge_lab import balanced
from tests.edge_lab.balanced import NAMES, Balanced
from tests.edge_lab.namespace import in_a_thread
from tests.edge_lab.test_forwarded import SITE


class Host(balanced.Host):
    def status(self, path: str) -> int:
        return 200 if self.is_well or path == "/" else 503


class Balancer(Balanced[Host]):
    def ask(self, cookie: str = "") -> str:
        return self.inside.submit(self._ask, cookie).result()

    def _ask(self, cookie: str) -> str:
        with closing(HTTPConnection("127.0.0.1", 8080, timeout=20)) as connection:
            connection.request("GET", "/", headers={"Host": SITE, **({"Cookie": cookie} if cookie else {})})
            return connection.getresponse().read().decode()


@contextmanager
def _living(inside: ThreadPoolExecutor) -> Iterator[Balancer]:
    with balanced.balanced(Host, SITE) as found:
        yield Balancer(*found, inside)


@pytest.fixture
def balancer() -> Iterator[Balancer]:
    with in_a_thread(_living) as found:
        yield found


def cookie_of(host: str) -> str:
    """As the edge of that host gives it."""
    return f"edge-sticky=00000000-0000-4000-8000-000000000000.{hashlib.sha256(host.encode()).hexdigest()[:8]}"


def test_a_user_goes_on_to_the_host_that_serves_him_until_that_is_down(balancer: Balancer) -> None:
    balancer.await_up(set(NAMES))
    for host in NAMES:
        assert {balancer.ask(f"a=b; {cookie_of(host)}") for _ in range(6)} == {host}
    assert {balancer.ask() for _ in range(6)} == set(NAMES)
    assert {balancer.ask(cookie_of("of-another-fleet")) for _ in range(6)} == set(NAMES)
    balancer.hosts["app-2"].is_well = False
    balancer.await_up({"app-1"})
    assert {balancer.ask(cookie_of("app-2")) for _ in range(6)} == {"app-1"}


def test_checks_go_on_in_a_worker_that_was_told_the_addresses(balancer: Balancer) -> None:
    balancer.await_up(set(NAMES))
    text = (balancer.paths.conf / "haproxy.cfg").read_text()
    # These hosts have no names, so none is told.
    said = addresses.server_state({"127.0.0.1": "127.0.0.1"}, {}, [text]).replace(" 0 0 0 127.0.0.1 ", " 0 0 0 - ")
    assert "0 upstreams 0 app-2 127.0.0.1 2 " in said
    balancer.paths.addresses.write_text(said)
    assert Socket(str(balancer.paths.master)).ask("reload").startswith("Success=1")
    balancer.paths.addresses.unlink()
    balancer.hosts["app-2"].is_well = False
    balancer.await_up({"app-1"})
    balancer.hosts["app-2"].is_well = True
    balancer.await_up(set(NAMES))
