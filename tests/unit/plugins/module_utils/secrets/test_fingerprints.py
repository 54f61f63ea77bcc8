from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets.fingerprints import (
    Fingerprints,
    by_name,
    differences,
    fingerprint,
    key_fingerprint,
    make,
    not_compared,
    read,
    shared,
    text,
)
from hypothesis import given, settings

from tests.unit import characters

KEY = "key-of-all-environments"
SECRETS = {"api.DATABASE_URL": "postgresql://staging", "api.SESSION_SECRET": "correct horse", "ml.ML_API_KEY": "staging-runpod"}


def made(environment: str, secrets: dict[str, str], key: str = KEY, today: str = "2026-11-24") -> Fingerprints:
    found: Fingerprints = json.loads(text(make(environment, key, secrets, today)))
    return found


@settings(max_examples=10)
@given(characters.text(), characters.text())
def test_a_fingerprint_is_32_hexadecimal_digits_and_the_same_every_time(key: str, value: str) -> None:
    found = fingerprint(key, value)
    assert found == fingerprint(key, value)
    assert len(found) == 32
    assert set(found) <= set("0123456789abcdef")


def test_a_fingerprint_never_changes_between_versions_of_this_collection() -> None:
    """Else every environment would have to be opened on the day of an upgrade."""
    assert fingerprint("key", "value") == "1bac77e1383486e462c0afabb31ee623"


def test_another_value_or_another_key_gives_another_fingerprint() -> None:
    assert len({fingerprint("key", "value"), fingerprint("key", "valuf"), fingerprint("kez", "value")}) == 3


def test_a_fingerprint_costs_too_much_to_guess_many_and_too_little_to_be_felt() -> None:
    def once() -> float:
        start = time.thread_time()
        fingerprint(KEY, "value")
        return time.thread_time() - start

    assert 0.005 < min(once() for _ in range(5)) < 0.05


def test_the_file_holds_names_days_and_fingerprints_and_no_value() -> None:
    written = text(make("staging", KEY, SECRETS, "2026-11-24"))
    file = json.loads(written)
    assert file["environment"] == "staging"
    assert file["key"] == key_fingerprint(KEY)
    assert file["secrets"]["api.SESSION_SECRET"] == {"fingerprint": fingerprint(KEY, "correct horse"), "since": "2026-11-24"}
    assert list(file["secrets"]) == sorted(SECRETS)
    assert not any(value in written for value in [*SECRETS.values(), KEY])


def test_the_day_of_an_unchanged_value_is_kept() -> None:
    before = made("staging", SECRETS, today="2026-01-01")
    changed = {**SECRETS, "api.SESSION_SECRET": "battery staple", "api.NEW": "something else"}
    days = {
        name: secret["since"]
        for name, secret in json.loads(text(make("staging", KEY, changed, "2026-11-24", before)))["secrets"].items()
    }
    assert days == {
        "api.DATABASE_URL": "2026-01-01",
        "api.NEW": "2026-11-24",
        "api.SESSION_SECRET": "2026-11-24",
        "ml.ML_API_KEY": "2026-01-01",
    }


def test_a_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "fingerprints.json"
    path.write_text(text(make("staging", KEY, SECRETS, "2026-11-24")))
    assert read(path) == made("staging", SECRETS)


GOOD = {"environment": "staging", "key": "0" * 32, "secrets": {"api.A": {"fingerprint": "1" * 32, "since": "2026-11-24"}}}
BROKEN = [
    pytest.param("{", "is not JSON", id="not JSON"),
    pytest.param("[]", 'is not a file of fingerprints, which has "environment", "key" and "secrets"', id="a list"),
    pytest.param(
        {**GOOD, "secrets": []}, 'is not a file of fingerprints, which has "environment", "key" and "secrets"', id="secrets"
    ),
    pytest.param({**GOOD, "environment": ""}, '"environment" does not name one', id="environment"),
    pytest.param({**GOOD, "key": "x"}, '"key" is not a fingerprint', id="key"),
    pytest.param({**GOOD, "secrets": {"api.A": "1" * 32}}, '"api.A" has no "since" with a day', id="secret is text"),
    pytest.param(
        {**GOOD, "secrets": {"api.A": {"fingerprint": "1" * 32, "since": "2026-02-30"}}},
        '"api.A" has no "since" with a day',
        id="day",
    ),
    pytest.param(
        {**GOOD, "secrets": {"api.A": {"fingerprint": "a value", "since": "2026-11-24"}}},
        '"api.A" has no fingerprint of 32 hexadecimal digits',
        id="fingerprint",
    ),
    pytest.param(
        {**GOOD, "secrets": {"api.A": {"since": "2026-11-24"}}},
        '"api.A" has no fingerprint of 32 hexadecimal digits',
        id="no fingerprint",
    ),
]


@pytest.mark.parametrize(("content", "problem"), BROKEN)
def test_a_broken_file_is_refused_with_its_path_and_the_mend(tmp_path: Path, content: Any, problem: str) -> None:
    path = tmp_path / "fingerprints.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(DeployError) as caught:
        read(path)
    assert str(caught.value) == f"{path}: {problem}; make it with playbooks/fingerprint.yml of its environment"


def test_a_missing_file_is_refused_with_its_path_and_the_mend(tmp_path: Path) -> None:
    with pytest.raises(DeployError) as caught:
        read(tmp_path / "none.json")
    assert str(caught.value) == (
        f"{tmp_path}/none.json: cannot be read (No such file or directory); "
        "make it with playbooks/fingerprint.yml of its environment"
    )


OUTDATED = [
    pytest.param(SECRETS, {}, id="all match"),
    pytest.param({**SECRETS, "api.NEW": "something else"}, {"api.NEW": "missing"}, id="a new secret"),
    pytest.param({**SECRETS, "ml.ML_API_KEY": "another key"}, {"ml.ML_API_KEY": "changed"}, id="a changed secret"),
    pytest.param({**SECRETS, "ml.ML_API_KEY": "short"}, {"ml.ML_API_KEY": "changed"}, id="a secret that is short now"),
    pytest.param(
        {"api.DATABASE_URL": "postgresql://staging"},
        {"api.SESSION_SECRET": "gone", "ml.ML_API_KEY": "gone"},
        id="secrets are gone",
    ),
]


@pytest.mark.parametrize(("now", "found"), OUTDATED)
def test_secrets_that_do_not_match_the_file_are_named(now: dict[str, str], found: dict[str, str]) -> None:
    assert differences(made("staging", SECRETS), made("staging", now)) == found


def test_with_another_key_nothing_matches_the_file() -> None:
    assert differences(made("staging", SECRETS), made("staging", SECRETS, "another key")) == dict.fromkeys(SECRETS, "changed")


SHARED = [
    pytest.param({"api.SESSION_SECRET": "battery staple"}, (), [], id="nothing is shared"),
    pytest.param(
        {"api.SESSION_SECRET": "correct horse"},
        (),
        ["api.SESSION_SECRET has the same value as api.SESSION_SECRET of production; give each environment its own"],
        id="under the same name",
    ),
    pytest.param(
        {"web.COOKIE_KEY": "correct horse"},
        (),
        ["api.SESSION_SECRET has the same value as web.COOKIE_KEY of production; give each environment its own"],
        id="under another name",
    ),
    pytest.param({"api.SESSION_SECRET": "correct horse"}, ["api.SESSION_SECRET"], [], id="is allowed"),
    pytest.param(
        {"web.COOKIE_KEY": "correct horse"},
        ["api.SESSION_SECRET"],
        ["api.SESSION_SECRET has the same value as web.COOKIE_KEY of production; give each environment its own"],
        id="allowed under one name only",
    ),
    pytest.param(
        {"web.COOKIE_KEY": "correct horse"}, ["api.SESSION_SECRET", "web.COOKIE_KEY"], [], id="allowed under both names"
    ),
]


@pytest.mark.parametrize(("theirs", "allowed", "problems"), SHARED)
def test_a_value_that_another_environment_has_too_is_named(
    theirs: dict[str, str], allowed: list[str], problems: list[str]
) -> None:
    assert shared(made("staging", SECRETS), [made("production", theirs)], allowed) == problems


def test_a_value_twice_in_one_environment_is_not_shared() -> None:
    own = made("staging", {"api.ML_API_KEY": "staging-runpod", "ml.ML_API_KEY": "staging-runpod"})
    assert shared(own, [own]) == []


def test_short_and_empty_values_are_not_compared_and_it_is_said_why() -> None:
    secrets = {"api.PIN": "1234567", "api.EMPTY": "", "api.LONG": "12345678"}
    file = made("staging", secrets)
    assert [name for name, secret in file["secrets"].items() if not secret["fingerprint"]] == ["api.EMPTY", "api.PIN"]
    assert shared(file, [made("production", {"api.PIN": "1234567", "api.EMPTY": ""})]) == []
    assert not_compared(secrets) == [
        "api.EMPTY is not compared with other environments: it is empty",
        "api.PIN is not compared with other environments: 7 characters are too short to be a secret",
    ]


def test_files_of_different_keys_compare_with_nothing_and_that_is_a_problem() -> None:
    assert shared(made("staging", SECRETS), [made("production", SECRETS, key="another")]) == [
        "the fingerprints of production were made with another key than those of staging, so no secret can be compared; "
        "give both vaults the same vault_fingerprint_key and run playbooks/fingerprint.yml for both"
    ]


def test_every_secret_has_a_name_and_what_is_none_is_left_to_others() -> None:
    variables = {"api": {"DATABASE_URL": "a", "PORT": 8000}, "ml": "no mapping"}
    files = {"tls": {"content": "b", "owner": 0}, "none": "text"}
    assert by_name(variables, files) == {"api.DATABASE_URL": "a", "files.tls": "b"}
