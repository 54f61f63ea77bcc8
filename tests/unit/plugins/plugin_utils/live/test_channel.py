from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.live import channel


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("_reader", "_writer"):
        monkeypatch.setattr(channel, name, -1)
    yield
    for end in (channel._reader, channel._writer):
        if end >= 0:
            os.close(end)


def test_without_anybody_who_shows_it_nothing_is_sent() -> None:
    channel.send("app-1", {"event": "gate"})
    assert (channel.is_watched(), channel.arrived()) == (False, [])


def test_what_a_forked_process_sends_arrives_in_order() -> None:
    channel.begin()
    child = os.fork()
    if child == 0:
        for number in range(3):
            channel.send("app-1", {"event": "gate", "attempts": number})
        os._exit(0)
    os.waitpid(child, 0)
    assert channel.arrived() == [{"event": "gate", "attempts": number, "host": "app-1"} for number in range(3)]
    assert channel.arrived() == []


def test_a_full_pipe_holds_nobody_up() -> None:
    channel.begin()
    for _ in range(1000):
        channel.send("app-1", {"event": "gate", "last": "x" * 300})
    found = channel.arrived()
    assert 0 < len(found) < 1000
    channel.send("app-1", {"event": "begin"})
    assert channel.arrived()[-1]["event"] == "begin"


def test_what_is_too_long_to_arrive_in_one_piece_is_cut() -> None:
    channel.begin()
    channel.send("app-1", {"event": "started", "replicas": ["\u20ac" * 300] * 9})
    [found] = channel.arrived()
    assert (found["event"], found["host"], len(found["replicas"])) == ("started", "app-1", 3)
