"""The database in the status of an environment."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import schema_status

from tests.unit.plugins.plugin_utils.run.test_schema_of_rollback import AT, RELEASES, ledger

OF_LIVE = {"live": "c-1"}
SHOWN = [
    pytest.param(
        ledger("0001", "0002", **OF_LIVE),
        ["at 0002, s.versions read from x", "the live release has migrations that are not applied: migrations/0003_m.sql"],
        id="one waits",
    ),
    pytest.param(ledger("0001", "0002", "0003", **OF_LIVE), ["at 0003, s.versions read from x"], id="all is applied"),
    pytest.param(
        ledger("0001", "0002", "0003", "0009", **OF_LIVE),
        ["at 0009, s.versions read from x", "applied, and no retained release has a file of it: 0009"],
        id="one was applied by hand",
    ),
    pytest.param(
        ledger("0001", "0002", "0003", source="seen", why="it is down", **OF_LIVE),
        [f"at 0003, as x saw it at {AT}", "the database was not asked: it is down"],
        id="what was seen last",
    ),
    pytest.param(
        ledger(source="none", why="no login", **OF_LIVE), ["unknown", "the database was not asked: no login"], id="nobody knows"
    ),
    pytest.param({"ledger": "", "source": "none", "releases": {}, **OF_LIVE}, [], id="no migrations"),
    pytest.param({"unreachable": True}, [], id="nobody to be asked"),
]


@pytest.mark.parametrize(("said", "sentences"), SHOWN)
def test_the_schema_is_told_with_where_it_comes_from(said: dict[str, Any], sentences: list[str]) -> None:
    assert schema_status.sentences(schema_status.told({"x": said})) == sentences


def test_a_migration_that_broke_off_is_told() -> None:
    said = ledger("0001", "0002", releases=RELEASES, **OF_LIVE)
    said["rows"].append({"version": "0003", "name": "", "state": "failed"})
    found = schema_status.told({"x": said})
    assert (found["failed"], found["pending"]) == (["0003"], ["migrations/0003_m.sql"])
    assert "broke off, and nobody has said what is to become of it: 0003" in schema_status.sentences(found)
