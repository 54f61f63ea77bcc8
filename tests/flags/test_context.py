"""Every answer says which environment and release it comes from, and one image of the page serves all environments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flags.world import Delivered, Served, serving

LABELS = {"x-environment": "staging", "x-release": "1.2.0"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for all: nothing here changes what it says."""
    place = tmp_path_factory.mktemp("context")
    delivered = Delivered(place / "shop")
    delivered.share(0)
    with serving("api", place, {"FLAGS_FILE": str(delivered.path)}) as found:
        yield found


def labels(served: Served, path: str, method: str = "GET") -> tuple[int, dict[str, str]]:
    answer = served.client.request(method, served.url + path)
    return answer.status_code, {name: answer.headers[name] for name in LABELS if name in answer.headers}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/context", 200),
        ("GET", "/api/version", 200),
        ("GET", "/health", 503),
        ("GET", "/nothing", 404),
        ("PUT", "/api/version", 405),
        ("POST", "/api/stories", 422),
        ("GET", "/api/stories/1", 503),
    ],
)
def test_every_answer_of_the_api_says_where_it_comes_from(api: Served, method: str, path: str, status: int) -> None:
    assert labels(api, path, method) == (status, LABELS)


@pytest.mark.parametrize(
    ("more", "path", "status"),
    [({"API_READY_SECONDS": "3600"}, "/health", 503), ({"FAULT": "broken"}, "/api/version", 500)],
    ids=["not ready yet", "broken"],
)
@pytest.mark.deep
def test_so_does_an_answer_from_before_the_application(tmp_path: Path, more: dict[str, str], path: str, status: int) -> None:
    with serving("api", tmp_path, more) as api:
        assert labels(api, path) == (status, LABELS)


def test_so_does_a_websocket(api: Served) -> None:
    from websockets.sync.client import connect

    with connect(api.url.replace("http", "ws") + "/api/ws") as socket:
        socket.send("hello")
        assert socket.recv() == "hello"
        assert socket.response is not None
        assert {name: socket.response.headers[name] for name in LABELS} == LABELS


@pytest.mark.parametrize(
    ("environment", "api_url", "connects"),
    [
        ("production", "", "'self';"),
        ("staging", "https://api.example.com:8443/v1/", "'self' https://api.example.com:8443;"),
        ('</script><b a="1">', "", "'self';"),
    ],
)
def test_the_page_learns_at_run_time_where_it_is_and_whom_to_ask(
    tmp_path: Path, environment: str, api_url: str, connects: str
) -> None:
    with serving("web", tmp_path, {"APP_ENVIRONMENT": environment, "API_URL": api_url}) as web:
        answer = web.get("/")
        page = answer.text
        found = re.search(r'<script id="context" type="application/json">(.*?)</script>', page)
        assert found
        assert json.loads(found[1]) == {"environment": environment, "release": "1.2.0", "api": api_url.rstrip("/")}
        assert f"connect-src {connects}" in page
        assert page.count("</script>") == 2
        assert answer.headers["x-release"] == "1.2.0"
        assert web.get("/healthz").json() == {"status": "ok", "version": "1.2.0"}
