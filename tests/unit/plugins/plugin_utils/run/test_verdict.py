from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.summary import history_line, summary
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.verdict import Run

from tests.commands import ROOT

OLD, NEW = "1.0.0", "1.1.0"
Event = Callable[[Run], None]


def prepared(
    host: str,
    *,
    pending: bool = True,
    plan: tuple[str, ...] = (),
    live: tuple[str, ...] = (),
    right: tuple[str, ...] = (),
    idle: bool = False,
) -> Event:
    result = {"release": NEW, "environment": "staging", "previous": OLD, "pending": pending, "plan": list(plan), "idle": idle}
    result |= {"changed_live_files": list(live), "put_right": list(right)}
    return lambda run: run.saw("stack_release", host, result, failed=False)


def cannot_prepare(host: str) -> Event:
    return lambda run: run.saw("stack_release", host, {"msg": "image shop/api:1.1.0 could not be pulled"}, failed=True)


def rolled(host: str, *, changed: bool = True, cut: int = 0, drained: int = 0, interrupted: Sequence[str] = ()) -> Event:
    gone = [{"service": name, "why": f"stop-first: writes to the volume {name}-data"} for name in interrupted]
    result = rollout_result() | {"changed": changed, "cut": cut, "drained": drained, "interrupted": gone}
    return lambda run: run.saw("stack_rollout", host, result, failed=False)


def failed(host: str, left: str) -> Event:
    result = rollout_result() | {"left": left, "msg": "the gate was not passed", "changed": True}
    return lambda run: run.saw("stack_rollout", host, result, failed=True)


def rollout_result() -> dict[str, Any]:
    return {
        "release": NEW,
        "previous": OLD,
        "gates": [{"service": "api", "healthy": True}],
        "seconds": {"gate": 2.0},
        "kind": "deploy",
        "steps": ["api: start 1 candidate"],
        "drained": 0,
        "cut": 0,
        "left_behind": 0,
        "errors": 0,
        "interrupted": [],
    }


def crashed(host: str) -> Event:
    """A bug, or something that nobody foresaw: Ansible hands over its words, and no output."""
    return lambda run: run.saw("stack_rollout", host, {"msg": "Task failed: Module failed: 'x'", "exception": "..."}, failed=True)


def refuses(host: str) -> Event:
    result = {"msg": "this host has lost an image", "left": "as_before"}
    return lambda run: run.saw("stack_rollout", host, result, failed=True)


def fenced(host: str, **more: str) -> Event:
    """With left="as_before" before it had begun, in the middle without."""
    result = {"msg": "this run has lost its lease", "fenced": True, **more}
    return lambda run: run.saw("stack_rollout", host, result, failed=True)


def killed(host: str) -> Event:
    result = {"msg": "Module result deserialization failed", "module_stdout": "", "module_stderr": "Killed", "rc": 137}
    return lambda run: run.saw("stack_rollout", host, result, failed=True)


def rolled_back(host: str) -> Event:
    """Of a deploy: the host had been switched and is switched back. Of a rollback: what was asked for."""
    result = rollout_result() | {"release": OLD, "previous": NEW, "kind": "rollback", "changed": True}
    return lambda run: run.saw("stack_rollout", host, result, failed=False)


def cannot_take_back(host: str) -> Event:
    result = rollout_result() | {
        "release": OLD,
        "previous": NEW,
        "kind": "rollback",
        "left": "as_before",
        "msg": "no",
        "changed": True,
    }
    return lambda run: run.saw("stack_rollout", host, result, failed=True)


def lease_refused(run: Run) -> None:
    run.saw("lease", "a", {"msg": "staging is being deployed by alice"}, failed=True)


def elsewhere(host: str, module: str) -> Event:
    return lambda run: run.saw(module, host, {"msg": "It belongs to staging.\nIt holds demo secrets."}, failed=True)


def lease_host_elsewhere(run: Run) -> None:
    run.saw("lease", "a", {"msg": "It belongs to staging.\nIt holds demo secrets.", "foreign": True}, failed=True)


def public_check_failed(host: str) -> Event:
    return lambda run: run.saw("health_gate", host, {"msg": "the public address answers 503"}, failed=True)


def migration_failed(host: str) -> Event:
    return lambda run: run.saw("stack_migration", host, {"msg": "column exists", "answered": True}, failed=True)


def migration_killed(host: str) -> Event:
    result = {"msg": "Module result deserialization failed", "module_stdout": "", "module_stderr": "Killed", "rc": 137}
    return lambda run: run.saw("stack_migration", host, result, failed=True)


def looked_at_restore(run: Run) -> None:
    run.saw("database_restore", "a", {"changed": False, "lost": ["3 rows"], "is_empty": False}, failed=False)


def database_killed(module: str) -> Event:
    """Its module, on the host that works on the database."""
    result = {"msg": "Module result deserialization failed", "module_stdout": "", "module_stderr": "Killed", "rc": 137}
    return lambda run: run.saw(module, "a", result, failed=True)


def preflight_failed(run: Run) -> None:
    run.refused("localhost", "2 problems in the configuration", ours=True)


def lost(host: str, module: str = "") -> Event:
    return lambda run: run.lost(host, module)


def after(*events: Event) -> Run:
    run = Run(started=1_700_000_000.0, environment="staging")
    for event in events:
        event(run)
    return run


WORDS = [
    pytest.param([prepared("a"), prepared("b"), rolled("a"), rolled("b")], "deployed", id="every host was switched"),
    pytest.param([prepared("a"), prepared("b", pending=False), rolled("a")], "deployed", id="one host had it already"),
    pytest.param([prepared("a", pending=False)], "unchanged", id="there was nothing to do"),
    pytest.param(
        # With several hosts it is prepared twice.
        [prepared("a", pending=False, live=("flags/a.json",)), prepared("a", pending=False)],
        "deployed",
        id="only live files were changed",
    ),
    pytest.param([prepared("a"), rolled("a", changed=False)], "unchanged", id="nothing was changed"),
    pytest.param([preflight_failed], "refused", id="the configuration has problems"),
    pytest.param([cannot_prepare("a")], "refused", id="it could not be prepared"),
    pytest.param([prepared("a"), cannot_prepare("b")], "refused", id="it could not be prepared on one of two"),
    pytest.param([prepared("a"), migration_failed("a")], "refused", id="the migration failed"),
    pytest.param([prepared("a"), migration_killed("a")], "refused", id="the migration was killed"),
    pytest.param([prepared("a"), database_killed("database_backup")], "refused", id="a backup was killed"),
    pytest.param([database_killed("database_restore")], "refused", id="a look at a restore was killed"),
    pytest.param([looked_at_restore, database_killed("database_backup")], "refused", id="the backup before it was killed"),
    pytest.param([looked_at_restore, database_killed("database_restore")], "failed", id="a restore was killed"),
    pytest.param([database_killed("staging_data_import")], "failed", id="an import was killed"),
    pytest.param([prepared("a"), failed("a", "as_before")], "failed", id="the first gate failed"),
    pytest.param(
        [prepared("a"), prepared("b"), failed("a", "as_before")], "failed", id="the first gate of the first host failed"
    ),
    pytest.param([prepared("a"), failed("a", "taken_back")], "rolled_back", id="what was switched was taken back"),
    pytest.param([prepared("a"), failed("a", "mixed")], "mixed", id="a host runs both"),
    pytest.param(
        [prepared("a"), prepared("b"), rolled("a"), failed("b", "as_before")],
        "mixed",
        id="one host runs the new, one the old release",
    ),
    pytest.param(
        [prepared("a"), prepared("b"), rolled("a"), failed("b", "taken_back")],
        "mixed",
        id="one host was taken back, the other not",
    ),
    pytest.param(
        [prepared("a"), prepared("b"), rolled("a"), lost("b")], "mixed", id="a host was lost after another was switched"
    ),
    pytest.param(
        [prepared("a"), prepared("b"), rolled("a"), failed("b", "as_before"), rolled_back("a")],
        "rolled_back",
        id="one host failed, the other was taken back",
    ),
    pytest.param(
        [prepared("a"), prepared("b"), rolled("a"), failed("b", "as_before"), cannot_take_back("a")],
        "mixed",
        id="one host failed, the other could not be taken back",
    ),
    pytest.param([rolled_back("a"), rolled_back("b")], "rolled_back", id="a rollback was asked for"),
    pytest.param([rolled_back("a"), lost("b", "stack_rollout")], "mixed", id="a host was lost in a rollback"),
    pytest.param([lease_refused], "refused", id="somebody else has the lease"),
    pytest.param([elsewhere("a", "host_identity")], "refused", id="a host is another environment's"),
    pytest.param([lease_host_elsewhere], "refused", id="the host of the lease is another environment's"),
    pytest.param([elsewhere("a", "database_identity")], "refused", id="the database is another environment's"),
    pytest.param([lost("a")], "refused", id="a host could not be reached at all"),
    pytest.param([prepared("a"), lost("a", "stack_release")], "refused", id="a host was lost before its rollout"),
    pytest.param([prepared("a"), failed("a", "switched")], "failed", id="the public check failed, and nothing is taken back"),
    pytest.param([prepared("a"), prepared("b"), failed("a", "switched")], "mixed", id="it failed so on the first of two hosts"),
    pytest.param(
        [prepared("a"), prepared("b"), rolled("a"), failed("b", "switched")], "failed", id="it failed so on the last of two hosts"
    ),
    pytest.param([prepared("a"), refuses("a")], "refused", id="a host refused before anything was switched"),
    pytest.param([prepared("a"), fenced("a", left="as_before")], "refused", id="another run had the host before it began"),
    pytest.param([prepared("a"), fenced("a")], "mixed", id="another run came in the middle"),
    pytest.param([prepared("a"), crashed("a")], "mixed", id="a rollout crashed"),
    pytest.param([prepared("a"), killed("a")], "mixed", id="a rollout was killed on its host"),
    pytest.param(
        [prepared("a"), prepared("b"), rolled("a"), lost("b", "stack_rollout"), rolled_back("a"), rolled_back("b")],
        "rolled_back",
        id="a host was lost in the middle, and both were taken back",
    ),
    pytest.param([prepared("a"), lost("a", "stack_rollout")], "mixed", id="a host was lost in the middle of its rollout"),
    pytest.param(
        [prepared("a"), rolled("a"), public_check_failed("a")], "failed", id="the release runs and users are not served"
    ),
]


@pytest.mark.parametrize(("events", "word"), WORDS)
def test_a_run_ends_in_the_one_word_that_is_true(events: list[Event], word: str) -> None:
    assert after(*events).verdict(1.0, check_mode=False)["verdict"] == word


CHECK_FAILS = [
    ([prepared("a"), failed("a", "taken_back")], "| `{word}` | the last answer; every host that was switched goes back."),
    ([prepared("a"), failed("a", "switched")], "With `failure_action: pause` it is `{word}` ("),
    (
        [prepared("a"), prepared("b"), failed("a", "switched")],
        "(`{word}` when other hosts run the release before), and nothing goes",
    ),
]


@pytest.mark.parametrize(("events", "says"), CHECK_FAILS)
def test_the_page_of_endings_has_the_word_of_a_check_that_fails(events: list[Event], says: str) -> None:
    rows = (Path(__file__).parents[5] / "docs" / "deployment.md").read_text().splitlines()
    [row] = [one for one in rows if one.startswith("| the check through the edge or the balancer fails |")]
    assert says.format(word=after(*events).verdict(1.0, check_mode=False)["verdict"]) in row


def test_the_verdict_holds_everything_that_people_ask_afterwards() -> None:
    run = after(prepared("a"), prepared("b"), rolled("a", drained=3, cut=1), failed("b", "as_before"))
    found = run.verdict(12.5, check_mode=False)
    assert json.loads(json.dumps(found)) == found
    assert (found["environment"], found["release"], found["previous"], found["seconds"]) == ("staging", NEW, OLD, 12.5)
    assert (found["drained"], found["cut"]) == (3, 1)
    assert {name: host["release"] for name, host in found["hosts"].items()} == {"a": NEW, "b": OLD}
    assert found["messages"] == ["the gate was not passed"]


def test_a_message_that_every_host_gave_is_said_once() -> None:
    run = after(cannot_prepare("a"), cannot_prepare("b"))
    assert run.verdict(1.0, check_mode=False)["messages"] == ["image shop/api:1.1.0 could not be pulled"]


def test_a_host_that_was_already_there_is_not_counted_as_switched() -> None:
    found = after(prepared("a", pending=False)).verdict(1.0, check_mode=False)
    assert (found["hosts"]["a"]["release"], found["hosts"]["a"]["changed"]) == (NEW, False)


def lines(*events: Event, check_mode: bool = False) -> list[str]:
    return summary(after(*events).verdict(12.5, check_mode=check_mode))


def test_the_summary_begins_with_the_word() -> None:
    assert lines(prepared("a"), rolled("a", drained=2)) == [
        f"VERDICT deployed: staging {NEW} (was {OLD}) in 12.5 s",
        f"  a runs {NEW}, 2 requests drained",
    ]


def test_a_release_that_replaced_nothing_says_so() -> None:
    idle = rollout_result() | {"seconds": {}, "steps": [], "changed": True}
    told = "  no replica was replaced: what runs is the same in both releases"
    assert told in lines(prepared("a"), lambda run: run.saw("stack_rollout", "a", idle, failed=False))
    assert told not in lines(prepared("a"), rolled("a"))
    assert told not in lines(
        prepared("a", plan=("web: start 1 candidate",)), lambda run: run.saw("stack_rollout", "a", idle, failed=False)
    )


def test_what_was_cut_is_never_hidden() -> None:
    assert "  a runs 1.1.0, 4 connections cut" in lines(prepared("a"), rolled("a", cut=4))


def test_what_an_old_edge_worker_still_holds_is_said_with_the_setting_that_ends_it() -> None:
    result = rollout_result() | {"changed": True, "left_behind": 2}
    told = lines(prepared("a"), lambda run: run.saw("stack_rollout", "a", result, failed=False))
    assert (
        "  a runs 1.1.0, 2 connections left to an old edge worker, which ends by force edge_hard_stop_after_seconds (300 unless "
        "set) after its reload"
    ) in told
    assert "\nedge_hard_stop_after_seconds: 300\n" in (ROOT / "roles" / "edge" / "defaults" / "main.yml").read_text()


def deaf(host: str, *replicas: str) -> Event:
    killed = [{"service": "worker", "replicas": list(replicas), "seconds": 10, "signal": "SIGTERM"}]
    return lambda run: run.saw("stack_rollout", host, rollout_result() | {"changed": True, "killed": killed}, failed=False)


def test_what_was_killed_because_its_time_was_over_is_noted_once_for_each_service() -> None:
    lost = "within 10 s and {} killed; what {} doing is lost (set a longer stop_grace_period, or handle SIGTERM)"
    one, more = lost.format("was", "it was"), lost.format("were", "they were")
    run = after(prepared("a"), prepared("b"), deaf("a", "shop-worker-1"), rolled("b"))
    assert run.verdict(1.0, check_mode=False)["notes"] == [f"a: worker: shop-worker-1 did not end on SIGTERM {one}"]
    both = after(prepared("a"), prepared("b"), deaf("b", "shop-worker-2"), deaf("a", "shop-worker-1"))
    assert f"  a, b: worker: shop-worker-1, shop-worker-2 did not end on SIGTERM {more}" in summary(
        both.verdict(1.0, check_mode=False)
    )
    again = after(prepared("a"), deaf("a", "shop-worker-1"), deaf("a", "shop-worker-2"))
    assert len(again.verdict(1.0, check_mode=False)["notes"]) == 1


def test_who_was_interrupted_is_counted_and_said_with_the_reason() -> None:
    run = after(prepared("a"), prepared("b"), rolled("a", cut=4, interrupted=["mq", "db"]), rolled("b", interrupted=["db"]))
    found = run.verdict(1.0, check_mode=False)
    assert (found["interrupted"], history_line(found)["interrupted"]) == (["db", "mq"], ["db", "mq"])
    assert found["hosts"]["b"]["interrupted"] == {"db": "stop-first: writes to the volume db-data"}
    assert (
        "  a runs 1.1.0, 4 connections cut, interrupted: db (stop-first: writes to the volume db-data), mq (stop-first: "
        "writes to the volume mq-data)"
    ) in summary(found)


def test_the_summary_of_a_failure_says_what_each_host_runs_and_why() -> None:
    assert lines(prepared("a"), prepared("b"), rolled("a"), failed("b", "mixed")) == [
        f"VERDICT mixed: staging {NEW} (was {OLD}) in 12.5 s",
        f"  a runs {NEW}",
        "  b runs more than one release",
        "  the gate was not passed",
        "  mend it with one of:",
        f"    ansible-playbook deploy.yml -i inventories/staging -e stack_release={NEW}",
        "    ansible-playbook rollback.yml -i inventories/staging",
    ]


def test_what_fails_in_anybodys_playbook_is_no_deploy() -> None:
    run = after()
    run.refused("a", "no such file", ours=False)
    run.saw("health_gate", "a", {"msg": "503"}, failed=True)
    assert not run.is_deploy
    run.refused("a", "2 problems", ours=True)
    assert run.is_deploy


def test_a_rollback_that_was_asked_for_is_no_failure() -> None:
    found = after(rolled_back("a")).verdict(1.0, check_mode=False)
    assert (found["failed"], found["release"], found["previous"], found["kind"]) == (False, OLD, NEW, "rollback")


def test_check_mode_says_what_a_rollback_would_do() -> None:
    assert lines(rolled_back("a"), check_mode=True) == [
        f"CHECK MODE: nothing was changed in staging. A rollback to {OLD} would:",
        "  a: api: start 1 candidate",
    ]


def test_a_host_that_was_taken_back_runs_the_release_before_and_says_so() -> None:
    found = after(prepared("a"), prepared("b"), rolled("a"), failed("b", "as_before"), rolled_back("a")).verdict(
        1.0, check_mode=False
    )
    assert found["failed"]
    assert (found["release"], found["hosts"]["a"]["release"], found["hosts"]["a"]["taken_back"]) == (NEW, OLD, True)
    assert found["hosts"]["a"]["seconds"] == {"gate": 2.0, "back gate": 2.0}


AGAIN = {"release": NEW, "previous": NEW, "previous_id": f"{NEW}-a"}


@pytest.mark.parametrize(
    ("ends", "runs"),
    [
        pytest.param(failed("a", "as_before"), f"no replica of {OLD}, which is live there", id="the first gate failed"),
        pytest.param(failed("a", "taken_back"), OLD, id="taken back"),
        pytest.param(failed("a", "switched"), NEW, id="switched"),
        pytest.param(rolled("a"), NEW, id="well"),
    ],
)
def test_where_no_replica_ran_none_is_said_to_run_until_one_does(ends: Event, runs: str) -> None:
    said = summary(after(prepared("a", idle=True), ends).verdict(2.0, check_mode=False))
    assert next(line for line in said if line.startswith("  a runs ")).startswith(f"  a runs {runs}")


def prepared_again(host: str, *, pending: bool = True) -> Event:
    """The same name with another configuration."""
    result = {"id": f"{NEW}-b", "environment": "staging", "pending": pending, "plan": []} | AGAIN
    return lambda run: run.saw("stack_release", host, result, failed=False)


def rolled_again(host: str, *, failed: bool = False, **more: Any) -> Event:
    result = rollout_result() | {"release_id": f"{NEW}-b", "changed": True} | AGAIN | more
    return lambda run: run.saw("stack_rollout", host, result, failed=failed)


def test_two_releases_of_one_name_are_told_by_their_ids() -> None:
    run = after(prepared_again("a"), rolled_again("a"))
    assert summary(run.verdict(2.0, check_mode=False)) == [
        f"VERDICT deployed: staging {NEW}-b (was {NEW}-a) in 2.0 s",
        f"  a runs {NEW}-b",
    ]
    verdict = run.verdict(2.0, check_mode=False)
    assert (verdict["release"], verdict["release_id"], verdict["hosts"]["a"]["release"]) == (NEW, f"{NEW}-b", NEW)
    line = history_line(verdict)
    assert (line["from"], line["to"], line["hosts"]) == (f"{NEW}-a", f"{NEW}-b", {"a": f"{NEW}-b"})


def test_hosts_that_run_two_releases_of_one_name_are_a_mix() -> None:
    bad = rolled_again("b", failed=True, left="as_before", msg="the gate was not passed")
    found = lines(prepared_again("a"), prepared_again("b"), rolled_again("a"), bad)
    assert found[:3] == [
        f"VERDICT mixed: staging {NEW}-b (was {NEW}-a) in 12.5 s",
        f"  a runs {NEW}-b",
        f"  b runs {NEW}-a",
    ]


def test_a_host_that_is_left_out_with_the_name_and_another_configuration_is_told_by_its_id() -> None:
    run = after(prepared_again("a", pending=False))
    run.left_out = {"b": {**LEFT_OUT["b"], "release": NEW, "release_id": f"{NEW}-a"}}
    assert summary(run.verdict(1.0, check_mode=False))[1:] == [
        f"  a runs {NEW}-b",
        f"  left out by --limit: b, which runs {NEW}-a",
    ]


def test_the_history_keeps_one_line_of_a_run() -> None:
    run = after(prepared("a"), failed("a", "as_before"))
    run.saw("lease", "a", {"token": 7, "owner": "alice@laptop", "reason": f"deploy {NEW}"}, failed=False)
    line = history_line(run.verdict(3.0, check_mode=False))
    assert (line["token"], line["owner"], line["what"], line["verdict"]) == (7, "alice@laptop", f"deploy {NEW}", "failed")
    assert (line["from"], line["to"], line["hosts"], line["why"]) == (OLD, NEW, {"a": OLD}, "the gate was not passed")
    assert "schema" not in line


def test_the_history_keeps_what_of_the_database_a_rollback_was_judged_by() -> None:
    run = after(prepared("a"))
    seen = {"source": "seen", "host": "a", "at": "2026-07-01T12:00:00Z", "head": "0003", "why": "it is down"}
    run.learned({"rollback_decision": {"ledger": seen}})
    assert history_line(run.verdict(3.0, check_mode=False))["schema"] == seen


def test_a_host_that_refused_before_it_said_what_it_runs_is_not_said_to_run_nothing() -> None:
    found = lines(refuses("a"))
    assert "  a runs what it ran before" in found


def test_a_host_that_is_left_with_the_release_that_failed_is_said_to_run_it_and_how_to_mend_it() -> None:
    assert lines(prepared("a"), failed("a", "switched")) == [
        f"VERDICT failed: staging {NEW} (was {OLD}) in 12.5 s",
        f"  a runs {NEW}",
        "  the gate was not passed",
        "  mend it with one of:",
        f"    ansible-playbook deploy.yml -i inventories/staging -e stack_release={NEW}",
        "    ansible-playbook rollback.yml -i inventories/staging",
    ]


def identified(host: str, before: str) -> Event:
    result = {"release": NEW, "id": f"{NEW}-b", "environment": "staging", "previous": OLD, "previous_id": before, "pending": True}
    return lambda run: run.saw("stack_release", host, result, failed=False)


@pytest.mark.parametrize(
    ("before", "chosen"),
    [
        pytest.param({"a": f"{OLD}-a", "b": f"{OLD}-a"}, f" -e rollback_to={OLD}-a", id="all ran it"),
        pytest.param({"a": f"{NEW}-b", "b": f"{OLD}-a"}, f" -e rollback_to={OLD}-a", id="one had been switched by a run before"),
        pytest.param({"a": f"{OLD}-a", "b": f"{OLD}-c"}, "", id="they ran two"),
        pytest.param({"a": "", "b": ""}, "", id="nothing ran"),
    ],
)
def test_the_way_back_from_a_mix_names_what_hosts_ran_before_it(before: dict[str, str], chosen: str) -> None:
    """Left to themselves they may not agree on it: the release that half of them got may have run on the others before."""
    run = after(*(identified(host, identity) for host, identity in before.items()))
    run.interrupted("the run was interrupted by Ctrl-C", {"a": "stack_rollout"})
    assert run.verdict(1.0, check_mode=False)["mend"][1] == f"ansible-playbook rollback.yml -i inventories/staging{chosen}"


def test_the_way_on_of_a_rollback_is_the_rollback() -> None:
    run = after(identified("a", f"{OLD}-a"))
    run.is_rollback = True
    assert run.way_back("inventories/staging") == "ansible-playbook rollback.yml -i inventories/staging"


def test_a_rollout_that_lost_its_lease_in_the_middle_is_told_in_its_own_words() -> None:
    found = lines(prepared("a"), fenced("a"))
    assert found[:3] == [
        f"VERDICT mixed: staging {NEW} (was {OLD}) in 12.5 s",
        f"  a runs an unknown release (last known: {OLD})",
        "  this run has lost its lease",
    ]


def test_a_rollout_that_crashed_has_given_no_answer() -> None:
    found = lines(prepared("a"), crashed("a"))
    assert found[1:3] == [
        f"  a runs an unknown release (last known: {OLD})",
        "  the rollout of a ended without an answer, as a killed process does: Task failed: Module failed: 'x'",
    ]


def test_a_host_that_cannot_be_taken_back_says_why_it_was_to_be_and_why_it_was_not() -> None:
    events = (prepared("a"), rolled("a"), public_check_failed("a"), cannot_take_back("a"))
    found = after(*events).verdict(1.0, check_mode=False)
    assert (found["verdict"], found["messages"]) == ("failed", ["the public address answers 503", "no"])
    assert found["hosts"]["a"]["failed"] == "the public address answers 503\nno"


def test_a_host_that_was_lost_is_not_said_to_run_anything() -> None:
    found = lines(prepared("a"), prepared("b"), rolled("a"), lost("b"))
    assert f"  b runs an unknown release (last known: {OLD})" in found


LOST_AT_WORK = [
    (
        "stack_migration",
        "refused",
        "the migration goes on there by itself; the same command waits for it and starts no second one",
    ),
    ("supabase_migrations", "refused", "the migrations go on there, to their end; the same command waits for them"),
    ("database_backup", "refused", "the backup goes on there, to its end; the same command waits for it"),
    ("staging_data_import", "failed", "the import goes on there, to its end, in one transaction; the same command waits for it"),
]


@pytest.mark.parametrize(("module", "word", "goes_on"), LOST_AT_WORK)
def test_what_may_go_on_on_a_host_that_was_lost_is_said_and_nobody_is_sent_to_begin_it_elsewhere(
    module: str, word: str, goes_on: str
) -> None:
    run = after(prepared("a"), prepared("b"))
    run.chosen = 2
    run.lost("a", module, at_work=module)
    found = run.verdict(1.0, check_mode=False)
    assert (found["verdict"], found["messages"]) == (word, [f"a could not be reached; if it had begun: {goes_on}"])


@pytest.mark.parametrize(
    "events", [(lost("a", "stack_release"),), (lost("a", "stack_migration"),), (lost("a", "database_restore"),)]
)
def test_a_host_that_was_lost_while_it_was_looked_at_has_nothing_that_goes_on(events: Sequence[Event]) -> None:
    """In check mode, or in what comes before the module that changes something."""
    run = after(prepared("a"), prepared("b"), *events)
    run.chosen = 2
    assert run.verdict(1.0, check_mode=False)["messages"] == [
        "a could not be reached",
        "Mend it; or run the same command with --limit '!a' to go on without it.",
    ]


def test_check_mode_says_what_each_host_would_do() -> None:
    plan = ("api: start 2 candidates (changed: image)", "api: gate 2 candidates")
    assert lines(prepared("a", plan=plan), prepared("b", pending=False), check_mode=True) == [
        f"CHECK MODE: nothing was changed in staging. A deploy of {NEW} would:",
        "  a: api: start 2 candidates (changed: image)",
        "  a: api: gate 2 candidates",
        "  b: nothing to do",
    ]


def test_check_mode_that_was_refused_says_so() -> None:
    found = lines(preflight_failed, check_mode=True)
    assert found[0].startswith("VERDICT refused")
    assert "  2 problems in the configuration" in found


def test_a_host_in_the_wrong_place_is_named_with_each_reason() -> None:
    run = after(elsewhere("a", "host_identity"), elsewhere("b", "host_identity"))
    assert run.is_deploy
    assert run.verdict(1.0, check_mode=False)["messages"] == [
        f"{host}: {reason}" for host in "ab" for reason in ("It belongs to staging.", "It holds demo secrets.")
    ]


def test_the_host_of_the_lease_in_the_wrong_place_is_named_too() -> None:
    messages = after(lease_host_elsewhere).verdict(1.0, check_mode=False)["messages"]
    assert messages == ["a: It belongs to staging.", "a: It holds demo secrets."]


def test_to_claim_a_host_is_no_deploy() -> None:
    run = after()
    run.saw("host_identity", "a", {"environment": "staging", "changed": True}, failed=False)
    assert not run.is_deploy


PLAN = {
    "name": "database",
    "steps": ["make", "revoke", "prove"],
    "plan": ["make a new value", "revoke app_a"],
    "old": "app_a",
    "keeps_old": False,
    "written": ["/x/vault.yml", "/x/f.json"],
}


OWN = PLAN | {"name": "session", "steps": ["make", "roll", "attest"], "old": "the old value"}


def rotation(state: str, plan: Mapping[str, Any] = PLAN, **more: Any) -> Event:
    result = {
        "state": state,
        "changed": state != "planned",
        "rotation": plan if state == "planned" else {"name": plan["name"]},
    } | more
    return lambda run: run.saw("rotation", "a", result, failed=False)


def looked(host: str) -> Event:
    return lambda run: run.saw("stack_info", host, {"live_release": NEW}, failed=False)


def broken(module: str, message: str) -> Event:
    return lambda run: run.saw(module, "a", {"msg": message}, failed=True)


PLANNED = (rotation("planned"), looked("a"))
ROTATIONS = [
    pytest.param(
        (*PLANNED, rolled("a"), rotation("ended")),
        "deployed",
        "database: every replica uses the new value, and app_a is refused",
        id="done",
    ),
    pytest.param(
        (*PLANNED, rolled("a", changed=False), rotation("ended")),
        "deployed",
        "database: every replica uses the new value",
        id="resumed at its end",
    ),
    pytest.param(
        (rotation("planned", OWN), looked("a"), rolled("a"), rotation("ended")),
        "deployed",
        "session: every replica uses the new value, and no container has the old one",
        id="without a provider",
    ),
    pytest.param(
        (*PLANNED, rolled("a"), rotation("waiting")),
        "deployed",
        "now revoke app_a at the provider, then run the same command again",
        id="by hand",
    ),
    pytest.param(
        (*PLANNED, rolled("a"), broken("stack_attestation", "nothing was revoked: x")),
        "failed",
        "a: nothing was revoked: x",
        id="blocked",
    ),
    pytest.param((*PLANNED, rolled("a"), broken("postgres_login", "2 sessions are")), "failed", "2 sessions are", id="sessions"),
    pytest.param((*PLANNED, rolled("a"), broken("key_probe", "should refuse")), "failed", "should refuse", id="not refused"),
    pytest.param(
        (*PLANNED, broken("stack_secret", "this host has no x")), "refused", "a: this host has no x", id="before the roll"
    ),
    pytest.param(
        (broken("rotation", "Problems of the rotation:"),), "refused", "Problems of the rotation:", id="wrong configuration"
    ),
]


@pytest.mark.parametrize(("events", "word", "words"), ROTATIONS)
def test_a_rotation_ends_in_a_word_and_says_what_became_of_the_old_value(
    events: tuple[Event, ...], word: str, words: str
) -> None:
    run = Run(started=0.0, environment="staging")
    for event in events:
        event(run)
    assert run.is_deploy
    verdict = run.verdict(1.0, check_mode=False)
    assert verdict["verdict"] == word
    assert words in "\n".join(summary(verdict))


def test_a_rotation_says_what_is_to_be_committed() -> None:
    run = Run(started=0.0, environment="staging")
    for event in (*PLANNED, rolled("a"), rotation("ended")):
        event(run)
    assert "  commit /x/vault.yml and /x/f.json" in summary(run.verdict(1.0, check_mode=False))


def test_a_rotation_in_check_mode_says_what_is_left_to_do() -> None:
    run = Run(started=0.0, environment="staging")
    for event in PLANNED:
        event(run)
    assert summary(run.verdict(1.0, check_mode=True)) == [
        "CHECK MODE: nothing was changed in staging. The rotation of database would:",
        "  make a new value",
        "  revoke app_a",
    ]


def test_a_migration_whose_end_nobody_saw_is_said_to_be_at_work_perhaps() -> None:
    [message] = after(prepared("a"), migration_killed("a")).verdict(1.0, check_mode=False)["messages"]
    assert message == (
        "the migration ended without an answer, as a killed process does. It may still be at work: run the same command again, "
        "which looks for it first and starts no second one. Module result deserialization failed"
    )


def test_live_files_that_changed_are_counted_though_no_replica_was_replaced() -> None:
    run = after(prepared("a", pending=False, live=("flags/a.json", "flags/b.json")), prepared("b", pending=False))
    verdict = run.verdict(1.0, check_mode=False)
    assert (verdict["hosts"]["a"]["changed"], verdict["hosts"]["b"]["changed"]) == (True, False)
    assert verdict["hosts"]["a"]["live_files"] == ["flags/a.json", "flags/b.json"]
    assert "  a runs 1.1.0, 2 live files changed" in summary(verdict)
    assert "  b runs 1.1.0" in summary(verdict)


@pytest.mark.parametrize(("right", "word"), [((), "unchanged"), (("session",), "deployed")])
def test_a_secret_that_was_put_right_where_replicas_have_it_mounted_is_not_called_unchanged(
    right: tuple[str, ...], word: str
) -> None:
    run = after(prepared("a", right=right), rolled("a", changed=False))
    verdict = run.verdict(1.0, check_mode=False)
    assert (verdict["verdict"], verdict["hosts"]["a"]["changed"]) == (word, bool(right))
    assert any("1 secrets put right that somebody had changed" in line for line in summary(verdict)) is bool(right)


LEFT_OUT = {"b": {"release": OLD, "rolling": "", "schema": {}, "problem": ""}}


def test_hosts_that_limit_leaves_out_are_named_with_what_they_run_in_text_json_and_history() -> None:
    run = Run(started=0.0)
    for event in (prepared("a"), rolled("a")):
        event(run)
    run.left_out = LEFT_OUT
    verdict = run.verdict(1.0, check_mode=False)
    assert verdict["verdict"] == "deployed"
    assert verdict["left_out"] == LEFT_OUT
    assert history_line(verdict)["left_out"] == {"b": OLD}
    assert summary(verdict)[1:] == ["  a runs 1.1.0", "  left out by --limit: b, which runs 1.0.0"]


@pytest.mark.parametrize(("changed", "said"), [(True, ["  the database was migrated for all hosts"]), (False, [])])
def test_a_migration_was_for_the_hosts_that_are_left_out_too(changed: bool, said: list[str]) -> None:
    run = Run(started=0.0)
    prepared("a")(run)
    run.saw("stack_migration", "a", {"changed": changed}, failed=False)
    rolled("a")(run)
    assert not any("database" in line for line in summary(run.verdict(1.0, check_mode=False)))
    run.left_out = LEFT_OUT
    assert summary(run.verdict(1.0, check_mode=False))[3:] == said


def test_check_mode_names_the_hosts_that_are_left_out_too() -> None:
    run = Run(started=0.0)
    prepared("a", plan=("api: start 1 candidate",))(run)
    run.left_out = LEFT_OUT
    assert summary(run.verdict(1.0, check_mode=True))[1:] == [
        "  a: api: start 1 candidate",
        "  left out by --limit: b, which runs 1.0.0",
    ]


def engine_config(run: Run, *, failed: bool = False, **result: Any) -> None:
    run.saw("engine_config", "a", {"changed": True, "restart": ["dns"], "reload": [], **result}, failed=failed)


def test_engines_that_were_restarted_under_the_lease_are_named() -> None:
    run = Run(started=0.0, environment="staging")
    # What is planned before is no deed.
    engine_config(run)
    assert not run.is_deploy
    run.saw("lease", "a", {"token": 7, "owner": "anna", "reason": "restart the engine of a"}, failed=False)
    engine_config(run, changed=False)
    engine_config(run)
    assert summary(run.verdict(1.0, check_mode=False)) == [
        "VERDICT deployed: staging in 1.0 s",
        "  a: the engine was restarted for dns",
    ]


@pytest.mark.parametrize(("restarted", "word"), [(False, "refused"), (True, "failed")])
def test_an_engine_that_cannot_be_configured_is_refused_or_has_failed(restarted: bool, word: str) -> None:
    run = Run(started=0.0, environment="staging")
    run.saw("engine_config", "a", {"msg": "no JSON", "restarted": restarted}, failed=True)
    verdict = run.verdict(1.0, check_mode=False)
    assert (run.is_deploy, verdict["verdict"], verdict["messages"]) == (True, word, ["a: no JSON"])


def upstream(run: Run, **result: Any) -> None:
    run.saw("edge_upstream", "a", result, failed=False)


def test_hosts_that_the_balancer_keeps_off_or_lets_in_are_in_the_history_for_the_next_run() -> None:
    run = Run(started=0.0)
    for event in (prepared("a"), rolled("a")):
        event(run)
    run.left_out = {"b": LEFT_OUT["b"] | {"problem": "it could not be reached", "kept_off": True}}
    upstream(run, names=["b"], state="off")
    upstream(run, names=["a"], state="serving")
    verdict = run.verdict(1.0, check_mode=False)
    assert (history_line(verdict)["kept_off"], history_line(verdict)["let_in"]) == (["b"], ["a"])
    assert "  the balancer lets a serve again" in summary(verdict)


def test_a_balancer_that_could_not_be_told_is_told_by_the_next_run() -> None:
    run = Run(started=0.0)
    for event in (prepared("a"), rolled("a")):
        event(run)
    upstream(run, names=["a"], state="serving")
    upstream(run, msg="no answer")
    verdict = run.verdict(1.0, check_mode=False)
    assert history_line(verdict)["let_in"] == []
    assert "  the balancer still keeps hosts off that are back: no answer. Run the same command again" in summary(verdict)
