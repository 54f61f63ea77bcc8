"""The controller's file of baselines is read whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.morpheus.deploy.plugins.filter.known_baselines import known_baselines

RECORDED = {"digest": "a" * 64, "recorded": "2026-11-24T10:00:00Z"}


def test_the_controllers_file_keeps_hosts_that_were_left_out(tmp_path: Path) -> None:
    file = tmp_path / "baselines.json"
    assert known_baselines(str(file)) == {}
    file.write_text(json.dumps({"environment": "staging", "hosts": {"b": RECORDED}}))
    recorded = {"a": {**RECORDED, "changed": True, "differences": []}}
    assert known_baselines(str(file), recorded) == {"a": RECORDED, "b": RECORDED}


def test_a_file_that_says_nothing_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "baselines.json"
    file.write_text("[]")
    with pytest.raises(AnsibleFilterError, match="is not a file of baselines"):
        known_baselines(str(file))
