from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.validation import validate_edge


class Tool:
    """An engine that runs one tool."""

    def __init__(self, code: int, output: str) -> None:
        self.result = code, output
        self.calls: list[tuple[Any, ...]] = []

    def run_tool(self, *call: Any) -> tuple[int, str]:
        self.calls.append(call)
        return self.result


COMPLAINTS = [
    pytest.param(0, "[WARNING] (1) : config : a matter of taste", "", id="accepted"),
    pytest.param(
        1,
        "[NOTICE] (1) : haproxy version is 3.0\n[ALERT] (1) : config : unknown keyword 'sever'\n[ALERT] (1) : config : fatal",
        "config : unknown keyword 'sever'; config : fatal",
        id="rejected",
    ),
    pytest.param(137, "Killed", "Killed", id="killed"),
]


@pytest.mark.parametrize(("code", "output", "complaint"), COMPLAINTS)
def test_haproxy_checks_a_configuration_in_the_image_that_runs(code: int, output: str, complaint: str) -> None:
    tool = Tool(code, output)
    assert validate_edge(tool, {"image": "haproxy:3.0", "user": "99:99"}, Path("/x")) == complaint  # type: ignore[arg-type]
    [(image, command, mounts, user)] = tool.calls
    assert (image, user, list(mounts)) == ("haproxy:3.0", "99:99", [Path("/x")])
    assert command[:2] == ["haproxy", "-c"]
