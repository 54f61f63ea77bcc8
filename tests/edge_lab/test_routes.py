"""The grammar of routes against a real HAProxy: what is accepted matches its own requests only, what is refused says why."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import routes
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.admission import Edge
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.configuration import EdgeConfiguration
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import parse_map, render_map, route_key, stack_routes
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.service import route as described
from ansible_collections.morpheus.deploy.plugins.module_utils.service import stack as stacks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.edge_lab.haproxy import Haproxy, host_of_an_edge, root_file_system
from tests.edge_lab.namespace import in_a_thread

EXAMPLES = int(os.environ.get("EDGE_LAB_EXAMPLES", 40))
SERVICES = [f"s{number}" for number in range(5)]
NOBODY = "nobody"
OTHERS = "-._~!$&'()+,=:@"
Route = tuple[str, str]


@dataclass
class Lab:
    """A HAProxy with the role's configuration, whose backends say their own names."""

    paths: EdgePaths
    haproxy: Haproxy
    # The one thread that lives in its network.
    inside: ThreadPoolExecutor

    def edge(self, stack: str = "lab", wanted: Mapping[str, str] | None = None) -> Edge:
        return Edge(stack, EdgeConfiguration(self.paths, self.haproxy.validate), SERVICES, wanted or {}, 1)

    def lead(self, wanted: Mapping[str, str]) -> None:
        """As a rollout does, at run time."""
        edge = self.edge()
        before = edge.routes()
        edge.route({**dict.fromkeys(before, ""), **wanted})

    def answers(self, asked: Sequence[Route]) -> dict[Route, str]:
        """(Host, target) of each request -> the service that answered."""
        return self.inside.submit(self._answers, asked).result()

    def _answers(self, asked: Sequence[Route]) -> dict[Route, str]:
        """All in one go, written by hand: what clients never send is sent, too."""
        with socket.create_connection(("127.0.0.1", 8080), timeout=20) as connection, connection.makefile("rb") as stream:
            lines = [f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n" for host, target in asked]
            writer = threading.Thread(target=connection.sendall, args=["".join(lines).encode("latin-1")])
            writer.start()
            found = {one: _answer(stream) for one in asked}
            writer.join()
        return found


def _answer(stream: BinaryIO) -> str:
    status = stream.readline().split()[1]
    headers = {}
    while line := stream.readline().strip().lower():
        name, _, value = line.partition(b":")
        headers[name] = value
    body = stream.read(int(headers.get(b"content-length", 0))).decode()
    return NOBODY if status == b"404" else body


@contextmanager
def _living(inside: ThreadPoolExecutor) -> Iterator[Lab]:
    with ExitStack() as stack:
        paths = stack.enter_context(host_of_an_edge())
        for name in ("lab", "mall"):
            (paths.conf / "stacks" / f"{name}.cfg").write_text("".join(_backend(name, one) for one in SERVICES))
        haproxy = Haproxy(root_file_system(), paths)
        haproxy.start()
        stack.callback(haproxy.kill)
        yield Lab(paths, haproxy, inside)


def _backend(stack: str, service: str) -> str:
    return f'backend {stack}.{service} from base\n    http-request return status 200 content-type text/plain string "{service}"\n'


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with in_a_thread(_living) as found:
        yield found


# What the test itself knows of routes

LABELS = st.text("abXY09_-", min_size=1, max_size=3).filter(lambda text: text[0] != "-" and text[-1] != "-")
NAMED = st.one_of(
    st.sampled_from(["shop.example", "Shop.Example", "shop.example.", "a.shop.example", "10.0.0.5", "localhost"]),
    st.sampled_from(["*.shop.example", "*.Shop.Example.", "*.a.shop.example", "*.example"]),
    st.lists(LABELS, min_size=1, max_size=3).map(".".join),
)
HOSTS = st.one_of(st.sampled_from(["", "*"]), NAMED)
SEGMENTS = st.text(f"abAB01{OTHERS}", min_size=1, max_size=3).filter(lambda text: text not in (".", ".."))
PATHS = st.builds(
    lambda parts, end: "/" + "/".join(parts) + (end if parts else ""), st.lists(SEGMENTS, max_size=3), st.sampled_from(["", "/"])
)
ROUTES = st.lists(st.tuples(HOSTS, PATHS), min_size=1, max_size=6)


def means(wanted: Mapping[Route, str], host: str, target: str) -> str:
    """The service that a request is for: among the routes of its host the one with most segments, else of its wildcard, else of
    any host.
    """
    asked = re.sub(r":[0-9]*$", "", host).lower()
    asked = asked[:-1] if asked.endswith(".") else asked
    segments = target.partition("?")[0].split("/")[1:]
    _, dot, rest = asked.partition(".")
    for owner in (asked, f"*.{rest}" if dot else "", ""):
        best: tuple[int, str] | None = None
        for (name, path), service in wanted.items():
            own = [one for one in path.split("/") if one]
            mine = name.lower()[:-1] if name.endswith(".") else "" if name == "*" else name.lower()
            if mine == owner and segments[: len(own)] == own and (best is None or len(own) > best[0]):
                best = (len(own), service)
        if best:
            return best[1]
    return NOBODY


def a_host(host: str) -> str:
    """One that a route of ``host`` serves."""
    return "other.example.org" if host in ("", "*") else f"some-label{host[1:]}" if host.startswith("*.") else host


def asked_of(host: str, path: str) -> list[Route]:
    """Requests that mean a route, and such that nearly do."""
    name = a_host(host)
    plain = path.rstrip("/")
    ends = ["", "/", "/x", "?a=/b", "/?a", "x", "%2Fx", "/..", "//"]
    targets = [path, *(f"{plain}{end}" for end in ends), path[:-1], path.swapcase(), f"/{plain}", path.replace("a", "%61")]
    targets = [target if target.startswith("/") else f"/{target}" for target in targets]
    bare = name.rstrip(".")
    own = [name, name.upper(), name.swapcase(), f"{bare}:8080", f"{bare}.", f"{bare}.:80"]
    strangers = [f"x{name}", f"x.{name}", name[1:] or "x", f"{name}x", name.partition(".")[2] or "x", "*", ""]
    return [(one, target) for one in own for target in targets[:6]] + [(one, target) for one in strangers for target in targets]


def spread(found: Sequence[Route]) -> dict[Route, str]:
    """Route -> service, each key once."""
    wanted: dict[str, Route] = {}
    for host, path in found:
        wanted.setdefault(route_key(host, path), (host, path))
    return {route: SERVICES[number % len(SERVICES)] for number, route in enumerate(wanted.values())}


def keys_of(wanted: Mapping[Route, str]) -> dict[str, str]:
    return stack_routes([stacks.Service(name, routes=[described.Route(host, [path])]) for (host, path), name in wanted.items()])


PLAIN = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@PLAIN
@given(ROUTES)
def test_what_is_accepted_matches_its_own_requests_and_nothing_else(lab: Lab, found: list[Route]) -> None:
    wanted = spread(found)
    for host, path in wanted:
        assert (routes.host_problem(host), routes.path_problem(path)) == ("", "")
    keys = keys_of(wanted)
    assert len(keys) == len(wanted)
    lab.lead(keys)
    assert all(means(wanted, a_host(host), path) == service for (host, path), service in wanted.items())
    asked = list(dict.fromkeys(one for host, path in wanted for one in asked_of(host, path)))
    assert lab.answers(asked) == {one: means(wanted, *one) for one in asked}
    # HAProxy would read the same when it is restarted.
    told = parse_map(lab.edge()._socket.ask("show map /usr/local/etc/haproxy/routes.map"))
    assert told == {key: f"lab.{service}" for key, service in keys.items()}
    assert (lab.paths.conf / "routes.map").read_text() == render_map("lab", keys)


HOSTILE = st.one_of(
    st.text(max_size=12),
    st.text("/ab.*:;%?# \\\n\t\0\"'@[]xn-é", max_size=10),
    st.text("/ab.*:;%?# \\\n\"'[]é", max_size=8).map(lambda text: f"/{text}"),
    st.sampled_from(["**", "*.a", "https://a.b/c", "a:8443", "[::1]", "a\nb.example shop.web", "..", "a" * 64, "a." * 127 + "a"]),
    st.sampled_from(["", "/*", "/a;shutdown sessions", "/a\n*/ lab.s1", "/" + "a" * 1024]),
)
SIGNS = [*';\\%?#*"<>[]{}|^` \t\n\r\0\x7fäé\u2028', "//", "/../", "/./", "%41", "%2F", "://", "<<", ":80", ".."]
ENDS = st.text("ab", max_size=2)
ALMOST_A_HOST = st.builds(lambda *parts: "".join(parts), NAMED, st.sampled_from(SIGNS), ENDS)
ALMOST_A_PATH = st.builds(lambda path, *parts: "".join([path, "a", *parts]), PATHS, st.sampled_from(SIGNS), ENDS)
# One of the two is well written, so that the other one gets as far as HAProxy when the grammar lets it pass.
OR_NOT = st.one_of(st.tuples(HOSTS, st.one_of(ALMOST_A_PATH, HOSTILE)), st.tuples(st.one_of(ALMOST_A_HOST, HOSTILE), PATHS))


@PLAIN
@given(OR_NOT)
def test_what_is_refused_says_why_and_what_is_not_works(lab: Lab, route: Route) -> None:
    refused_or_works(lab, *route)


@pytest.mark.parametrize("sign", SIGNS, ids=ascii)
def test_a_sign_in_a_route_is_refused_or_works(lab: Lab, sign: str) -> None:
    refused_or_works(lab, f"shop{sign}example", "/")
    for path in (f"/a{sign}b", f"/a{sign}", f"/{sign}"):
        refused_or_works(lab, "shop.example", path)


def refused_or_works(lab: Lab, host: str, path: str) -> None:
    problems = routes.problems("stack.services[0]", [described.Route(host, [path])])
    for place in ("host", "paths[0]"):
        own = [one for one in problems if one.startswith(f"stack.services[0].routes[0].{place}: ")]
        assert len(own) <= 1
        for problem in own:
            # On one line, with the value, and with a way out behind the last semicolon, or a rule.
            assert problem.isprintable(), problem
            assert len(problem) < 2000
            assert problem.partition(": ")[2].startswith('"'), problem
            for mend in re.findall(r'write host: "([^"]*)"', problem):
                assert routes.host_problem(mend) == ""
            for mend in re.findall(r'(?:write|above it,) "(/[^"]*)"', problem):
                assert routes.path_problem(mend) == ""
    if problems:
        return
    wanted = {(host, path): "s0"}
    lab.lead(keys_of(wanted))
    asked = asked_of(host, path)
    assert means(wanted, *asked[0]) == "s0"
    assert lab.answers(asked) == {one: means(wanted, *one) for one in asked}


def test_the_longest_that_is_accepted_works_and_one_more_is_refused(lab: Lab) -> None:
    host = ".".join(["h" * 63] * 3 + ["h" * 61])
    path = "/" + "p" * 1023
    wanted = {(host, path): "s1", ("", "/"): "s2"}
    lab.lead(keys_of(wanted))
    asked = [(host, path), (host, path + "/x"), (host, path[:-1]), (host[1:], path)]
    assert list(lab.answers(asked).values()) == ["s1", "s1", "s2", "s2"]
    assert routes.host_problem(f"{host}h") != ""
    assert routes.path_problem(f"{path}p") != ""


def test_what_an_older_version_accepted_takes_no_other_route_along(lab: Lab) -> None:
    """A way back leads to releases with such routes, too."""
    old = {("", "/a b"): "s0", ("", "/a;shutdown"): "s0", ("x\n*/ lab.s1 #", "/"): "s0", ("", "/a"): "s2", ("", "/"): "s3"}
    assert keys_of(old) == {"*/": "s3", "*/a/": "s2"}
    assert keys_of({("Shop.Example.", "/"): "s0", ("*.shop.example", "/"): "s1", ("", "/a%20b"): "s2"}) == {
        "shop.example/": "s0",
        "*.shop.example/": "s1",
        "*/a%20b/": "s2",
    }
    lab.lead(keys_of(old))
    assert list(lab.answers([("shop.example", "/a"), ("shop.example", "/b")]).values()) == ["s2", "s3"]


def test_a_route_of_another_stack_is_refused_and_stays_where_it_leads(lab: Lab) -> None:
    """Also when both were prepared before either had it."""
    lab.lead(keys_of({("shop.example", "/"): "s1"}))
    mine = keys_of({("Shop.Example", "/"): "s4", ("mall.example", "/"): "s4"})
    said = 'the route shop.example/ leads to the stack "lab" on this host already; give one of the two another host or path'
    with pytest.raises(EdgeError) as prepared:
        lab.edge("mall", mine).routing()
    assert str(prepared.value) == f"{said}. Nothing was changed"
    with pytest.raises(EdgeError) as rolled:
        lab.edge("mall").route(mine)
    assert str(rolled.value) == said
    # As a rollout does when it takes back what it may have done.
    lab.edge("mall").route(dict.fromkeys(mine, ""))
    assert list(lab.answers([("shop.example", "/"), ("mall.example", "/")]).values()) == ["s1", NOBODY]
    assert "mall" not in (lab.paths.conf / "routes.map").read_text()
