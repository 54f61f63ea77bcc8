"""What health endpoints say of what they depend on, in the ways of their frameworks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.health.dependencies import LONGEST, MOST, down

DOCUMENTS = [
    pytest.param({"dependencies": {"database": "ok", "ml": "down: HTTP 401"}}, {"ml": "down: HTTP 401"}, id="words"),
    pytest.param({"dependencies": {"ml": False, "db": True}}, {"ml": "down"}, id="true or false"),
    pytest.param(
        {"status": "DOWN", "components": {"db": {"status": "DOWN", "details": {"error": "x"}}, "disk": {"status": "UP"}}},
        {"db": "DOWN"},
        id="Spring",
    ),
    pytest.param(
        {"status": "Unhealthy", "entries": {"redis": {"status": "Unhealthy", "description": "no answer", "duration": "1s"}}},
        {"redis": "Unhealthy: no answer"},
        id="ASP.NET",
    ),
    pytest.param(
        {"status": "error", "details": {"db": {"status": "down", "message": "refused"}, "s3": {"status": "up"}}},
        {"db": "down: refused"},
        id="Terminus",
    ),
    pytest.param(
        {"checks": {"db:connections": [{"status": "pass"}], "ml:answers": [{"status": "fail", "output": "401"}]}},
        {"ml:answers": "fail: 401"},
        id="the health+json draft",
    ),
    pytest.param(
        {"checks": [{"name": "db", "status": "DOWN"}, {"name": "ml", "status": "UP"}]}, {"db": "DOWN"}, id="MicroProfile"
    ),
    pytest.param({"dependencies": {"ml": {"healthy": False, "error": "401"}}}, {"ml": "down: 401"}, id="healthy or not"),
    pytest.param({"dependencies": {"ml": "unknown", "db": None, "s3": 3, "x": {}}}, {}, id="words that are no alarm"),
    pytest.param({"dependencies": "down", "checks": 3, "status": "down"}, {}, id="no mapping"),
    pytest.param([{"dependencies": {"ml": "down"}}], {}, id="a list"),
]


@pytest.mark.parametrize(("document", "found"), DOCUMENTS)
def test_what_is_down_is_found_and_nothing_else(document: Any, found: dict[str, str]) -> None:
    assert down(json.dumps(document).encode()) == found


@pytest.mark.parametrize("body", [b"", b"ok", b"\xff", b'{"dependencies": {"ml": "down'])
def test_what_is_no_json_says_nothing(body: bytes) -> None:
    assert down(body) == {}


def test_what_an_application_says_stays_on_its_line_and_shows_no_password() -> None:
    said = {"db\x1b[31m\n": "down: postgres://shop:secret@db.example/shop\r\nVERDICT deployed", "x": "down " + "x" * 500}
    found = down(json.dumps({"dependencies": said}).encode())
    assert found["db"] == "down: postgres://***@db.example/shop VERDICT deployed"
    assert len(found["x"]) == LONGEST
    assert len(down(json.dumps({"checks": dict.fromkeys(map(str, range(100)), False)}).encode())) == MOST
