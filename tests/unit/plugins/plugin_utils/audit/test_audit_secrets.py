from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.secrets import MaximumAge, check, names, table

from tests.unit.audited import bad, fingerprints, recorded

TODAY = date(2026, 1, 31)
KNOWN = ["api.DATABASE_URL", "files.license"]
SHARED = [fingerprints("production", web__URL="a")]


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, []),
        ({"others": SHARED}, [("high", "secret-shared", "api.DATABASE_URL")]),
        ({"others": SHARED, "allowed": ["api.DATABASE_URL", "web.URL"]}, []),
        ({"others": SHARED, "allowed": ["api.DATABASE_URL"]}, [("high", "secret-shared", "api.DATABASE_URL")]),
        ({"others": [{**SHARED[0], "key": "0" * 32}]}, [("high", "secret-shared", "the")]),
        ({"own": None, "trouble": ["fingerprints.json: cannot be read"]}, [("medium", "secret-unrecorded", "fingerprints")]),
        ({"own": fingerprints("staging", api__DATABASE_URL="a")}, [("medium", "secret-unrecorded", "files.license")]),
    ],
    ids=["none", "shared", "allowed", "allowed for one of the two", "other key", "no file", "one without"],
)
def test_what_is_shared_or_not_recorded_is_found(changed: dict[str, Any], found: list[tuple[str, str, str]]) -> None:
    assert bad([check(KNOWN, recorded(**changed), MaximumAge(), TODAY)]) == found


# 2025-08-03 is 181 days before, 2025-08-17 is 167.
@pytest.mark.parametrize(
    ("since", "maximum", "level"),
    [
        ("2026-01-01", MaximumAge(180), []),
        ("2025-08-18", MaximumAge(180), []),
        ("2025-08-17", MaximumAge(180), ["low"]),
        ("2025-08-04", MaximumAge(180), ["low"]),
        ("2025-08-03", MaximumAge(180), ["medium"]),
        ("2025-08-03", MaximumAge(400), []),
        ("2025-08-03", MaximumAge(180, {"api.DATABASE_URL": 181}), ["low"]),
        ("2025-08-03", MaximumAge(400, {"api.DATABASE_URL": 180}), ["medium"]),
        ("2025-08-03", MaximumAge(400, {"api.OTHER": 1}), []),
    ],
)
def test_a_secret_grows_old(since: str, maximum: MaximumAge, level: list[str]) -> None:
    given = recorded(own=fingerprints("staging", since, api__DATABASE_URL="a"))
    assert [one.level for one in check(["api.DATABASE_URL"], given, maximum, TODAY).findings] == level


@pytest.mark.parametrize(
    ("name", "by_a_person"), [("api.KEY", False), ("rotation.database.admin_url", True), ("notifications.chat.url", True)]
)
def test_what_no_rotation_can_renew_is_renewed_by_a_person(name: str, by_a_person: bool) -> None:
    own = fingerprints("staging", "2025-08-03", api__KEY="a")
    own["secrets"] = {name: own["secrets"]["api.KEY"]}
    [found] = check([name], recorded(own=own), MaximumAge(), TODAY).findings
    assert ("rotate_secrets.yml" not in found.mend) == by_a_person


def test_an_environment_without_others_is_not_said_to_share_nothing() -> None:
    assert "secret-shared" not in check(KNOWN, recorded(others=[]), MaximumAge(), TODAY).ids
    assert "secret-shared" in check(KNOWN, recorded(), MaximumAge(), TODAY).ids


def test_names_are_those_of_the_fingerprints() -> None:
    assert names({"api.env": ["B", "A"], "license": []}) == ["api.A", "api.B", "files.license"]


def test_the_table_shows_the_beginning_of_a_fingerprint_and_no_more() -> None:
    rows = table([*KNOWN, "api.NEW"], recorded(others=SHARED), MaximumAge(180, {"files.license": 30}), TODAY)
    assert [(one["name"], one["fingerprint"], one["age_days"], one["maximum_days"]) for one in rows] == [
        ("api.DATABASE_URL", "a" * 8, 30, 180),
        ("api.NEW", "", None, 180),
        ("files.license", "b" * 8, 30, 30),
    ]
    assert [one["shared_with"] for one in rows] == [["web.URL of production"], [], []]
