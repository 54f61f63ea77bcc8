from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Kind
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import measured
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.rollout import Rollout
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases

NOON = 1_800_000_000.0


def rollout(left: str = "", kind: Kind = Kind.DEPLOY) -> Rollout:
    return Rollout(cast(Any, None), cast(Any, None), kind, None, "", [], [], [], left=left)


def releases(root: Path, live: str = "") -> Releases:
    found = Releases("shop", root / "stacks")
    lineage = found.lineage()
    if live:
        lineage.went_live(live, Kind.DEPLOY)
    found.write_lineage(lineage)
    return found


def told(root: Path) -> list[str]:
    text = (root / "metrics" / "stack-shop.prom").read_text()
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_the_live_release_is_told_with_how_the_rollout_ended(tmp_path: Path) -> None:
    measured.keep(releases(tmp_path, "1.2.0-0123456789ab"), rollout(), NOON)
    assert told(tmp_path) == [
        'deploy_release_info{stack="shop",release="1.2.0",release_id="1.2.0-0123456789ab"} 1',
        'deploy_rollout_timestamp_seconds{stack="shop",kind="deploy",left="live"} 1800000000',
    ]


def test_a_first_release_that_failed_leaves_none(tmp_path: Path) -> None:
    measured.keep(releases(tmp_path), rollout("as_before", Kind.ROLLBACK), NOON)
    assert told(tmp_path) == ['deploy_rollout_timestamp_seconds{stack="shop",kind="rollback",left="as_before"} 1800000000']


def test_a_stack_that_was_removed_is_told_of_no_more(tmp_path: Path) -> None:
    found = releases(tmp_path, "1.2.0-0123456789ab")
    measured.keep(found, rollout(), NOON)
    measured.forget(found)
    assert list((tmp_path / "metrics").iterdir()) == []
    measured.forget(found)


@pytest.mark.parametrize("error", [DeployError("lineage.json cannot be read"), OSError("no space left")])
def test_what_cannot_be_told_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    found = releases(tmp_path, "1.2.0-0123456789ab")

    def fail() -> str:
        raise error

    monkeypatch.setattr(found, "live", fail)
    measured.keep(found, rollout(), NOON)
    assert not (tmp_path / "metrics").exists()
