"""What a real database answers is seen by tests/acceptance/test_identity.py."""

from __future__ import annotations

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.marker import Seen, claim_problems, problems

MARKER = "is marked as production's, expected staging's; correct the secret"
NO_MARKER = (
    "carries no marker, so its owner is unknown; if it is staging's, claim it: playbooks/claim.yml with the inventory of staging"
)
CLUSTER = "has the system identifier 2, expected 1"


DATABASES = [
    pytest.param(Seen("staging", ""), Seen("staging", "2"), [], id="its own"),
    pytest.param(Seen("staging", "2"), Seen("staging", "2"), [], id="its own, on the declared cluster"),
    pytest.param(Seen("staging", ""), Seen("", "2"), [NO_MARKER], id="a database that nobody has claimed"),
    pytest.param(Seen("staging", ""), Seen("production", "2"), [MARKER], id="a database of another environment"),
    pytest.param(Seen("staging", "1"), Seen("production", "2"), [CLUSTER, MARKER], id="another's on another cluster"),
    pytest.param(Seen("staging", "1"), Seen("staging", "2"), [CLUSTER], id="a copy of the database on another cluster"),
    pytest.param(
        Seen("staging", "1"),
        Seen("staging", ""),
        ["has the system identifier not told to this user, expected 1"],
        id="a cluster that does not tell which it is",
    ),
]


@pytest.mark.parametrize(("expected", "seen", "found"), DATABASES)
def test_a_database_that_differs_is_described(expected: Seen, seen: Seen, found: list[str]) -> None:
    assert problems(expected, seen) == found


@pytest.mark.parametrize(
    ("seen", "release_from", "found"),
    [
        pytest.param(Seen("", "1"), "", [], id="nobody's"),
        pytest.param(Seen("staging", "1"), "", [], id="its own"),
        pytest.param(Seen("production", "1"), "production", [], id="given up by the other"),
        pytest.param(
            Seen("production", "1"),
            "",
            [
                "is production's by its marker and cannot become staging's; correct the secret, or, if the database has moved or "
                "is a copy, run again with -e identity_release_from=production"
            ],
            id="another's",
        ),
        pytest.param(Seen("", "2"), "", [CLUSTER], id="on another cluster"),
    ],
)
def test_a_database_of_another_environment_is_claimed_only_when_that_one_is_named(
    seen: Seen, release_from: str, found: list[str]
) -> None:
    assert claim_problems(Seen("staging", "1"), seen, release_from) == found
