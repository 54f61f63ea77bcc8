from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import FencedError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import NewerFormatError
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.fence import Fence, Mark, read, seen_by_host
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.held import Claim
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.lease import Lease
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.effort import examples


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Directory of a stack."""
    return tmp_path / "stacks" / "shop"


def enters(root: Path, token: int, run: str = "") -> bool:
    try:
        Fence(root, token, run).enter()
    except FencedError:
        return False
    return True


@settings(max_examples=examples(60))
@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from(["a", "b", "c"])), max_size=12))
def test_only_the_highest_token_so_far_comes_in_and_of_two_runs_with_one_token_the_first(
    tmp_path_factory: pytest.TempPathFactory, comers: list[tuple[int, str]]
) -> None:
    root = tmp_path_factory.mktemp("host") / "shop"
    inside = (0, "")
    for token, run in comers:
        allowed = token > inside[0] or (token, run) == inside
        assert enters(root, token, run) == allowed
        inside = (token, run) if allowed else inside


def test_who_is_inside_learns_that_a_newer_one_came(root: Path) -> None:
    old = Fence(root, 3, "run-a")
    old.enter()
    old.check()
    Fence(root, 4, "run-b").enter()
    with pytest.raises(FencedError) as caught:
        old.check()
    assert str(caught.value) == (
        "this run has lost its lease: its token is 3, and run run-b with token 4 has been on this host since. Nothing more was "
        "written here. See what runs, who has the lease and how the last runs ended: playbooks/status.yml. When nobody has it, "
        "that run is over: run this again, with a lease of its own it comes in"
    )


def test_the_fence_of_the_host_stops_who_is_inside_any_stack_and_who_comes_to_one_that_is_new(root: Path) -> None:
    old = Fence(root, 3, "run-a")
    old.enter()
    Fence.of_host(root.parent, 4, "run-b").enter()
    with pytest.raises(FencedError, match="run run-b with token 4"):
        old.check()
    assert not enters(root.parent / "new", 3, "run-a")
    assert enters(root.parent / "new", 4, "run-b")


def lose(root: Path, *names: str) -> None:
    for name in names:
        (root.parents[1] / name).unlink()


def test_where_the_fence_of_the_host_is_lost_those_of_its_stacks_stop_who_comes_late_to_one_that_is_new(root: Path) -> None:
    Fence(root, 3, "run-a").enter()
    Fence(root, 4, "run-b").enter()
    lose(root, "stacks/fence.json")
    assert not enters(root.parent / "new", 3, "run-a")
    assert not enters(root.parent / "new", 4, "run-a")
    assert enters(root.parent / "new", 4, "run-b")
    # Which raises it again.
    assert read(root.parent / "fence.json") == Mark(4, "run-b")


def test_a_run_inside_a_stack_is_stopped_by_what_another_stack_has_seen(root: Path) -> None:
    """As when an older version, which knows the fences of stacks alone, has written there since."""
    old = Fence(root, 3, "run-a")
    old.enter()
    (root.parent / "cart").mkdir()
    (root.parent / "cart" / "fence.json").write_text('{"token": 4}')
    with pytest.raises(FencedError, match="a run with token 4"):
        old.check()


def test_where_all_fences_are_lost_the_lease_that_the_host_has_granted_stands_in(root: Path) -> None:
    lease = Lease("staging", root.parents[1])
    token = lease.acquire(Claim("ben", "deploy", "run-b")).token
    lease.release(token)
    lose(root, "stacks/fence.json")
    assert seen_by_host(root.parent) == Mark(token, "run-b")
    assert not enters(root, token - 1, "run-a")
    assert not enters(root, token, "run-a")
    assert enters(root, token, "run-b")


def test_a_lease_that_was_broken_stops_nobody_before_another_run_has_it(root: Path) -> None:
    """Who broke it may have been wrong, and a run that is stopped half-way takes nothing back."""
    lease = Lease("staging", root.parents[1])
    token = lease.acquire(Claim("ben", "deploy", "run-b")).token
    lease.break_("why not", "carla")
    assert enters(root, token, "run-b")
    assert lease.acquire(Claim("anna", "deploy", "run-a")).token > token + 1
    assert not enters(root, token, "run-b")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"token": 1e999, "run": "a"}', '{"run": "a"}', '{"token": 9}'])
def test_a_lease_that_cannot_be_read_stops_nobody(root: Path, text: str) -> None:
    directory = root.parents[1] / "leases" / "staging"
    directory.mkdir(parents=True)
    (directory / "lease.json").write_text(text)
    assert enters(root, 2)


def test_a_lease_of_a_newer_version_is_not_taken_for_none(root: Path) -> None:
    directory = root.parents[1] / "leases" / "staging"
    directory.mkdir(parents=True)
    (directory / "lease.json").write_text('{"format": 99, "token": 9, "run": "a"}')
    with pytest.raises(NewerFormatError, match=r"lease\.json has format 99"):
        Fence(root, 10, "run-b").enter()


def test_what_an_older_version_reads_is_raised_with_the_lease(root: Path) -> None:
    root.mkdir(parents=True)
    (root / "fence.json").write_text('{"token": 3}')
    Fence.of_host(root.parent, 4, "run-b").enter()
    assert json.loads((root / "fence.json").read_text())["token"] == 4


def test_a_fence_of_an_older_version_names_no_run_and_lets_one_with_its_token_in(root: Path) -> None:
    root.mkdir(parents=True)
    (root / "fence.json").write_text('{"token": 3}')
    assert not enters(root, 2, "run-a")
    assert enters(root, 3, "run-a")
    assert not enters(root, 3, "run-b")


def test_the_highest_token_of_any_stack_is_what_the_host_has_seen(root: Path) -> None:
    assert seen_by_host(root.parent) == Mark()
    Fence(root, 3, "run-a").enter()
    (root.parent / "cart").mkdir()
    (root.parent / "cart" / "fence.json").write_text('{"token": 9}')
    assert seen_by_host(root.parent) == Mark(9, "")


def test_a_run_without_a_lease_is_neither_stopped_nor_stops_others(root: Path) -> None:
    Fence(root, 4, "run-b").enter()
    Fence(root, 0).enter()
    Fence(root, 0).check()
    assert not enters(root, 3)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"token": "x"}', '{"token": 1e999}'])
def test_a_fence_that_cannot_be_read_is_raised_anew(root: Path, text: str) -> None:
    root.mkdir(parents=True)
    (root / "fence.json").write_text(text)
    assert enters(root, 2)
    assert not enters(root, 1)
    assert read(root / "fence.json") == Mark(2, "")
