"""How a host asks its own edge: on the ports that it has, and where it has no certificate as the TLS end in front of it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import own_edge
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.settings import EdgeSettings
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import Endpoint, Expectation
from ansible_collections.morpheus.deploy.plugins.module_utils.health.http import HttpProbe
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

from tests.templates.test_edge_templates import render

MEND = "run playbooks/provision.yml --tags edge for this inventory"


def edge(tmp_path: Path, http: int = 80, https: int = 443, **options: Any) -> EdgePaths:
    """As the role leaves it on a host."""
    paths = EdgePaths(tmp_path)
    paths.conf.mkdir()
    (tmp_path / "run").mkdir()
    settings = EdgeSettings("haproxy:3.0", "99:99", [f"{http}:8080", f"{https}:8443", "127.0.0.1:8405:8405"])
    (tmp_path / "compose.json").write_text(json.dumps(settings.compose(tmp_path)))
    (paths.conf / "haproxy.cfg").write_text(render("haproxy.cfg.j2", **options))
    return paths


def asked(paths: EdgePaths, url: str, **more: Any) -> Endpoint:
    return own_edge.endpoint("edge", paths, {"url": url, **more}, Expectation(release="1.0.0"))


CERTIFICATE = {"edge_certificate_paths": {"shop.example": "/secure/shop.pem"}}


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://shop.example/health", "127.0.0.1:8443"),
        # How users come there is not how this host does.
        ("https://shop.example:9443/health", "127.0.0.1:8443"),
        ("http://shop.example/health", "127.0.0.1:8081"),
    ],
)
def test_it_is_asked_on_the_port_that_it_has_for_the_scheme(tmp_path: Path, url: str, address: str) -> None:
    found = asked(edge(tmp_path, 8081, 8443, **CERTIFICATE), url)
    assert (found.url, found.address, found.headers) == (url, address, ())


def test_without_a_certificate_it_is_asked_as_the_tls_end_in_front_of_it_asks(tmp_path: Path) -> None:
    found = asked(edge(tmp_path), "https://shop.example/health?deep=1", headers={"X-Probe": "yes"})
    assert found.url == "http://shop.example/health?deep=1"
    assert found.address == f"unix:{tmp_path}/run/own.sock"
    assert found.headers == (("X-Forwarded-Proto", "https"), ("X-Probe", "yes"))
    assert found.expectation.release == "1.0.0"


def test_nobody_is_asked_for_while_it_waits_for_its_ports(tmp_path: Path) -> None:
    paths = edge(tmp_path)
    settings = EdgeSettings("haproxy:3.0", "99:99", ["127.0.0.1:8405:8405"])
    (tmp_path / "compose.json").write_text(json.dumps(settings.compose(tmp_path)))
    assert as_users(paths, None) == []
    assert as_users(paths, {"url": "https://shop.example/health", "version": ""}) == []
    (tmp_path / "compose.json").write_text(json.dumps(EdgeSettings("haproxy:3.0", "99:99", ["80:8080"]).compose(tmp_path)))
    with pytest.raises(EdgeError, match="does not say on which ports"):
        as_users(paths, None)


def test_an_address_of_ones_own_goes_before_it(tmp_path: Path) -> None:
    found = asked(EdgePaths(tmp_path), "https://shop.example/health", address="10.0.0.5:8443", headers={"X-Probe": "yes"})
    assert (found.address, found.headers) == ("10.0.0.5:8443", (("X-Probe", "yes"),))


def as_users(paths: EdgePaths, check: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Where a host asks as users do, for a stack with the route shop.example/api."""
    (paths.root / "edge.json").write_text('{"image": "haproxy:3.0", "user": "99:99"}')
    host = StackHost("shop", object(), paths.root, Releases("shop", paths.root / "stacks"))
    target = SimpleNamespace(stack=Stack(public_check=check or {}), release="1.0.0", routes={"shop.example/api/": "api"})
    return [(one.url, one.address) for one in host.users(target)]  # type: ignore[arg-type]


def test_whatever_asks_as_users_do_asks_where_the_edge_listens(tmp_path: Path) -> None:
    paths = edge(tmp_path, 8081, 8443, **CERTIFICATE)
    assert as_users(paths, {"url": "https://shop.example/health", "version": ""}) == [
        ("https://shop.example/health", "127.0.0.1:8443")
    ]
    assert as_users(paths, None) == [("https://shop.example/api", "127.0.0.1:8443")]


def test_whatever_asks_as_users_do_asks_as_the_tls_end_where_there_is_no_certificate(tmp_path: Path) -> None:
    paths = edge(tmp_path, 8081, 8443)
    own = f"unix:{tmp_path}/run/own.sock"
    assert as_users(paths, {"url": "https://shop.example/health", "version": ""}) == [("http://shop.example/health", own)]
    assert as_users(paths, None) == [("http://shop.example/api", "127.0.0.1:8081")]


@pytest.mark.parametrize("name", ["compose.json", "conf/haproxy.cfg"])
def test_an_edge_whose_files_are_gone_says_which_and_what_mends_it(tmp_path: Path, name: str) -> None:
    paths = edge(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(EdgeError) as caught:
        asked(paths, "https://shop.example/health")
    expected = f"{tmp_path}/{name}: No such file or directory, so this host's edge cannot be asked; {MEND}"
    assert str(caught.value) == expected


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"services": {"haproxy": {"ports": ["80:8080"]}}}', '{"services": []}'])
def test_an_edge_whose_files_are_damaged_says_what_mends_it(tmp_path: Path, text: str) -> None:
    paths = edge(tmp_path)
    (tmp_path / "compose.json").write_text(text)
    with pytest.raises(EdgeError) as caught:
        asked(paths, "https://shop.example/health")
    assert str(caught.value) == f"{tmp_path}/compose.json does not say on which ports this host's edge listens; {MEND}"


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[str]:
    """A socket that answers one request with 200."""
    path = str(tmp_path / "own.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                head = connection.recv(65536).decode()
                body = head.partition("\r\n")[0] + head.partition("Host: ")[2].partition("\r\n")[0]
                connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

        threading.Thread(target=answer, daemon=True).start()
        yield path


def test_a_probe_asks_by_a_socket_of_this_host(listening: str) -> None:
    answer = HttpProbe()(Endpoint("edge", "http://shop.example/health", address=f"unix:{listening}"), 5.0)
    assert (answer.status, answer.body, answer.error) == (200, b"GET /health HTTP/1.1shop.example", "")


def test_an_edge_that_an_older_version_set_up_has_no_such_socket_and_says_what_makes_it(tmp_path: Path) -> None:
    answer = HttpProbe()(Endpoint("edge", "http://shop.example/health", address=f"unix:{tmp_path}/own.sock"), 5.0)
    assert answer.error == f"{tmp_path}/own.sock does not exist; run playbooks/provision.yml --tags edge"
