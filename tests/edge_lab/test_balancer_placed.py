"""A balancer asks for a route only hosts that have it, at every moment of a change; by a real HAProxy."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.configuration import EdgeConfiguration
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.placed import Placed, Route
from ansible_collections.morpheus.deploy.plugins.module_utils.service.routing import reached

from tests.edge_lab import balanced
from tests.edge_lab.balanced import NAMES, Balanced
from tests.edge_lab.namespace import in_a_thread

SITE = "shop.example"
HOME, REPORTS, OPEN = f"{SITE}/", f"{SITE}/reports/", f"{SITE}/reports/open/"


class Host(balanced.Host):
    """Has routes, by their keys; what has none it answers with 404, like an edge."""

    def __init__(self, name: str, context: ssl.SSLContext) -> None:
        self.routes = {HOME}
        super().__init__(name, context)

    def status(self, path: str) -> int:
        if path == "/healthz":
            return 200 if self.is_well else 503
        found = reached({key: key for key in self.routes}, f"{SITE}{path.rstrip('/')}/")
        # Below "/reports" nobody but its own service knows anything.
        return 404 if not found or (path.startswith("/reports") and found == HOME) else 200


class Balancer(Balanced[Host]):
    def tell(self, *, settle: bool = False, **routes: tuple[str, ...]) -> bool:
        """``routes``: by the name of a constant here, the hosts that have it."""
        known = {"home": HOME, "reports": REPORTS, "open": OPEN}
        told = {known[name]: Route(frozenset(hosts), name == "reports") for name, hosts in routes.items()}
        configuration = EdgeConfiguration(self.paths, self.haproxy.validate)
        return self.inside.submit(Placed(self.paths).tell, configuration, "shop", told, SystemClock(), settle=settle).result()

    def ask(self, path: str, host: str = SITE, times: int = 6) -> set[tuple[int, str]]:
        return {self.inside.submit(self._ask, path, host).result() for _ in range(times)}

    def _ask(self, path: str, host: str) -> tuple[int, str]:
        with closing(HTTPConnection("127.0.0.1", 8080, timeout=20)) as connection:
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()


@contextmanager
def _living(inside: ThreadPoolExecutor) -> Iterator[Balancer]:
    with balanced.balanced(Host, SITE, edge_upstream_check_path="/healthz") as found:
        yield Balancer(*found, inside)


@pytest.fixture
def balancer() -> Iterator[Balancer]:
    with in_a_thread(_living) as found:
        found.await_up(set(NAMES))
        yield found


def test_only_hosts_that_have_a_route_are_asked_for_it(balancer: Balancer) -> None:
    app_2 = balancer.hosts["app-2"]
    app_2.routes |= {REPORTS}
    for host in balancer.hosts.values():
        host.routes |= {OPEN}
    assert balancer.ask("/") == {(200, name) for name in NAMES}
    assert balancer.tell(home=NAMES, reports=("app-2",), open=NAMES)
    assert balancer.ask("/reports") == balancer.ask("/reports/1?a=b", f"{SITE.upper()}.:8080") == {(200, "app-2")}
    # What keeps others away is not asked of a host on which it is not, however it is spelled.
    assert {host for _, host in balancer.ask("/%72eports//1")} == {"app-2"}
    for path in ("/", "/reports/open/1", "/orders"):
        assert balancer.ask(path) == {(200, name) for name in NAMES}
    # One that is down by its checks is tried all the same where it is the only one.
    app_2.is_well = False
    balancer.await_up({"app-1"})
    assert (balancer.ask("/"), balancer.ask("/reports/1")) == ({(200, "app-1")}, {(200, "app-2")})
    # As before there was such a thing.
    assert balancer.tell()
    assert (balancer.paths.conf / "placed.map").read_text() == (balancer.paths.conf / "stacks/_placed.cfg").read_text() == ""
    # Through both reloads it is as down as before: nobody was sent there until it was asked again.
    assert balancer.ask("/reports/1", times=20) == {(404, "app-1")}
    app_2.is_well = True
    balancer.await_up(set(NAMES))


@dataclass
class Users:
    """They ask on connections that are kept, with a pause after each answer, until it is over."""

    balancer: Balancer
    paths: tuple[str, ...] = ("/", "/reports/1")

    def __post_init__(self) -> None:
        self.over = threading.Event()
        self.failed: list[str] = []
        self.answers = 0
        self.connections: list[HTTPConnection] = []

    def begin(self) -> None:
        """In the balancer's network, which the thread that starts them is in."""
        self.threads = [threading.Thread(target=self._ask, args=(path,)) for path in self.paths * 3]
        for one in self.threads:
            one.start()

    def _ask(self, path: str) -> None:
        connection = HTTPConnection("127.0.0.1", 8080, timeout=20)
        while not self.over.is_set():
            try:
                connection.request("GET", path, headers={"Host": SITE})
                answer = connection.getresponse()
                body = answer.read().decode()
            except OSError as exc:
                self.failed.append(f"{path}: {exc!r}")
                connection.close()
                continue
            self.answers += 1
            if answer.status != 200:
                self.failed.append(f"{path}: {answer.status} by {body}")
            self.over.wait(0.05)
        connection.close()


def test_no_request_fails_while_a_route_leaves_a_host_and_comes_back(balancer: Balancer) -> None:
    """A host has lost its route at once when the balancer was told; and the other way round."""
    app_1 = balancer.hosts["app-1"]
    for host in balancer.hosts.values():
        host.routes |= {REPORTS}
    users = Users(balancer)
    balancer.inside.submit(users.begin).result()
    for _ in range(3):
        balancer.tell(home=NAMES, reports=("app-2",), settle=True)
        app_1.routes = {HOME}
        time.sleep(0.3)
        app_1.routes = {HOME, REPORTS}
        balancer.tell(home=NAMES, reports=NAMES)
        time.sleep(0.3)
    users.over.set()
    for one in users.threads:
        one.join()
    assert users.failed == []
    assert users.answers > 60


def test_a_connection_from_before_is_waited_for(balancer: Balancer) -> None:
    """Its next request goes by what was said when it was opened."""
    app_1 = balancer.hosts["app-1"]
    for host in balancer.hosts.values():
        host.routes |= {REPORTS}

    def opened() -> HTTPConnection:
        connection = HTTPConnection("127.0.0.1", 8080, timeout=20)
        connection.request("GET", "/", headers={"Host": SITE})
        connection.getresponse().read()
        return connection

    idle = [balancer.inside.submit(opened).result() for _ in range(4)]
    seen: list[int] = []

    def ask_late() -> None:
        time.sleep(1)
        for connection in idle:
            connection.request("GET", "/reports/1", headers={"Host": SITE})
            seen.append(connection.getresponse().status)
            connection.close()

    late = threading.Thread(target=ask_late)
    late.start()
    begun = time.monotonic()
    balancer.tell(home=NAMES, reports=("app-2",), settle=True)
    assert time.monotonic() - begun >= 1
    app_1.routes = {HOME}
    late.join()
    assert seen == [200] * len(idle)


def test_what_haproxy_does_not_take_is_not_begun(balancer: Balancer) -> None:
    (balancer.paths.conf / "stacks" / "broken.cfg").write_text("backend broken from nobody\n")
    with pytest.raises(Exception, match="HAProxy rejects the new edge configuration"):
        balancer.tell(home=NAMES, reports=("app-2",))
    (balancer.paths.conf / "stacks" / "broken.cfg").unlink()
    assert (balancer.paths.conf / "placed.map").read_text() == ""
    assert Placed(balancer.paths).told() == {}
