"""Who waits for another run until the time is over says for whom, whatever the watchdog cancels in that moment."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase.runner import Limits, Runner


class DriverError(Exception):
    pgcode = "57014"


class Cursor:
    """Of a server whose lock another session has; its ``cancelled``-th query and no other is cancelled."""

    def __init__(self, cancelled: int) -> None:
        self._left = cancelled
        self._query = ""

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, *unused: object) -> None: ...

    def execute(self, query: str, parameters: object = None) -> None:
        self._query = query
        self._left -= 1
        if self._left == 0:
            raise DriverError("canceling statement due to user request")

    def fetchall(self) -> list[tuple[Any, ...]]:
        return [(False,)] if "pg_try_advisory_lock" in self._query else [(7, "holder", "10.0.0.1", "0:01:00")]


class Connection:
    autocommit = False

    def __init__(self, cancelled: int) -> None:
        self._cursor = Cursor(cancelled)

    def cursor(self) -> Cursor:
        return self._cursor

    def cancel(self) -> None: ...


class Clock:
    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds


def nothing(cursor: object) -> Any:
    raise AssertionError("without the lock nothing is decided")


# Six queries for the lock within a second, and one for who has it.
@pytest.mark.parametrize("cancelled", [0, 5, 6])
def test_who_has_the_lock_is_said(cancelled: int) -> None:
    runner = Runner(Connection(cancelled), DriverError, Limits(all=1), clock=Clock())
    with pytest.raises(
        DeployError, match=r"and was for 1 s .*: session 7 of holder from 10\.0\.0\.1, for 0:01:00\. Nothing was done"
    ):
        runner.run(nothing)


def test_what_is_cancelled_before_the_time_is_over_is_an_error_of_its_own() -> None:
    runner = Runner(Connection(1), DriverError, Limits(all=1), clock=Clock())
    with pytest.raises(DriverError):
        runner.run(nothing)
