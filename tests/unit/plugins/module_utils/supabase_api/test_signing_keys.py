"""When another key is to sign, and what is done about it at once."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.signing_keys import (
    ADOPT,
    CREATE,
    PROMOTE,
    RETIRE,
    REVOKE,
    STATUS,
    Wanted,
    steps,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)  # noqa: UP017 - as the code
WANTED = Wanted("ES256", 90)


def key(status: str, minutes: float, algorithm: str = "ES256") -> dict[str, Any]:
    at = (NOW - timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")
    return {"id": f"{status}-{algorithm}", "status": status, "algorithm": algorithm, "created_at": at, "updated_at": at}


DAY = 24 * 60


@pytest.mark.parametrize(
    ("keys", "acts", "waiting"),
    [
        ([], [ADOPT, CREATE], 0),
        ([key("in_use", 90 * DAY)], [], 0),
        ([key("in_use", 91 * DAY)], [CREATE], 0),
        ([key("in_use", 1, "HS256")], [CREATE], 0),
        ([key("in_use", 91 * DAY), key("standby", 19)], [], 1),
        ([key("in_use", 91 * DAY), key("standby", 21)], [PROMOTE], 0),
        ([key("in_use", 91 * DAY), key("standby", 21, "RS256")], [RETIRE], 0),
        ([key("in_use", 91 * DAY), key("previously_used", 1, "RS256")], [CREATE], 1),
        ([key("in_use", 91 * DAY), key("standby", 21), key("previously_used", 76)], [PROMOTE], 1),
        ([key("in_use", 1), key("previously_used", 80), key("previously_used", 76)], [REVOKE], 1),
        ([key("in_use", 1), key("standby", 21)], [], 0),
        ([key("in_use", 1), key("previously_used", 74)], [], 1),
        ([key("in_use", 1), key("previously_used", 76)], [REVOKE], 0),
        ([key("in_use", 1), key("revoked", 76)], [], 0),
        ([key("revoked", 76)], [CREATE], 0),
    ],
)
def test_each_step_comes_when_it_harms_nobody(keys: list[dict[str, Any]], acts: list[str], waiting: int) -> None:
    found, waits = steps(keys, WANTED, 3600, NOW)
    assert ([step.act for step in found], len(waits)) == (acts, waiting)


def test_a_rotation_from_its_first_step_to_its_last_signs_nobody_out() -> None:
    """Step by step, with the time in between: never are two keys good that nobody needs, and never none."""
    keys, minutes = [key("in_use", 100 * DAY, "HS256")], 0.0
    done = []
    for _ in range(400):
        now = NOW + timedelta(minutes=minutes)
        for step in steps(keys, WANTED, 3600, now)[0]:
            done.append((step.act, minutes))
            at = now.isoformat()
            if step.act == CREATE:
                keys.append({"id": "next", "status": "standby", "algorithm": "ES256", "created_at": at, "updated_at": at})
            else:
                for one in keys:
                    if step.act == PROMOTE and one["status"] == "in_use":
                        one.update(status="previously_used", updated_at=at)
                    if one["id"] == step.key:
                        one.update(status="in_use" if step.act == PROMOTE else "revoked", updated_at=at)
            assert sum(one["status"] == "in_use" for one in keys) == 1
        minutes += 5
    assert done == [(CREATE, 0), (PROMOTE, 20), (REVOKE, 95)]


def test_a_key_that_is_still_needed_is_not_revoked_and_it_is_said_why() -> None:
    keys = [key("in_use", 1), key("previously_used", 76, "HS256")]
    assert steps(keys, WANTED, 3600, NOW, lambda _: "others use it") == (
        [],
        ["the signing key before is still good, because others use it"],
    )


def test_what_a_key_becomes_is_what_the_management_api_knows() -> None:
    assert STATUS == {PROMOTE: "in_use", RETIRE: "previously_used", REVOKE: "revoked"}
