"""A second rotation beside the first: it is told whose turn it is, and when that run is over, what the vault says then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.plays.staged import VAULT, Case, Done, Stage, encrypt, rule

HELD = "The lease of staging is held by ben@desk (rotate key) since 2026-01-01T12:00:00Z, token 7."
REFUSED = {"failed": True, "msg": HELD}
UNDER_WAY = {"id": "a" * 16, "phase": "rolling", "since": "2026-01-01", "old": "canary" * 8, "new": "canary" * 9}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("stage"))


def rotate(stage: Stage, name: str, vault: Mapping[str, Any], *rules: Mapping[str, Any]) -> Done:
    encrypt(stage.vault, {**VAULT, **vault}, "staging", "open")
    return stage.play(name, "rotate_secrets", Case(rules=rules))


@pytest.mark.deep
@pytest.mark.parametrize("name", ["key", "another"])
def test_it_is_told_whose_turn_it_is_and_not_what_the_other_run_has_left_in_the_vault(stage: Stage, name: str) -> None:
    vault = {"vault_rotation": {"name": name, **UNDER_WAY}, "vault_key": UNDER_WAY["new"]}
    done = rotate(stage, f"held-{name}", vault, rule("lease", REFUSED))
    assert done.code == 2
    assert done.verdict.split()[:2] == ["VERDICT", "refused:"]
    assert HELD in " ".join(done.output.split())
    assert "is not finished" not in done.output
    assert "canary" not in done.output


@pytest.mark.deep
def test_when_nobody_is_at_work_it_is_told_of_the_rotation_that_is_not_finished(stage: Stage) -> None:
    done = rotate(stage, "unfinished", {"vault_rotation": {"name": "another", **UNDER_WAY}})
    assert done.code == 2
    said = " ".join(done.output.split())
    assert "the rotation of another, begun 2026-01-01, is not finished. Finish it first: ansible-playbook" in said
    assert done.verdict.split()[:2] == ["VERDICT", "refused:"]
