"""Where a real HAProxy answers for its metrics: at the addresses of the edge's home, and to nobody on a stack's network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.networks import HOME_LIST
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths

from tests.edge_lab.haproxy import Haproxy, host_of_an_edge, root_file_system
from tests.edge_lab.namespace import in_a_thread

# What the engine says of the edge's home here, and two addresses of HAProxy: one there, one on another network.
HOME = "127.0.1.0/24\n"
AT_HOME, ELSEWHERE = "127.0.1.2", "127.0.2.2"


@contextmanager
def _living(inside: ThreadPoolExecutor) -> Iterator[tuple[Haproxy, EdgePaths, ThreadPoolExecutor]]:
    with host_of_an_edge() as paths:
        (paths.conf / HOME_LIST).write_text(HOME)
        haproxy = Haproxy(root_file_system(), paths)
        haproxy.start()
        try:
            yield haproxy, paths, inside
        finally:
            haproxy.kill()


@pytest.fixture(scope="module")
def edge() -> Iterator[tuple[Haproxy, EdgePaths, ThreadPoolExecutor]]:
    with in_a_thread(_living) as found:
        yield found


def _asked(address: str, path: str) -> tuple[int, bool]:
    with closing(HTTPConnection(address, 8405, timeout=20)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, b"haproxy_process_" in answer.read()


@pytest.mark.parametrize(
    ("address", "path", "said"),
    [
        pytest.param(AT_HOME, "/metrics", (200, True), id="at home"),
        pytest.param(AT_HOME, "/", (404, False), id="at home, something else"),
        pytest.param(ELSEWHERE, "/metrics", (404, False), id="on a stack's network"),
    ],
)
def test_metrics_are_answered_at_home_only(
    edge: tuple[Haproxy, EdgePaths, ThreadPoolExecutor], address: str, path: str, said: tuple[int, bool]
) -> None:
    assert edge[2].submit(_asked, address, path).result() == said


@pytest.mark.parametrize(
    ("content", "is_read"),
    [
        pytest.param("", True, id="empty, as before there is a home"),
        pytest.param("172.18.0.0/16\nfd00:18::/64\n", True, id="both families"),
        pytest.param("edge\n", False, id="a name"),
        pytest.param(None, False, id="missing"),
    ],
)
def test_what_haproxy_takes_for_addresses(
    edge: tuple[Haproxy, EdgePaths, ThreadPoolExecutor], tmp_path: Path, content: str | None, is_read: bool
) -> None:
    haproxy, paths, _ = edge
    shutil.copytree(paths.conf, tmp_path / "conf")
    home = tmp_path / "conf" / HOME_LIST
    home.unlink() if content is None else home.write_text(content)
    assert (haproxy.validate(tmp_path / "conf") == "") is is_read
