from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.live.times import FILE, KEPT, Times


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_first_run_expects_nothing() -> None:
    assert Times("deploy staging").expected("run") is None


def test_a_run_is_expected_to_take_what_the_last_ones_took() -> None:
    for seconds in (10.0, 12.0, 90.0):
        Times("deploy staging").write({"run": seconds, "Roll out": seconds / 2})
    Times("deploy production").write({"run": 500.0})
    assert (Times("deploy staging").expected("run"), Times("deploy staging").expected("Roll out")) == (12.0, 6.0)


def test_what_is_long_ago_counts_no_more() -> None:
    for seconds in (900.0, *[10.0] * KEPT, 11.0):
        Times("deploy").write({"run": seconds})
    assert Times("deploy").expected("run") == 10.0
    assert FILE.read_text().count("10.0") == KEPT - 1


@pytest.mark.parametrize("content", ["", "[]", '{"deploy": []}', '{"deploy": {"run": "long"}}', '{"deploy": {"run": [null]}}'])
def test_a_damaged_file_is_as_if_it_were_not_there(content: str) -> None:
    FILE.parent.mkdir()
    FILE.write_text(content)
    assert Times("deploy").expected("run") is None
    Times("deploy").write({"run": 3.0})
    assert Times("deploy").expected("run") == 3.0
