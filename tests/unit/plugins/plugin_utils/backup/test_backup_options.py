# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory says of backups and of staging's data: every problem at once, and no secret in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.filter.backup_options import backup_options
from ansible_collections.morpheus.deploy.plugins.filter.staging_data_options import staging_data_options

AGE = f"age1{'q' * 58}"
SECRETS = {"backup_database_url": "postgresql://app:canary@db.example.com/app", "backup_identity": f"AGE-SECRET-KEY-1{'Q' * 58}"}
BACKUP = {"image": "postgres:17", "recipients": [AGE]}
HOSTS = ["app-1", "app-2"]


def problems(backup: Any, **secrets: str) -> list[str]:
    found = backup_options(backup, {**SECRETS, **secrets}, HOSTS)["problems"]
    assert "canary" not in str(found)
    assert "AGE-SECRET-KEY-1Q" not in str(found)
    return list(found)


def test_nothing_is_wanted_where_nothing_is_said() -> None:
    assert backup_options({}, {}, HOSTS) == {"problems": [], "wanted": False}


def test_defaults_are_filled() -> None:
    found = backup_options(BACKUP, SECRETS, HOSTS)
    assert (found["problems"], found["host"], found["directory"], found["s3"]) == (
        [],
        "app-1",
        "/var/backups/morpheus.deploy",
        {},
    )
    assert found["keep"] == {"keep_days": 14, "keep_at_least": 3}
    assert "canary" not in str(found)


@pytest.mark.parametrize(
    ("changed", "secrets", "said"),
    [
        ({"image": ""}, {}, "backup.image: say either this"),
        ({"programs": "/usr/lib/postgresql/17/bin"}, {}, "backup.image: say either this"),
        ({"image": "postgres"}, {}, 'backup.image: "postgres" names no version'),
        ({"recipients": []}, {}, "backup.recipients: required; the public part (age1...)"),
        ({"recipients": [f"AGE-SECRET-KEY-1{'Q' * 58}"]}, {}, "backup.recipients[0]: is a secret key; put it into the vault"),
        ({"recipients": ["me"]}, {}, 'backup.recipients[0]: "me" is not a public key of age'),
        ({"directory": "backups"}, {}, 'backup.directory: "backups" does not begin with /'),
        ({"keep_at_least": 0}, {}, "backup.keep_at_least: 0 would remove the last backup"),
        ({"host": "app-3"}, {}, 'backup.host: "app-3" is not a host of group app (app-1, app-2)'),
        ({"s3": {"prefix": "x"}}, {}, "backup.s3.bucket: required"),
        ({"s3": {"bucket": "x"}}, {}, "backup_s3_access_key: required with backup.s3"),
        ({"s3": {"bucket": "x", "endpoint": "nowhere"}}, {}, 'backup.s3.endpoint: "nowhere" is not a URL'),
        ({"imagee": "x"}, {}, 'backup.imagee: unknown key; did you mean "image"?'),
        ({}, {"backup_database_url": ""}, "backup_database_url: required with backup"),
        ({}, {"backup_database_url": "postgresql://a:canary@db:6543/x"}, "backup_database_url: leads to port 6543"),
        ({"project_ref": "abc"}, {}, "backup_database_url: names no Supabase project, expected abc"),
        ({"buckets": ["a"]}, {}, "backup_storage_key: required with backup.buckets"),
        ({"buckets": ["a"]}, {}, "backup.project_ref: required with backup.buckets"),
        ({"buckets": ["b", "A"]}, {}, 'backup.buckets[1]: "A" cannot be the name of a bucket'),
        ({"buckets": ["a", "a"]}, {}, 'backup.buckets[1]: "a" is named twice'),
        ({"buckets": "a"}, {}, "backup.buckets: must be a list"),
        ({"storage_url": "nowhere"}, {}, 'backup.storage_url: "nowhere" is not a URL such as'),
        ({}, {"backup_identity": "canary"}, "backup_identity: is not a secret key as age-keygen makes it"),
    ],
)
def test_what_cannot_work_is_refused(changed: dict[str, Any], secrets: dict[str, str], said: str) -> None:
    found = problems({**BACKUP, **changed}, **secrets)
    assert any(one.startswith(said) for one in found), found


REF = "abcdefghijklmnopqrst"


@pytest.mark.parametrize(
    ("given", "url"),
    [({"project_ref": REF}, f"https://{REF}.supabase.co"), ({"storage_url": "http://127.0.0.1:1/x"}, "http://127.0.0.1:1/x")],
)
def test_buckets_are_those_of_the_project(given: dict[str, Any], url: str) -> None:
    database = {"backup_database_url": f"postgresql://app:canary@db.{REF}.supabase.co/postgres"}
    secrets = {**SECRETS, **database, "backup_storage_key": "canary"}
    found = backup_options({**BACKUP, **given, "buckets": ["pictures"]}, secrets, HOSTS)
    assert (found["problems"], found["buckets"], found["storage_url"]) == ([], ["pictures"], url)
    assert "canary" not in str(found)


RULES = "tables: {auth.users: {email: email, phone: null, id: keep}}\nsubset: {auth.users: id < 9}\n"
EXPORTS = {"does": "exports", "directory": "/exports", "recipients": [AGE]}
IMPORTS = {"does": "imports", "directory": "/exports", "image": "postgres:17"}
OPENS = {"staging_data_database_url": "postgresql://canary", "staging_data_identity": "canary"}


def test_rules_are_read_from_their_file(tmp_path: Path) -> None:
    (tmp_path / "masking.yml").write_text(RULES)
    found = staging_data_options({**EXPORTS, "masking": str(tmp_path / "masking.yml")}, {}, HOSTS)
    assert found["problems"] == []
    assert found["rules"] == {"auth.users.email": "email", "auth.users.phone": "null", "auth.users.id": "keep"}
    assert (found["subset"], found["does"]) == ({"auth.users": "id < 9"}, "exports")


@pytest.mark.parametrize(
    ("given", "text", "said"),
    [
        (EXPORTS, "tables: {users: {email: email}}", "staging_data.masking: tables.users must be <schema>.<table>"),
        (
            EXPORTS,
            "tables: {auth.users: {email: mail}}",
            'staging_data.masking: tables.auth.users.email: "mail" is not one of email, ',
        ),
        (EXPORTS, "users: {}", "staging_data.masking: "),
        (EXPORTS, "a: [", "staging_data.masking: "),
        (
            EXPORTS,
            "tables: {}\nsubset: {auth.users: 3}",
            "staging_data.masking: subset must be <schema>.<table> with a condition",
        ),
        ({**EXPORTS, "masking": ""}, "", "staging_data.masking: required; a file with a rule"),
        ({**EXPORTS, "recipients": []}, "", "staging_data.recipients: required; the public part (age1...) of the key"),
        ({**EXPORTS, "does": "export"}, "", 'staging_data.does: "export" is not one of exports, imports'),
        ({**EXPORTS, "s3": {"bucket": "x"}}, "", "staging_data.s3: say either this"),
        ({**IMPORTS, "image": ""}, "", "staging_data.image: say either this"),
        ({**IMPORTS, "image": "postgres"}, "", 'staging_data.image: "postgres" names no version'),
        ({**EXPORTS, "image": "postgres:latest"}, "", 'staging_data.image: "postgres:latest" names no version'),
        ({**EXPORTS, "directory": "exports"}, "", 'staging_data.directory: "exports" does not begin with /'),
        (
            {**EXPORTS, "directory": "", "s3": {"bucket": "x", "endpoint": "nowhere"}},
            "",
            'staging_data.s3.endpoint: "nowhere" is not a URL',
        ),
        ({**IMPORTS, "project_ref": "a" * 20}, "", "staging_data_database_url: "),
        ({**IMPORTS, "host": "x"}, "", 'staging_data.host: "x" is not a host'),
    ],
)
def test_what_cannot_go_or_come_is_refused(tmp_path: Path, given: dict[str, Any], text: str, said: str) -> None:
    (tmp_path / "masking.yml").write_text(text or RULES)
    found = staging_data_options({"masking": str(tmp_path / "masking.yml"), **given}, OPENS, HOSTS)["problems"]
    assert any(one.startswith(said) for one in found), found
    assert "canary" not in str(found)


def test_an_import_needs_its_secrets() -> None:
    found = staging_data_options(IMPORTS, {}, HOSTS)["problems"]
    assert [one.partition(":")[0] for one in found] == ["staging_data_database_url", "staging_data_identity"]
    assert staging_data_options(IMPORTS, OPENS, HOSTS)["problems"] == []
