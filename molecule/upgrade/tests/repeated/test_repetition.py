"""The same deploy again: nothing to do, so nothing is done."""

from __future__ import annotations

from moments import Moment, recall, verdict
from user import ask


def test_the_verdict_is_unchanged() -> None:
    found = verdict()
    assert (found["verdict"], found["release"]) == ("unchanged", "1.1.0")


def test_no_container_was_replaced_or_restarted(moment: Moment) -> None:
    assert moment.started == recall("upgraded").started


def test_no_file_was_changed(moment: Moment) -> None:
    assert moment.files == recall("upgraded").files


def test_users_get_the_same_release() -> None:
    assert ask("/health").version == "1.1.0"
