"""The edge's log, as a real HAProxy writes it: one line of JSON for each request, with an id that no stranger chooses."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any

import pytest

from tests.edge_lab.test_forwarded import SITE, STRANGER, TLS_END, App, Edge, running
from tests.hangs import HANGS_AFTER_SECONDS

OWN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Everything that a stranger or a broken proxy may send in its place.
MALFORMED = (
    "",
    "short",
    "x" * 65,
    "an id with blanks",
    'a"quote-in-it',
    "two-of-them-1, two-of-them-2",
    "\\x1b[31mcolours",
    "line%0abreak-here",
)


@pytest.fixture(scope="module")
def edge() -> Iterator[Edge]:
    with running(edge_trusted_proxies=[TLS_END]) as found:
        yield found


def lines(edge: Edge) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (edge.paths.root / "haproxy.log").read_text().splitlines() if line.startswith("{")]


def line_of(edge: Edge, path: str) -> dict[str, Any]:
    deadline = time.monotonic() + HANGS_AFTER_SECONDS
    while True:
        for line in lines(edge):
            if line.get("path") == path:
                return line
        assert time.monotonic() < deadline, lines(edge)
        time.sleep(0.01)


def test_a_request_is_one_line_that_says_whose_it_was_and_how_it_ended(edge: Edge) -> None:
    before = datetime.now(UTC)
    answer = edge.ask(STRANGER, {"User-Agent": "someone"}, path="/comics/7")
    line = line_of(edge, "/comics/7")
    assert before.timestamp() - 1 < datetime.fromisoformat(line["time"]).timestamp() < datetime.now(UTC).timestamp() + 1
    numbers = {name: line.pop(name) for name in ("bytes", "queue_ms", "connect_ms", "answer_ms", "total_ms")}
    assert all(isinstance(number, int) and number >= 0 for number in numbers.values())
    assert line.pop("time").endswith("Z")
    assert [line.pop("request_id")] == answer.header("X-Request-Id")
    assert line == {
        "source": "edge",
        "environment": "staging",
        "host": "app-1",
        "client": STRANGER,
        "scheme": "http",
        "method": "GET",
        "site": SITE,
        "path": "/comics/7",
        "status": 200,
        "frontend": "http",
        "backend": "test.web",
        "server": "s1",
        "address": "127.0.0.1",
        "ended": "--",
        "retries": 0,
    }


def test_no_query_header_or_cookie_gets_into_the_log(edge: Edge) -> None:
    secret = "hunter2-hunter2"
    edge.ask(STRANGER, {"Authorization": f"Bearer {secret}", "Cookie": f"session={secret}"}, path=f"/login?token={secret}")
    assert line_of(edge, "/login")["status"] == 200
    assert secret not in (edge.paths.root / "haproxy.log").read_text()


def test_what_a_stranger_writes_into_a_request_stays_one_line_without_control_characters(edge: Edge) -> None:
    seen = edge.ask(STRANGER, {}, path='/a%1b[2J"{}\\', host='sh"op.example').header("X-Request-Id")
    edge.ask(STRANGER, {}, path="/after")
    line_of(edge, "/after")
    text = (edge.paths.root / "haproxy.log").read_text()
    assert "\x1b" not in text
    [line] = [line for line in lines(edge) if [line["request_id"]] == seen]
    assert line["site"] == 'sh"op.example'
    assert line["path"].startswith("/a%1b[2J")


@pytest.mark.parametrize("given", ["chosen-by-a-stranger", *MALFORMED])
def test_a_strangers_id_is_replaced(edge: Edge, given: str) -> None:
    for name in ("X-Request-Id", "x_request_id"):
        answer = edge.ask(STRANGER, {name: given}, path="/stranger")
        [seen] = answer.header("X-Request-Id")
        assert OWN_ID.fullmatch(seen)
        assert answer.header("x_request_id") == []


def test_who_stands_in_front_may_bring_an_id(edge: Edge) -> None:
    answer = edge.ask(TLS_END, {"X-Request-Id": "from-the-balancer.1"}, path="/balanced")
    assert answer.header("X-Request-Id") == ["from-the-balancer.1"]
    assert line_of(edge, "/balanced")["request_id"] == "from-the-balancer.1"


@pytest.mark.parametrize("given", MALFORMED)
def test_who_stands_in_front_may_bring_only_a_well_formed_one(edge: Edge, given: str) -> None:
    [seen] = edge.ask(TLS_END, {"X-Request-Id": given}).header("X-Request-Id")
    assert OWN_ID.fullmatch(seen)


def test_the_user_is_told_the_id_also_by_answers_of_the_edge_itself(edge: Edge) -> None:
    seen = edge.inside.submit(_told, "CONNECT", "shop.example:443").result()
    assert OWN_ID.fullmatch(seen)


def _told(method: str, path: str) -> str:
    with closing(HTTPConnection("127.0.0.1", 8080, timeout=HANGS_AFTER_SECONDS)) as connection:
        connection.request(method, path, headers={"Host": path})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 405
        return str(answer.headers["X-Request-Id"])


class Broken(App):
    """Answers /bad with an error."""

    def send_response(self, code: int, message: str | None = None) -> None:
        super().send_response(500 if self.path == "/bad" else code, message)


def test_with_the_level_error_good_answers_have_no_line() -> None:
    with running(Broken, edge_log_level="error") as edge:
        assert edge.ask(STRANGER, {}, path="/good").status == 200
        assert edge.ask(STRANGER, {}, path="/bad").status == 500
        assert line_of(edge, "/bad")["status"] == 500
        assert [line["path"] for line in lines(edge)] == ["/bad"]
