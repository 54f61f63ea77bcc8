"""Of what people are told at the end of a run, and in which words."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.notify import hooks
from ansible_collections.morpheus.deploy.plugins.plugin_utils.notify.events import SENTENCES, WORDS, of_end, said, words_of_end


def verdict(word: str = "deployed", *, failed: bool = False, **more: Any) -> dict[str, Any]:
    return {
        "verdict": word,
        "failed": failed,
        "playbook": "deploy",
        "environment": "staging",
        "release": "1.1.0",
        "previous": "1.0.0",
        "hosts": {"app-2": {"release": "1.1.0"}, "app-1": {"release": ""}},
        "lease": {"reason": "deploy 1.1.0", "owner": "anna@laptop", "token": 7},
        "seconds": 14.2,
        "messages": [],
        **more,
    }


ENDS = [
    (verdict(), ("success",), ["after_deploy"]),
    (verdict("unchanged"), ("success",), ["after_deploy"]),
    (verdict("deployed", playbook="restart"), ("success",), []),
    (verdict("refused", failed=True), ("failure",), ["on_failure"]),
    (verdict("mixed", failed=True), ("failure",), ["on_failure"]),
    (verdict("failed", failed=True, playbook="rotate_secrets"), ("failure",), ["on_failure"]),
    (verdict("rolled_back", failed=True), ("rollback", "failure"), ["on_failure", "after_rollback"]),
    (verdict("rolled_back", playbook="rollback"), ("rollback", "success"), ["after_rollback"]),
    # A playbook of somebody's own.
    (verdict(playbook=""), ("success",), ["after_deploy"]),
]


@pytest.mark.parametrize(("ended", "events", "called"), ENDS, ids=[f"{one['playbook']} {one['verdict']}" for one, _, _ in ENDS])
def test_the_events_and_hooks_of_an_end(ended: dict[str, Any], events: tuple[str, ...], called: list[str]) -> None:
    assert (of_end(ended), hooks.of_end(ended)) == (events, called)


def test_each_event_has_a_sentence_of_words_that_it_has() -> None:
    assert set(SENTENCES) == set(WORDS)
    for event, words in WORDS.items():
        assert "<environment>" in said(event, {word: f"<{word}>" for word in words}, {})


def test_a_run_that_never_had_the_lease_is_named_by_what_was_typed() -> None:
    words = words_of_end(verdict("refused", failed=True, lease={}, hosts={}, messages=["app-1 is\nproduction's"]), "ben@desk")
    assert said("failure", words, {}) == (
        "staging: deploy 1.1.0 ended as refused after 14.2 s, by ben@desk\napp-1 is\nproduction's"
    )


def test_of_several_stacks_the_word_of_each_is_told() -> None:
    stacks = {"gateway": verdict("rolled_back", failed=True), "shop": verdict()}
    words = words_of_end(verdict("mixed", failed=True, stacks=stacks), "")
    assert words["hosts"] == "gateway: rolled_back, shop: deployed"
    told = hooks.facts("on_failure", verdict("mixed", failed=True, stacks=stacks), words)
    assert told["stacks"]["gateway"] == {"verdict": "rolled_back", "failed": True, "release": "1.1.0", "previous": "1.0.0"}


def test_a_word_moves_no_cursor_and_is_no_template() -> None:
    words = {"environment": "staging", "what": "deploy \x1b[2J{owner}", "owner": "anna"}
    assert said("start", words, {}) == "staging: deploy \\x1b[2J{owner} has begun, by anna"
