from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import reach
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.reach import Namespace, Target, Trial

NOWHERE = "nowhere.invalid"


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port(port: int) -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_what_listens_is_reached_and_what_does_not_is_refused(port: int, closed_port: int) -> None:
    targets = [Target("127.0.0.1", port), Target("127.0.0.1", closed_port)]
    assert Trial(targets, 3.0).start().results() == [
        {"outcome": "connected", "detail": "127.0.0.1 connected"},
        {"outcome": "refused", "detail": "127.0.0.1 refused"},
    ]


def test_where_a_name_is_unknown_the_address_is_tried(port: int) -> None:
    assert reach.attempt(Target(NOWHERE, port, "127.0.0.1"), 3.0) == {
        "outcome": "connected",
        "detail": "nowhere.invalid is unknown there, 127.0.0.1 connected",
    }


def test_an_unknown_name_alone_is_no_attempt(port: int) -> None:
    assert reach.attempt(Target(NOWHERE, port), 3.0)["outcome"] == "name unknown"


def test_an_address_is_tried_beside_what_the_name_means(port: int) -> None:
    """A name that leads elsewhere must not hide that the address answers."""
    found = reach.attempt(Target("127.0.0.2", port, "127.0.0.1"), 3.0)
    assert found == {"outcome": "connected", "detail": "127.0.0.1 connected, 127.0.0.2 refused"}


def test_a_namespace_that_cannot_be_entered_is_no_attempt(port: int) -> None:
    [found] = Trial([Target("127.0.0.1", port)], 3.0, Namespace(2**30)).start().results()
    assert found["outcome"] == "not tried"
    assert "could not be entered" in found["detail"]


def test_an_attempt_that_does_not_end_is_said(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "_SPARE_SECONDS", 0.2)
    monkeypatch.setattr(reach, "attempt", lambda *_: __import__("time").sleep(60))
    [found] = Trial([Target("127.0.0.1", port)], 0.0).start().results()
    assert found == {"outcome": "not tried", "detail": "the attempt did not end"}
