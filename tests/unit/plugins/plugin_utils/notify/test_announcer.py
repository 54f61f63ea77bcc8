"""When people are told, and that nothing of it breaks a run. What arrives is tried by tests/plays/test_notifications.py."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
from ansible_collections.morpheus.deploy.plugins.plugin_utils.notify import configured, events, programs
from ansible_collections.morpheus.deploy.plugins.plugin_utils.notify.announcer import Announcer
from ansible_collections.morpheus.deploy.plugins.plugin_utils.notify.channels import told
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.ends import Seen

CANARY = "https://hooks.example/url-canary"
SEEN = Seen(("deploy",), "staging")
TAKEN = {"token": 7, "granted_by": ["app-1"], "again": 0, "owner": "anna@laptop", "reason": "deploy 1.1.0", "taken_over": None}
VERDICT: dict[str, Any] = {
    "verdict": "deployed",
    "failed": False,
    "playbook": "deploy",
    "environment": "staging",
    "lease": {},
    "hosts": {},
    "messages": [],
    "seconds": 1.0,
    "check_mode": False,
}


class World:
    """``sent``: events of what was sent; ``called``: hooks. What each of them ends with can be set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[str] = []
        self.called: list[str] = []
        self.why: Any = ""
        self.problem: Any = ""
        channels = {"channels": [{"name": "ops", "kind": "webhook", "url": CANARY}]}
        hooks = {name: {"command": ["true"]} for name in ("after_deploy", "on_failure", "after_rollback")}
        found = told(channels, hooks, specifications.options("preflight"))
        monkeypatch.setattr(configured, "of_play", lambda play: found)
        monkeypatch.setattr(
            programs, "sender", lambda line, seconds: self.sent.append(json.loads(json.loads(line)["body"])["event"])
        )
        monkeypatch.setattr(programs, "not_sent", lambda program: self._ends(self.why))
        monkeypatch.setattr(programs, "called", self._call)

    def _call(self, name: str, hook: Any, line: str, known: Any) -> str:
        self.called.append(name)
        return self._ends(self.problem)

    @staticmethod
    def _ends(how: Any) -> str:
        if isinstance(how, str):
            return how
        raise how


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def notices(one: Announcer, *, is_part: bool = False, **more: Any) -> list[str]:
    found = one.ended({**VERDICT, **more}, None, is_part=is_part)
    said: list[str] = found.get("notices", [])
    return said


def test_the_start_is_told_once_when_the_hosts_have_granted_the_lease(world: World) -> None:
    one = Announcer()
    for result in ({**TAKEN, "again": 9}, {**TAKEN, "failed": True}, {**TAKEN, "token": 0}):
        one.saw("lease", result, None, SEEN)
        assert world.sent == []
    for _ in range(2):
        one.saw("lease", TAKEN, None, SEEN)
        assert world.sent == ["start"]


def test_in_check_mode_nothing_is_told(world: World) -> None:
    one = Announcer()
    one.saw("lease", TAKEN, None, Seen(("deploy",), "staging", check_mode=True))
    assert notices(one, check_mode=True) == []
    assert (world.sent, world.called) == ([], [])


def test_a_part_for_one_of_several_stacks_tells_nobody(world: World) -> None:
    assert notices(Announcer(), is_part=True) == []
    assert (world.sent, world.called) == ([], [])


def test_what_was_not_told_is_a_notice_without_the_secrets_of_the_channel(world: World) -> None:
    world.why = f"{CANARY} is gone"
    world.problem = f"the hook after_deploy (tell) ended with exit status 1; it said:\n{CANARY}"
    assert notices(Announcer()) == [
        "the hook after_deploy (tell) ended with exit status 1; it said:\n***",
        "ops was not told of success: *** is gone",
    ]


def test_whoever_interrupts_what_is_told_still_gets_a_verdict(world: World) -> None:
    world.why = world.problem = KeyboardInterrupt()
    assert notices(Announcer(), verdict="rolled_back", failed=True) == [
        "the hook on_failure was stopped: the run was interrupted",
        "the hook after_rollback was stopped: the run was interrupted",
        "ops was not told of rollback: the run was interrupted",
    ]
    assert world.called == ["on_failure", "after_rollback"]


def test_a_mistake_of_ours_is_a_notice_and_no_end_of_the_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken(*_: Any) -> dict[str, str]:
        raise KeyError("nothing")

    monkeypatch.setattr(events, "words_of_end", mistaken)
    assert notices(Announcer()) == ["notifications and hooks were left out: a mistake in this collection, KeyError"]


def test_of_a_run_that_has_no_play_nothing_is_known() -> None:
    assert configured.of_play(None).channels == ()
    assert notices(Announcer()) == []
