from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.live.board import COUNT_SECONDS, Board

BEGIN = {"event": "begin", "release": "1.1.0", "kind": "deploy", "steps": 12}


def step(event: str, action: str, text: str, *replicas: str) -> dict[str, Any]:
    return {"event": event, "service": "api", "action": action, "text": f"api: {text}", "replicas": list(replicas)}


def gate(attempt: int, last: str, name: str = "api-3") -> dict[str, Any]:
    return {"event": "gate", "service": "api", "replica": name, "attempts": attempt, "last": last}


ROLLOUT = [
    (BEGIN, "switches to 1.1.0 in 12 steps"),
    (step("intent", "start", "start 1 candidate"), "api: start 1 candidate"),
    ({"event": "started", "service": "api", "replicas": ["api-3"]}, "api: started api-3"),
    (step("intent", "gate", "gate 1 candidate"), "api: gate 1 candidate"),
    (gate(1, "connection refused"), "api: gate api-3, attempt 1: connection refused"),
    (gate(4, 'status 503, expected 200: "starting"'), 'api: gate api-3, attempt 4: status 503, expected 200: "starting"'),
    (
        {"event": "judged", "service": "api", "replica": "api-3", "attempts": 9, "healthy": True, "last": ""},
        "api: api-3 passed its gate, 9 attempts",
    ),
    (step("done", "gate", "gate 1 candidate"), ""),
    (step("intent", "admit", "admit 1 candidate at the edge"), "api: admit 1 candidate at the edge"),
    (step("done", "admit", "admit 1 candidate at the edge"), "api: admitted api-3"),
    (step("intent", "watch", "watch 1 candidate for 5 s"), "api: watch 1 candidate for 5 s"),
    (
        {"event": "users", "service": "api", "requests": 812, "errors": 0},
        "api: watching, 0 errors in 812 requests of users so far",
    ),
    (step("intent", "await", "wait for open requests on api-1 to finish (at most 30 s)", "api-1"), "api: wait for open requests"),
    ({"event": "requests", "service": "api", "replicas": ["api-1"], "left": 3}, "api: draining api-1, 3 requests left"),
    ({"event": "requests", "service": "api", "replicas": ["api-1"], "left": 0}, "api: draining api-1, 0 requests left"),
    ({"event": "killed", "service": "api", "text": "api: api-1 did not end"}, "api: api-1 did not end"),
    (
        {"event": "asks", "service": "edge", "url": "https://shop.example/health"},
        "edge: ask the host's own edge for https://shop",
    ),
]


def test_each_step_of_a_rollout_is_said_in_a_line() -> None:
    board = Board()
    said = [" ".join(board.saw({**event, "host": "app-1"}, float(number))) for number, (event, _) in enumerate(ROLLOUT)]
    for line, (_, expected) in zip(said, ROLLOUT, strict=True):
        assert line.startswith(expected), line
        assert bool(line) == bool(expected)


def test_what_each_replica_does_is_known_at_every_moment() -> None:
    board, states = Board(), []
    for event, _ in ROLLOUT:
        board.saw({**event, "host": "app-1"}, 0.0)
        states.append({name: one.state for name, one in board.hosts["app-1"].replicas.items()})
    assert [state.get("api-3") for state in states] == [
        *(None, None, "started", "started", "gate", "gate", "passed its gate", "passed its gate", "passed its gate"),
        *("admitted", "admitted", "watched", "watched", "watched", "watched", "watched", "watched"),
    ]
    assert states[-1]["api-1"] == "draining"
    board.saw({**step("done", "remove", "remove api-1", "api-1"), "host": "app-1"}, 0.0)
    assert "api-1" not in board.hosts["app-1"].replicas


def test_an_answer_that_stays_the_same_is_not_said_again_at_once() -> None:
    board = Board()
    lines = [
        board.saw({**gate(number, last), "host": "app-1"}, when)
        for number, (last, when) in enumerate([("503", 0.0), ("503", 0.5), ("refused", 0.6), ("refused", 0.6 + COUNT_SECONDS)])
    ]
    assert [bool(one) for one in lines] == [True, False, True, True]
    assert board.hosts["app-1"].replicas["api-3"].detail == "attempt 3: refused"


def test_a_candidate_that_fails_is_said_with_its_last_answer() -> None:
    board = Board()
    board.saw({**step("intent", "watch", "watch 1 candidate for 5 s"), "host": "app-1"}, 0.0)
    judged = {"event": "judged", "service": "api", "replica": "api-3", "attempts": 9, "healthy": False, "last": "status 500"}
    assert board.saw({**judged, "host": "app-1"}, 1.0) == ["api: api-3 failed its watch, 9 attempts: status 500"]
    assert board.saw({**step("failed", "watch", "watch 1 candidate"), "host": "app-1"}, 1.0) == ["api: watch 1 candidate: failed"]
    bad = {"event": "bad", "why": "status 500", "host": "app-1"}
    assert board.saw(bad, 2.0) == ["takes back what it has begun: status 500"]


def test_steps_that_were_done_since_the_last_event_are_said_at_the_end() -> None:
    board = Board()
    board.begin("app-1", 10.0)
    for event in (BEGIN, step("intent", "stop", "stop api-1", "api-1")):
        board.saw({**event, "host": "app-1"}, 11.0)
    result = {"steps": ["api: stop api-1", "api: remove api-1"], "release": "1.1.0"}
    assert board.end("app-1", result, 14.0, failed=False) == ["api: remove api-1"]
    host = board.hosts["app-1"]
    assert (host.state, host.seconds(99.0), host.release, host.replicas) == ("done", 4.0, "1.1.0", {})
    # What comes late changes nothing any more.
    assert board.saw({**step("intent", "remove", "remove api-1", "api-1"), "host": "app-1"}, 15.0) == []


def test_of_a_host_that_could_not_be_followed_no_step_is_said_at_the_end() -> None:
    board = Board()
    board.begin("app-1", 0.0)
    assert board.end("app-1", {"steps": ["api: stop api-1"]}, 1.0, failed=False) == []


def test_hosts_are_counted_by_what_they_do() -> None:
    board = Board()
    board.expect(["app-1", "app-2", "app-3"])
    board.begin("app-1", 0.0)
    board.begin("app-2", 0.0)
    board.end("app-1", {}, 1.0, failed=True)
    assert {state: board.count(state) for state in ("waiting", "at work", "failed", "done")} == {
        "waiting": 1,
        "at work": 1,
        "failed": 1,
        "done": 0,
    }


@pytest.mark.parametrize(
    "event",
    [
        {"event": "of a newer version", "host": "app-1"},
        {"event": "gate"},
        {"event": "intent", "replicas": "no list", "host": ["app-1"]},
        {"event": "_step", "host": "app-1"},
        {},
    ],
)
def test_an_event_that_is_not_as_expected_is_no_error(event: dict[str, Any]) -> None:
    Board().saw(event, 0.0)


def test_nothing_that_an_application_says_acts_on_the_terminal() -> None:
    board = Board()
    [line] = board.saw({**gate(1, "\x1b[2J\x1b]0;mine\x07\r\nowned \u202eevil"), "host": "app-1\x1b[1A"}, 0.0)
    assert "\x1b" not in line
    assert "\n" not in line
    assert "\u202e" not in line
    assert [name for name in board.hosts if "\x1b" in name] == []
