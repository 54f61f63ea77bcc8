from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.fleet import left_out, missing, runs, sentence, way_on

GROUP = ["a", "b", "c"]
LEFT = "is left out by --limit"
LOST = "was lost (it could not be reached, or a task failed on it)"


@pytest.mark.parametrize(
    ("present", "chosen", "sentences"),
    [
        pytest.param("abc", "abc", [], id="every host"),
        pytest.param("bc", "bc", [f"a {LEFT}"], id="one is left out"),
        pytest.param("ac", "abc", [f"b {LOST}"], id="one was lost"),
        pytest.param("c", "bc", [f"a {LEFT}", f"b {LOST}"], id="one of each"),
    ],
)
def test_a_missing_host_is_named_with_what_became_of_it(present: str, chosen: str, sentences: list[str]) -> None:
    assert missing(GROUP, present, chosen) == sentences


def info(**more: Any) -> dict[str, Any]:
    schema = {"head": "0001", "compatible_since": ""}
    return {"live": "1.0.0-1", "live_release": "1.0.0", "rolling": {}, "schema": schema, "changed": False, **more}


UNKNOWN = "left out by --limit: app-1, and nobody knows what it runs: "
AWAY = "it could not be reached. When it comes back it serves what it served before: deploy again then, without --limit"
ANSWERS = [
    pytest.param(info(), "1.0.0", "left out by --limit: app-1, which runs 1.0.0", id="a release"),
    pytest.param(info(live_release=""), "nothing", "left out by --limit: app-1, which runs nothing", id="no release yet"),
    pytest.param(
        info(rolling={"id": "1.1.0-1", "kind": "deploy"}),
        "1.0.0",
        "left out by --limit: app-1, which runs 1.0.0, in the middle of a rollout to 1.1.0-1",
        id="a rollout that was killed",
    ),
    pytest.param({"unreachable": True, "msg": "ssh: no"}, "unknown", f"{UNKNOWN}{AWAY}", id="out of reach"),
    pytest.param(
        {"failed": True, "msg": "no engine\nmore words"}, "unknown", f"{UNKNOWN}no engine", id="the engine does not answer"
    ),
    pytest.param({"failed": True}, "unknown", f"{UNKNOWN}it gave no answer", id="no words at all"),
]


@pytest.mark.parametrize(("answer", "short", "line"), ANSWERS)
def test_what_a_host_runs_that_is_left_out_is_said_or_that_nobody_knows(answer: dict[str, Any], short: str, line: str) -> None:
    host = left_out({"app-1": answer})["app-1"]
    assert runs(host) == short
    assert sentence("app-1", host) == line


WAYS = [
    pytest.param(["app-1"], 3, "", ["--limit '!app-1'", "without it"], id="one"),
    pytest.param(["app-1", "app-2"], 3, "", ["--limit '!app-1,!app-2'", "without them"], id="two"),
    pytest.param(["app-1"], 2, "app-1,app-2", ["--limit 'app-1,app-2,!app-1'", "without it"], id="with a limit"),
    pytest.param(["app-1"], 1, "app-1", [], id="there is nothing to go on with"),
    pytest.param([], 3, "", [], id="none was lost"),
]


@pytest.mark.parametrize(("lost", "chosen", "limit", "words"), WAYS)
def test_a_run_that_lost_hosts_is_told_how_to_go_on(lost: list[str], chosen: int, limit: str, words: list[str]) -> None:
    said = way_on(lost, chosen, limit)
    assert len(said) == bool(words)
    assert all(word in said[0] for word in words)


GONE = {"app-1": {"unreachable": True}}
KEPT = "The balancer sends nobody there until it has the same release: deploy again when it is back, without --limit"
SERVES = "When it comes back it serves what it served before: deploy again then, without --limit"
NOT_TOLD = "The balancer could not be told to keep it off"
BALANCERS = [
    pytest.param([], SERVES, False, id="no balancer"),
    pytest.param([{"skipped": True}], SERVES, False, id="not asked"),
    pytest.param([{"names": ["app-1"]}], KEPT, True, id="told"),
    pytest.param(
        [{"names": ["app-1"]}, {"unreachable": True}], f"{SERVES}. {NOT_TOLD}: it could not be reached", False, id="dead"
    ),
    pytest.param([{"failed": True, "msg": "too old"}], f"{SERVES}. {NOT_TOLD}: too old", False, id="too old"),
]


@pytest.mark.parametrize(("balancers", "words", "kept"), BALANCERS)
def test_what_becomes_of_a_host_that_comes_back_is_said(balancers: list[dict[str, Any]], words: str, kept: bool) -> None:
    host = left_out(GONE | {"app-2": info()}, balancers)["app-1"]
    assert host["kept_off"] == kept
    assert sentence("app-1", host) == f"{UNKNOWN}it could not be reached. {words}"
    assert not left_out({"app-2": info()}, balancers)["app-2"]["kept_off"]
