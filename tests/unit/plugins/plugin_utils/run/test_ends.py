from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.ends import (
    FAILED,
    UNREACHABLE,
    Seen,
    file_name,
    goes_on,
    may_have_switched,
)


@pytest.mark.parametrize(
    ("playbooks", "check_mode", "name"),
    [
        (("deploy",), False, "verdict.json"),
        (("deploy",), True, "check.json"),
        # A playbook of somebody's own that uses the roles.
        ((), False, "verdict.json"),
        (("status",), False, "status.json"),
        (("audit",), True, "audit.json"),
        # One command that plays several.
        (("provision", "claim", "deploy", "status"), False, "verdict.json"),
    ],
)
def test_what_only_looks_leaves_the_verdict_of_the_last_deploy_alone(
    playbooks: tuple[str, ...], check_mode: bool, name: str
) -> None:
    assert file_name(playbooks, check_mode=check_mode) == name


def seen(**more: Any) -> Seen:
    given: dict[str, Any] = {"environment": "staging", "inventory": "inventories/staging", "started": 1.0, "tasks": 3}
    return Seen(("maintenance",), **{**given, **more})


@pytest.mark.parametrize(
    ("what", "word", "messages", "code"),
    [
        pytest.param({"answered": {"app-1"}}, "done", [], 0, id="all is well"),
        pytest.param({"answered": {"app-1"}, "check_mode": True}, "checked", [], 0, id="a check"),
        pytest.param({"tasks": 0}, "refused", ["nothing was asked or changed: no task was run"], FAILED, id="nothing to do"),
        pytest.param(
            {"tasks": 0, "tags": "--skip-tags always"},
            "refused",
            ["nothing was asked or changed: --skip-tags always leaves no task"],
            FAILED,
            id="tags that leave nothing",
        ),
        pytest.param(
            {"failures": {"no edge": ["app-2", "app-1"], "not all can": []}, "answered": {"app-1", "app-2"}},
            "refused",
            ["app-1, app-2: no edge", "not all can"],
            FAILED,
            id="the same on every host",
        ),
        pytest.param(
            {"failures": {"no edge": ["app-2"]}, "answered": {"app-1", "app-2"}, "changed": True},
            "failed",
            ["app-2: no edge"],
            FAILED,
            id="something was changed",
        ),
        pytest.param(
            {"unreachable": {"app-2"}, "lost": True, "answered": {"app-1"}},
            "refused",
            ["app-2 could not be reached"],
            UNREACHABLE,
            id="a host was lost",
        ),
        pytest.param(
            {"unreachable": {"app-2"}, "lost": True, "answered": {"app-1", "app-2"}, "unsure": {"app-2"}},
            "failed",
            ["app-2 could not be reached for its answer, so it may have been switched; run the same command again"],
            UNREACHABLE,
            id="an answer was lost",
        ),
        pytest.param(
            {"unreachable": {"app-2"}, "lost": True, "answered": {"app-1"}, "lost_at": {"app-2": "database_backup"}},
            "refused",
            ["app-2 could not be reached; if it had begun: the backup goes on there, to its end; the same command waits for it"],
            UNREACHABLE,
            id="a host was lost in its backup",
        ),
        pytest.param({"unreachable": {"app-2"}, "answered": {"app-1"}}, "done", [], 0, id="a host that may be lost"),
        pytest.param(
            {"unreachable": {"app-2", "app-1"}, "reported": True},
            "refused",
            ["nothing was asked or changed: app-1, app-2 could not be reached"],
            UNREACHABLE,
            id="nobody answered",
        ),
        pytest.param({"interrupted": "by Ctrl-C"}, "refused", ["by Ctrl-C"], FAILED, id="interrupted"),
        pytest.param(
            {"interrupted": "by Ctrl-C", "unsure": {"app-1"}}, "failed", ["by Ctrl-C"], FAILED, id="interrupted in a switch"
        ),
    ],
)
def test_what_deploys_nothing_ends_in_a_word_too(what: dict[str, Any], word: str, messages: list[str], code: int) -> None:
    one = seen(**what)
    verdict = one.verdict(1.5)
    assert (verdict["verdict"], verdict["messages"], verdict["failed"]) == (word, messages, bool(messages))
    assert one.exit_status(failed=verdict["failed"]) == code


@pytest.mark.parametrize(
    ("module", "options", "check_mode", "expected"),
    [
        ("edge_maintenance", {"state": "on"}, False, True),
        ("edge_maintenance", {"state": "on"}, True, False),
        ("ml_mode", {"mode": "off", "stack": "ml-gateway"}, False, True),
        ("ml_mode", {"stack": "ml-gateway"}, False, False),
        ("stack_flags", {"content": "e30=", "stack": "shop"}, False, True),
        ("stack_flags", {"stack": "shop"}, False, False),
        ("host_identity", {"state": "present"}, False, False),
    ],
)
def test_only_what_switches_by_one_answer_may_have_switched_without_it(
    module: str, options: dict[str, Any], check_mode: bool, expected: bool
) -> None:
    assert may_have_switched(module, options, check_mode=check_mode) is expected


def test_the_lines_begin_with_the_word_and_name_what_was_left_out() -> None:
    one = seen(left_out=["app-3"], answered={"app-1"}, tags="--tags edge")
    assert one.lines(one.verdict(1.5), ".deploy/staging/verdict.json") == [
        "VERDICT done: staging maintenance (--tags edge) in 1.5 s",
        "  left out by --limit: app-3",
        "  details: .deploy/staging/verdict.json",
    ]


def test_a_check_says_that_nothing_was_changed() -> None:
    one = seen(check_mode=True, answered={"app-1"})
    assert one.lines(one.verdict(1.5), "") == ["VERDICT checked: staging maintenance in 1.5 s; nothing was changed"]


def test_a_run_that_has_begun_says_whose_it_is() -> None:
    assert seen().begun(4711) == {
        "verdict": "running",
        "failed": False,
        "pid": 4711,
        "messages": [],
        "playbook": "maintenance",
        "environment": "staging",
        "inventory": "inventories/staging",
        "check_mode": False,
        "started": 1.0,
    }


WATCH = "watch it: ansible-playbook playbooks/status.yml -i inventories/staging"


@pytest.mark.parametrize(
    ("at_work", "lines"),
    [
        ({}, []),
        ({"app-1": "lease", "app-2": "edge_maintenance"}, []),
        ({"app-1": "stack_release"}, ["app-1: images that are being pulled may come; no replica is touched", WATCH]),
        (
            {"app-1": "stack_migration"},
            ["app-1: the migration goes on there by itself; the same command waits for it and starts no second one", WATCH],
        ),
        (
            {"app-1": "database_restore"},
            ["app-1: a restore goes on there, to its end, in one transaction; the same command waits for it", WATCH],
        ),
        (
            {"app-2": "stack_rollout", "app-1": "stack_rollout"},
            [
                "app-1: the rollout goes on there by itself, to its end",
                "app-2: the rollout goes on there by itself, to its end",
                WATCH,
                "stop it: ansible-playbook rollback.yml -i inventories/staging, or any other deploy. Once that one has the "
                "lease, the hosts refuse the next step of this one",
            ],
        ),
    ],
)
def test_what_goes_on_on_a_host_is_said_with_how_to_watch_and_to_stop_it(at_work: dict[str, str], lines: list[str]) -> None:
    assert goes_on(at_work, (), "inventories/staging", "ansible-playbook rollback.yml -i inventories/staging") == lines


@pytest.mark.parametrize(
    ("module", "shows"),
    [("ml_mode", "playbooks/ml_mode.yml"), ("stack_flags", "playbooks/flags.yml"), ("edge_maintenance", "playbooks/status.yml")],
)
def test_a_switch_that_was_not_answered_is_said_with_the_commands_that_repeat_and_show_it(module: str, shows: str) -> None:
    assert goes_on({"app-1": module, "app-2": module}, ["app-1"], "inventories/staging", "") == [
        "app-1 had not answered yet, so it may have been switched; run the same command again, or see whether it was: "
        f"ansible-playbook {shows} -i inventories/staging"
    ]
