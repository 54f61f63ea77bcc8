"""The release that the next one follows."""

from __future__ import annotations

from user import ask


def test_users_get_the_first_release() -> None:
    answer = ask("/health")
    assert (answer.status, answer.version) == (200, "1.0.0")
