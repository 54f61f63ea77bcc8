"""What the suite of changes asks for is what it says: releases that a deploy would take, and answers that the routes mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.check import StackConfig

from tests.changes.kinds import BASE, KINDS, Kind
from tests.changes.outcome import Change, change_of
from tests.changes.shop import Release, Service, write

SPECS = specifications.options("preflight")
RENAMED = BASE.without("help").plus(Service("faq", paths=("/shop/help",)))


def configured(release: Release, directory: Path) -> StackConfig:
    variables: dict[str, Any] = yaml.safe_load((write(release, directory, "1.0.0") / "group_vars/all/stack.yml").read_text())
    return StackConfig(variables, SPECS)


def asked(change: Change) -> dict[str, set[str]]:
    return {one.path: set(one.answers) for one in change.asked()}


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_release_of_every_kind_passes_the_checks_of_the_controller(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / ".sandbox").mkdir()
    for release in (*kind.earlier, kind.before, *(change_of(kind, phase).tried for phase in kind.phases)):
        assert configured(release, tmp_path).problems == []


def test_kinds_have_names_of_their_own_and_a_release_to_change_to() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert [kind.name for kind in KINDS if kind.before == kind.after] == ["nothing"]


def test_while_a_release_fails_only_the_one_before_answers() -> None:
    change = change_of(Kind("renamed", BASE, RENAMED), "never")
    assert asked(change) == {"/shop/front": {"cart/1"}, "/shop/cart": {"cart/1"}, "/shop/help": {"help/1"}}
    assert [service.health for service in change.tried] == ["", "never"]


def test_a_release_that_turns_bad_may_answer_for_a_moment_and_takes_no_path_away() -> None:
    kind = Kind("lost", BASE, BASE.without("help"))
    assert asked(change_of(kind, "late"))["/shop/help"] == {"help/1"}
    assert asked(change_of(kind, "good"))["/shop/help"] == {"help/1", "none"}
    assert asked(change_of(kind, "back"))["/shop/help"] == {"help/1", "none"}
    assert asked(change_of(Kind("renamed", BASE, RENAMED), "late"))["/shop/help"] == {"help/1", "faq/late"}


def test_a_path_that_loses_its_route_goes_to_the_longest_one_that_is_left() -> None:
    before = BASE.changed(cart={"paths": ("/shop",)})
    change = change_of(Kind("lost", before, before.changed(help={"paths": ()})), "good")
    assert asked(change) == {"/shop": {"cart/1"}, "/shop/help": {"help/1", "cart/1"}}


def test_an_answer_in_the_edition_of_the_other_release_is_good_and_known_as_such() -> None:
    moved = BASE.changed(cart={"paths": ("/shop/front",), "edition": "2"}, help={"paths": ("/shop/cart",), "edition": "2"})
    change = change_of(Kind("moved", BASE, moved), "good")
    assert change.meant()["/shop/cart"] == {"cart/1", "help/2"}
    assert asked(change)["/shop/cart"] == {"cart/1", "cart/2", "help/1", "help/2"}


def test_what_is_spoilt_is_what_the_release_brings() -> None:
    spoilt = BASE.changed(help={"port": 9000}).spoilt("never", BASE)
    assert [(one.name, one.edition, one.health) for one in spoilt] == [("cart", "1", ""), ("help", "never", "never")]
    [first, second] = BASE.spoilt("late", BASE)
    assert (first.health, second.health) == ("late", "")
