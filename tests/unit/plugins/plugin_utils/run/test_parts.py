"""The word of a run for several stacks is true of each of them, and screen and history show each."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import parts
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.verdict import Run


def of(word: str, *, failed: bool = False, release: str = "1.1.0", **more: Any) -> dict[str, Any]:
    run = Run(started=1.0, environment="staging", release=release, release_id=f"{release}-b", is_deploy=True)
    return {**run.verdict(2.0, check_mode=False), "verdict": word, "failed": failed, **more}


def bad(word: str, message: str = "the gate was not passed") -> dict[str, Any]:
    return of(word, failed=True, messages=[message])


AWAY_HOST = {"release": "", "problem": "it could not be reached", "kept_off": True}
SKIPPED = parts.not_tried("it was left as it is, because a failed", failed=True)
AWAY = parts.not_tried("--limit leaves none of its hosts", failed=False)
WORDS = [
    pytest.param([of("deployed"), of("unchanged")], "deployed", id="one changed"),
    pytest.param([of("unchanged"), of("unchanged")], "unchanged", id="nothing to do"),
    pytest.param([of("rolled_back"), of("rolled_back")], "rolled_back", id="asked for"),
    pytest.param([of("checked"), of("checked")], "checked", id="check mode"),
    pytest.param([of("deployed"), AWAY], "deployed", id="one has no host"),
    pytest.param([bad("refused"), SKIPPED], "refused", id="none was begun"),
    pytest.param([bad("refused"), of("unchanged")], "refused", id="refused, and nothing to do"),
    pytest.param([bad("rolled_back"), bad("refused"), SKIPPED], "rolled_back", id="all as before"),
    pytest.param([bad("failed"), of("unchanged")], "failed", id="failed alone"),
    pytest.param([bad("rolled_back"), of("deployed")], "mixed", id="a broken one and a good one"),
    pytest.param([bad("refused"), of("deployed")], "mixed", id="a refused one and a good one"),
    pytest.param([bad("failed"), bad("rolled_back")], "mixed", id="two ways to fail"),
    pytest.param([bad("refused"), of("rolled_back")], "mixed", id="one went back as asked"),
    pytest.param([parts.without_word("a", -9), of("unchanged")], "mixed", id="one was killed"),
]


@pytest.mark.parametrize(("verdicts", "word"), WORDS)
def test_the_word_is_true_of_every_stack(verdicts: list[dict[str, Any]], word: str) -> None:
    whole = parts.combined(of("unchanged"), {str(number): one for number, one in enumerate(verdicts)})
    assert (whole["verdict"], whole["failed"]) == (word, any(one["failed"] for one in verdicts))


@pytest.mark.parametrize(("word", "expected"), [("deployed", "mixed"), ("unchanged", "refused")])
def test_a_run_that_was_interrupted_between_two_stacks_has_not_deployed_all(word: str, expected: str) -> None:
    whole = parts.combined(bad("refused", "interrupted by Ctrl-C"), {"a": of(word)})
    assert (whole["verdict"], whole["failed"]) == (expected, True)


def two() -> dict[str, Any]:
    host = {
        "release": "1.0.0",
        "release_id": "1.0.0-a",
        "seen": True,
        "removing": False,
        "mixed": False,
        "lost": False,
        "live_files": [],
        "plan": [],
    }
    counts = {"drained": 0, "cut": 0, "left_behind": 0, "errors": 0, "interrupted": {}}
    broken = bad("rolled_back") | {"previous": "1.0.0", "previous_id": "1.0.0-a", "hosts": {"app-1": {**host, **counts}}}
    good = of("deployed", release="2.0.0", left_out={"app-2": AWAY_HOST})
    skipped = parts.not_tried("it was left as it is, because a failed", failed=True)
    return parts.combined(of("unchanged", release=""), {"a": broken, "b": good, "c": skipped})


def test_the_screen_shows_each_stack() -> None:
    assert parts.lines(two(), "verdict.json") == [
        "VERDICT mixed: staging, 3 stacks in 2.0 s",
        "  a: rolled_back 1.1.0 (was 1.0.0)",
        "    app-1 runs 1.0.0",
        "    the gate was not passed",
        "  b: deployed 2.0.0",
        "    left out by --limit: app-2, and nobody knows what it runs: it could not be reached. The balancer sends nobody there "
        "until it has the same release: deploy again when it is back, without --limit",
        "  c: not tried",
        "    it was left as it is, because a failed",
        "  details: verdict.json",
    ]


def test_the_history_keeps_each_stack() -> None:
    line = parts.history_line(two())
    assert (line["verdict"], line["to"], line["why"]) == ("mixed", "a 1.1.0, b 2.0.0", "a: the gate was not passed")
    assert line["kept_off"] == ["app-2"]
    assert line["stacks"]["a"] == {
        "verdict": "rolled_back",
        "kind": "deploy",
        "from": "1.0.0",
        "from_id": "1.0.0-a",
        "to": "1.1.0",
        "to_id": "1.1.0-b",
        "hosts": {"app-1": "1.0.0"},
        "left_out": {},
        "interrupted": [],
        "why": "the gate was not passed",
    }
    assert line["stacks"]["c"] == {"verdict": "not_tried", "why": "it was left as it is, because a failed"}


def test_the_history_keeps_of_each_stack_what_a_rollback_was_judged_by() -> None:
    seen = {"source": "live", "host": "app-1", "at": "2026-07-01T12:00:00Z", "head": "0003", "why": ""}
    whole = parts.combined(of("unchanged", release=""), {"a": of("rolled_back", schema=seen), "b": of("rolled_back")})
    stacks = parts.history_line(whole)["stacks"]
    assert (stacks["a"]["schema"], "schema" in stacks["b"]) == (seen, False)
