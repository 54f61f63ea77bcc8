from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.errors import FencedError
from ansible_collections.morpheus.deploy.plugins.module_utils.fence import Fence
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.effort import examples


def enters(root: Path, token: int) -> bool:
    try:
        Fence(root, token).enter()
    except FencedError:
        return False
    return True


@settings(max_examples=examples(60))
@given(st.lists(st.integers(1, 6), max_size=12))
def test_only_the_highest_token_so_far_comes_in(tmp_path_factory: pytest.TempPathFactory, tokens: list[int]) -> None:
    root = tmp_path_factory.mktemp("host")
    highest = 0
    for token in tokens:
        assert enters(root, token) == (token >= highest)
        highest = max(highest, token)


def test_who_is_inside_learns_that_a_newer_one_came(tmp_path: Path) -> None:
    old = Fence(tmp_path, 3)
    old.enter()
    old.check()
    Fence(tmp_path, 4).enter()
    with pytest.raises(FencedError, match="its token is 3, and a run with token 4"):
        old.check()


def test_a_run_without_a_lease_is_neither_stopped_nor_stops_others(tmp_path: Path) -> None:
    Fence(tmp_path, 4).enter()
    Fence(tmp_path, 0).enter()
    Fence(tmp_path, 0).check()
    assert not enters(tmp_path, 3)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"token": "x"}'])
def test_a_fence_that_cannot_be_read_is_raised_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "fence.json").write_text(text)
    assert enters(tmp_path, 2)
    assert not enters(tmp_path, 1)
