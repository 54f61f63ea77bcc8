"""Who may let a deploy to production go on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.scripts.programs import program

approval = program("scripts/approval.py")
COMMIT = "f" * 40
REVIEWERS = {"rules": [{"type": "branch_policy"}, {"type": "required_reviewers"}], "approvers": ""}


def facts(**changed: Any) -> dict[str, Any]:
    """Bob dispatches what Anna has tagged, where the environment has no reviewers."""
    pushed = {"head_sha": COMMIT, "actor": {"login": "anna"}}
    asked = {"rules": [{"type": "branch_policy"}], "runs": [pushed], "event": "workflow_dispatch", "commit": COMMIT}
    return asked | {"actor": "bob", "triggering_actor": "bob", "approvers": "bob, carol"} | changed


@pytest.mark.parametrize(
    ("changed", "word", "reason"),
    [
        (REVIEWERS | {"event": "push"}, "reviewers", "GitHub waits for a reviewer of the environment production"),
        (REVIEWERS, "reviewers", "GitHub waits for a reviewer of the environment production"),
        ({"event": "push"}, "wait", "one of bob, carol, who has not pushed the tag, dispatches this workflow on it"),
        ({}, "approved", "bob approves what anna has tagged"),
        ({"actor": "Bob", "triggering_actor": "Bob"}, "approved", "Bob approves what anna has tagged"),
        ({"triggering_actor": "carol"}, "approved", "bob approves what anna has tagged"),
    ],
)
def test_who_is_waited_for_is_said(changed: dict[str, Any], word: str, reason: str) -> None:
    assert approval.decision(facts(**changed)) == (word, reason)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        pytest.param({"approvers": " ,"}, "has no required reviewers, and the variable APPROVERS names nobody", id="nobody"),
        pytest.param({"actor": "mallory"}, "mallory is not one of the approvers: bob, carol", id="somebody"),
        pytest.param({"triggering_actor": "mallory"}, "mallory is not one of the approvers: bob, carol", id="started again"),
        pytest.param({"approvers": "anna", "actor": "anna", "triggering_actor": "anna"}, "anna has pushed the tag", id="own tag"),
        pytest.param(
            {"runs": [{"head_sha": COMMIT, "actor": {"login": "BOB"}}]}, "bob has pushed the tag", id="own tag in capitals"
        ),
        pytest.param({"runs": []}, "nobody knows who pushed this tag", id="nobody tagged"),
        pytest.param(
            {"runs": [{"head_sha": "0" * 40, "actor": {"login": "anna"}}]}, "nobody knows who pushed this tag", id="moved tag"
        ),
    ],
)
def test_everybody_else_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(approval.ApprovalError, match=said):
        approval.decision(facts(**changed))
