"""The module as Ansible runs it, against a server on 127.0.0.1."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base import clock
from ansible_collections.morpheus.deploy.plugins.modules import health_gate

from tests.unit.clock import Clock
from tests.unit.module_run import run_module


class Application(BaseHTTPRequestHandler):
    """Answers /health as release 1.2.0, any other path with 503."""

    def do_GET(self) -> None:
        good = self.path == "/health"
        body = json.dumps({"version": "1.2.0", "host": self.headers["Host"], "probe": self.headers["X-Probe"]}).encode()
        self.send_response(200 if good else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Application) as found:
        threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"127.0.0.1:{found.server_port}"
        found.shutdown()


@pytest.fixture
def _in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses pass at once, so a deadline is one of attempts and none of this machine's speed."""
    monkeypatch.setattr(clock, "SystemClock", Clock)


def run(capsys: pytest.CaptureFixture[str], *endpoints: dict[str, Any], **options: Any) -> dict[str, Any]:
    """What the module prints for ``endpoints``; quick, unless ``options`` say otherwise."""
    quick = {"interval_seconds": 0.01, "timeout_seconds": 30, "deadline_seconds": 60}
    return run_module(health_gate, capsys, {"endpoints": list(endpoints)} | quick | options)


def test_endpoints_that_are_well_are_returned_with_what_was_seen(capsys: pytest.CaptureFixture[str], server: str) -> None:
    result = run(capsys, {"url": f"http://{server}/health", "name": "api"}, {"url": f"http://{server}/other", "status": 503})
    assert result["changed"] is False
    one, two = result["endpoints"]
    assert (one["name"], one["healthy"], one["attempts"], one["failures"], one["status"]) == ("api", True, 3, 0, 200)
    assert two["name"] == f"http://{server}/other"
    assert one["latency_seconds"]["max"] < 30


@pytest.mark.usefixtures("_in_no_time")
def test_an_endpoint_that_is_not_well_fails_with_its_last_answer_and_all_the_counts(
    capsys: pytest.CaptureFixture[str], server: str
) -> None:
    result = run(capsys, {"url": f"http://{server}/other", "name": "api"}, deadline_seconds=30, interval_seconds=10)
    assert result["failed"] is True
    assert result["msg"].startswith("api was not healthy 3 times in a row within 30 s: after 3 attempts in 30.0 s ")
    assert 'the last answer was: status 503 where 200 is expected: {"version": "1.2.0"' in result["msg"]
    assert result["endpoints"][0]["failures"] == result["endpoints"][0]["attempts"] == 3


@pytest.mark.usefixtures("_in_no_time")
def test_the_release_that_is_attested_must_be_the_one_that_was_asked_for(capsys: pytest.CaptureFixture[str], server: str) -> None:
    endpoint = {"url": f"http://{server}/health", "version": "version"}
    assert "failed" not in run(capsys, endpoint | {"release": "1.2.0"})
    result = run(capsys, endpoint | {"release": "1.3.0"}, deadline_seconds=30, interval_seconds=10)
    assert result["msg"].endswith(
        'the last answer was: its version is "1.2.0" where "1.3.0" is expected, and that in good answers for 10 s, '
        "so it will not change"
    )


def test_an_expression_address_and_headers_reach_the_server(capsys: pytest.CaptureFixture[str], server: str) -> None:
    endpoint = {
        "url": "http://www.example.com/health",
        "address": server,
        "headers": {"X-Probe": "gate"},
        "expect": "host == 'www.example.com' && probe == 'gate'",
    }
    assert "failed" not in run(capsys, endpoint)


REFUSED = [
    pytest.param(
        {"expect": "version =="},
        {},
        "endpoints[0].expect: 'version ==' is not a JMESPath expression: ",
        id="an expression that is none",
    ),
    pytest.param(
        {"version": "a b"}, {}, "endpoints[0].version: 'a b' is not a JMESPath expression: ", id="a version that is no expression"
    ),
    pytest.param({}, {"successes": 0}, "successes must be 1 or more, ", id="no success"),
    pytest.param({}, {"timeout_seconds": 0}, "successes must be 1 or more, ", id="no time for an answer"),
    pytest.param({}, {"deadline_seconds": -1}, "successes must be 1 or more, ", id="a deadline that has passed"),
    pytest.param({}, {"interval_seconds": -1}, "successes must be 1 or more, ", id="a pause below nothing"),
]


@pytest.mark.parametrize(("endpoint", "options", "message"), REFUSED)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(
    capsys: pytest.CaptureFixture[str], endpoint: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    result = run(capsys, {"url": "http://192.0.2.1/health"} | endpoint, **options)
    assert result["failed"] is True
    assert result["msg"].startswith(message)


def test_check_mode_asks_too(capsys: pytest.CaptureFixture[str], server: str) -> None:
    result = run(capsys, {"url": f"http://{server}/health"}, _ansible_check_mode=True)
    assert result["endpoints"][0]["healthy"] is True
