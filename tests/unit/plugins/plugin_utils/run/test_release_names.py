from __future__ import annotations

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.release_names import ReleaseNames, are_one


def test_a_release_is_called_by_its_name_unless_another_one_has_it_too() -> None:
    names = ReleaseNames([("1.0", "1.0-a"), ("1.0", "1.0-b"), ("1.0", ""), ("2.0", "2.0-a"), ("2.0", ""), ("", "")])
    assert [names.of("1.0", "1.0-a"), names.of("1.0", ""), names.of("2.0", "2.0-a"), names.of("", "")] == [
        "1.0-a",
        "1.0",
        "2.0",
        "",
    ]


@pytest.mark.parametrize(
    ("releases", "one"),
    [
        ([("1.0", "1.0-a"), ("1.0", "1.0-a")], True),
        ([("1.0", "1.0-a"), ("1.0", "")], True),
        ([("1.0", "1.0-a"), ("1.0", "1.0-b")], False),
        ([("1.0", "1.0-a"), ("", "")], False),
        ([("1.0", ""), ("2.0", "")], False),
        ([], True),
    ],
)
def test_hosts_run_one_release_when_name_and_id_are_the_same(releases: list[tuple[str, str]], one: bool) -> None:
    assert are_one(releases) is one
