"""Which feature flags a deploy brings where hosts have newer ones than the inventory."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.morpheus.deploy.plugins.filter.newest_flags import newest_flags

from tests.unit.flags_file import text


def kept(version: int) -> str:
    return base64.b64encode(text({}, version).encode()).decode()


@pytest.mark.parametrize(
    ("hosts", "newest"),
    [
        ([], ""),
        (["", ""], ""),
        ([kept(8), kept(8)], ""),
        ([kept(8), ""], kept(8)),
        (["", kept(8), kept(11), kept(9)], kept(11)),
    ],
    ids=["no host", "nobody keeps any", "all have the same", "one is behind", "each has others"],
)
def test_all_hosts_get_the_newest_flags_of_any_where_they_differ(hosts: list[str], newest: str) -> None:
    assert newest_flags([{"newer_flags": one} for one in hosts]) == ({"flags/flags.json": newest} if newest else {})


def test_a_host_of_which_nothing_is_known_has_none() -> None:
    assert newest_flags([{}]) == {}
