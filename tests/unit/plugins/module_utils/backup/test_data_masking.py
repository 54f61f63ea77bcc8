# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which columns sound like persons, and which rule fits which type."""

from __future__ import annotations

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import masking
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.masking import RULES, Column

PERSONAL = (
    "email e_mail customer_email firstName last_name surname full_name displayName user_name username login phone phone_number "
    "mobile street zip postal_code city birthday birthdate dob date_of_birth age gender ssn passport_no iban credit_card "
    "ip ip_address last_ip lat longitude location avatar_url photo bio notes comment message_text body password password_hash "
    "access_token refresh_token secret api_secret otp_code recovery_token session_id user_agent device_name contact_person "
    "signature"
)
HARMLESS = (
    "id state status created_at updated_at count amount price currency kind type version position size enabled story parent stars"
)


@pytest.mark.parametrize("name", PERSONAL.split())
def test_a_name_that_sounds_like_a_person_needs_a_rule(name: str) -> None:
    assert masking.suspicion(Column("t", "s.t", name, "text")) == "sounds like something of a person"


@pytest.mark.parametrize("name", HARMLESS.split())
def test_other_names_do_not(name: str) -> None:
    assert masking.suspicion(Column("t", "s.t", name, "text")) == ""


@pytest.mark.parametrize("kind", ["json", "jsonb", "xml", "bytea", "inet", "cidr", "tsvector", "hstore", "macaddr"])
@pytest.mark.parametrize("is_array", [False, True])
def test_what_cannot_be_read_by_its_name_always_needs_one(kind: str, is_array: bool) -> None:
    assert masking.suspicion(Column("t", "s.t", "state", kind, is_array)).startswith("holds ")


@pytest.mark.parametrize(
    ("kind", "fitting"),
    [
        ("text", {"email", "name", "phone", "text", "token", "path", "empty"}),
        ("character varying", {"email", "name", "phone", "text", "token", "path", "empty"}),
        ("jsonb", {"json", "empty"}),
        ("integer", {"number"}),
        ("smallint", {"number"}),
        ("timestamp with time zone", {"date"}),
        ("inet", {"address"}),
        ("bytea", {"empty"}),
        ("uuid", set()),
        ("public.mood", set()),
    ],
)
def test_a_rule_fits_a_type_or_is_refused_with_those_that_do(kind: str, fitting: set[str]) -> None:
    column = Column("t", "s.t", "c", kind)
    assert {rule for rule in RULES if not masking.problem(column, rule)} == fitting | {"null", "keep"}
    assert f"does not fit a {kind}; those that do are " in masking.problem(column, "json" if kind != "jsonb" else "email")


def test_a_column_that_may_not_be_null_is_not_set_to_null() -> None:
    assert (
        masking.problem(Column("t", "s.t", "c", "text", nullable=False), "null")
        == "s.t.c: may not be null, so its rule cannot be null"
    )


def test_a_value_is_cut_to_what_its_column_takes() -> None:
    column = Column("t", "s.t", "c", "character varying", length=20)
    assert masking.masked(column, "email") == '"c" = left(masking.email("c"::text), 20)'
    assert masking.masked(column, "keep") == ""
