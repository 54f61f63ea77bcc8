"""A module as Ansible runs it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args


def run_module(module: Any, capsys: pytest.CaptureFixture[str], options: dict[str, Any]) -> dict[str, Any]:
    """What the module prints: no secret, in which tests write "canary", and whether it failed as its exit status says it."""
    with patch_module_args(options), pytest.raises(SystemExit) as ended:
        module.main()
    output = capsys.readouterr().out
    assert "canary" not in output
    result: dict[str, Any] = json.loads(output)
    assert bool(ended.value.code) == result.get("failed", False)
    return result
