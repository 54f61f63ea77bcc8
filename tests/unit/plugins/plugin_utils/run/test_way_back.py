from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.way_back import is_unanswered, way_back

PREVIOUS = {"a": "1.0.0-a", "b": "1.0.0-b", "c": ""}


def switched(action: str = "rollback", previous: str = "1.0.0-x") -> dict[str, Any]:
    return {"switched": True, "failed": False, "failure_action": action, "previous_id": previous}


FAILED = {"switched": False, "failed": True, "failure_action": "rollback", "previous_id": "1.0.0-x", "left": "as_before"}
LOST = {"unreachable": True, "failed": False, "msg": "ssh"}
KILLED = {"failed": True, "module_stdout": "", "msg": "no JSON"}
CRASHED = {"failed": True, "exception": "...", "msg": "Module failed"}
FENCED = {"failed": True, "fenced": True, "msg": "lost its lease"}

CASES = [
    pytest.param({"a": switched(), "b": FAILED, "c": {}}, {"a": "1.0.0-x"}, id="one was switched, one failed, one had no turn"),
    pytest.param({"a": switched("pause"), "b": FAILED}, {}, id="one was switched that stays"),
    pytest.param({"a": switched(previous=""), "b": FAILED}, {}, id="a first release has nothing to go back to"),
    pytest.param({"a": switched(), "b": LOST}, {"a": "1.0.0-x", "b": "1.0.0-b"}, id="one was lost"),
    pytest.param({"a": switched(), "b": KILLED}, {"a": "1.0.0-x", "b": "1.0.0-b"}, id="one was killed"),
    pytest.param({"a": switched(), "b": CRASHED}, {"a": "1.0.0-x", "b": "1.0.0-b"}, id="one has crashed"),
    pytest.param({"a": switched("pause"), "b": KILLED}, {}, id="one was killed where nothing goes back"),
    pytest.param({"a": KILLED}, {}, id="nobody knows what the release wants"),
    pytest.param({"a": FAILED, "c": LOST}, {}, id="one was lost that ran nothing before"),
    pytest.param({"a": switched(), "b": FENCED}, {}, id="another run has taken over"),
]


@pytest.mark.parametrize(("results", "wanted"), CASES)
def test_the_hosts_that_go_back_are_those_that_may_run_the_new_release(results: Any, wanted: dict[str, str]) -> None:
    assert way_back(results, PREVIOUS) == wanted


@pytest.mark.parametrize("result", [{}, switched(), FAILED])
def test_who_has_no_result_or_has_said_what_runs_is_not_asked_again(result: dict[str, Any]) -> None:
    assert not is_unanswered(result)
