"""What a deploy makes of the live files of a stack, and of feature flags among them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.live import Brought, bring
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.wanted import Wanted
from ansible_collections.morpheus.deploy.plugins.module_utils.release.live_flags import LiveFlags, digest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

from tests.unit.flags_file import share, text

NAME = "flags/flags.json"
STACK = Stack.of({"name": "shop", "live_files": ["flags"]})


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    return Releases("shop", tmp_path)


def flags(percent: int, version: int) -> bytes:
    return text({"loud": share(percent)}, version).encode()


def wanted(**files: bytes) -> Wanted:
    return Wanted("1.2.0", "staging", STACK, {}, {}, live_files={f"flags/{name}.json": text for name, text in files.items()})


def switched(releases: Releases, percent: int, version: int) -> bytes:
    found = LiveFlags(releases.root)
    found.bring(flags(percent, version), digest(found.content), by="alice", why="a try", at="2026-11-27T03:00:00Z")
    return found.content


def test_flags_come_with_a_deploy_and_the_history_says_with_which(releases: Releases) -> None:
    assert bring(releases, wanted(flags=flags(5, 1), other=b"x"), check_mode=False) == Brought([NAME, "flags/other.json"])
    assert bring(releases, wanted(flags=flags(5, 1), other=b"x"), check_mode=False) == Brought([])
    found = LiveFlags(releases.root)
    assert found.content == flags(5, 1)
    assert [(one["by"], one["why"], one["changes"]) for one in found.history(9)] == [
        ("a deploy", "release 1.2.0", ["loud: new, on 5 %, off 95 %"])
    ]


@pytest.mark.parametrize("check_mode", [False, True])
def test_newer_flags_stay_and_are_given_back_while_other_files_come(releases: Releases, check_mode: bool) -> None:
    bring(releases, wanted(flags=flags(5, 1)), check_mode=False)
    newer = switched(releases, 50, 2)
    found = bring(releases, wanted(flags=flags(5, 1), other=b"x"), check_mode=check_mode)
    assert (found.changed, found.flags) == (["flags/other.json"], newer)
    assert [one.partition(" (")[0] for one in found.kept] == ["the flags stay at version 2"]
    assert LiveFlags(releases.root).content == newer
    assert (releases.live_files.root / "flags" / "other.json").exists() is not check_mode
    assert len(LiveFlags(releases.root).history(9)) == 2


def test_flags_of_the_same_version_that_were_edited_are_brought(releases: Releases) -> None:
    bring(releases, wanted(flags=flags(5, 1)), check_mode=False)
    assert bring(releases, wanted(flags=flags(7, 1)), check_mode=True).changed == [NAME]
    assert LiveFlags(releases.root).content == flags(5, 1)
    assert bring(releases, wanted(flags=flags(7, 1)), check_mode=False) == Brought([NAME])
    assert LiveFlags(releases.root).content == flags(7, 1)


def test_a_stack_without_flags_has_neither_lock_nor_history(releases: Releases) -> None:
    bring(releases, wanted(other=b"x"), check_mode=False)
    assert sorted(path.name for path in releases.root.iterdir()) == ["live"]
