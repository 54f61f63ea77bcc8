from __future__ import annotations

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.scratch import scratch

FILES = {"compose.yml": b"services: {}", "migrations/1.sql": b"create"}


def test_a_scratch_workspace_is_like_a_release_and_leaves_no_trace() -> None:
    with scratch("1.0", "staging", FILES, {"api.env": "canary"}) as workspace:
        root = workspace.files.parent
        assert (workspace.files / "migrations/1.sql").read_bytes() == b"create"
        assert (workspace.files / "secrets/api.env").read_text() == "canary"
        assert root.stat().st_mode & 0o077 == 0
    assert not root.exists()


def test_a_scratch_workspace_goes_when_something_fails_too() -> None:
    with pytest.raises(ZeroDivisionError), scratch("1.0", "staging", FILES, {}) as workspace:
        raise ZeroDivisionError
    assert not workspace.files.parent.exists()
