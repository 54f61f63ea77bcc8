from __future__ import annotations

import re

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import role_pair
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import url as connection_url

DIRECT = "postgresql://app_a:p%40ss@db.projecta.supabase.co:5432/postgres?sslmode=require"
POOLER = "postgresql://app_a.projecta:x@aws-0-eu.pooler.supabase.com:6543/postgres"
ROLES = ("app_a", "app_b")


@pytest.mark.parametrize(
    ("url", "role"),
    [
        (DIRECT, "app_a"),
        (POOLER, "app_a"),
        ("postgresql://app.one:x@db.example.com/app", "app.one"),
        ("postgresql+asyncpg://app_b:x@db.example.com", "app_b"),
        ("postgresql://app_a.other:x@db.projecta.supabase.co/postgres", "app_a.other"),
    ],
    ids=["direct", "pooler", "a dot of its own", "a driver's scheme", "another project's name"],
)
def test_the_role_is_the_user_without_the_poolers_project(url: str, role: str) -> None:
    assert role_pair.role_of(url) == role


@pytest.mark.parametrize(
    ("url", "role"),
    [(DIRECT, "app_b"), (DIRECT.replace("app_a", "app_b"), "app_a"), (DIRECT.replace("app_a", "postgres"), "app_a")],
    ids=["after the first", "after the second", "after one that is not of the pair"],
)
def test_the_roles_take_turns(url: str, role: str) -> None:
    assert role_pair.next_role(url, ROLES) == role


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (DIRECT, "postgresql://app_b:p%3A%2F%40@db.projecta.supabase.co:5432/postgres?sslmode=require"),
        (POOLER, "postgresql://app_b.projecta:p%3A%2F%40@aws-0-eu.pooler.supabase.com:6543/postgres"),
        ("postgres://app_a@db.example.com?x=1", "postgres://app_b:p%3A%2F%40@db.example.com?x=1"),
    ],
    ids=["direct", "pooler", "no password and no path"],
)
def test_only_the_login_of_a_url_changes(url: str, expected: str) -> None:
    made = role_pair.with_login(url, "app_b", "p:/@")
    assert made == expected
    assert connection_url.parse(made).password == "p:/@"


def test_a_new_login_has_a_password_that_needs_no_quotes_anywhere() -> None:
    made = connection_url.parse(role_pair.new_login(DIRECT, ROLES))
    assert made.user == "app_b"
    assert re.fullmatch(r"[A-Za-z0-9_-]{32}", made.password)
    assert made.password != connection_url.parse(role_pair.new_login(DIRECT, ROLES)).password


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('FATAL:  password authentication failed for user "app_a"', True),
        ('FATAL:  role "app_a" is not permitted to log in', True),
        ('FATAL:  role "app_a" does not exist', True),
        ("FATAL:  Tenant or user not found", True),
        ("could not translate host name", False),
        ("connection to server failed: Connection refused", False),
        ("FATAL:  the database system is starting up", False),
        ("FATAL:  sorry, too many clients already", False),
    ],
)
def test_a_refused_login_is_told_from_a_server_that_does_not_answer(message: str, expected: bool) -> None:
    assert role_pair.is_refusal(message) is expected


@pytest.mark.parametrize("name", ["App", "1a", "a-b", 'a"b', "", "a" * 64])
def test_a_name_that_needs_quotes_is_no_role_of_a_pair(name: str) -> None:
    assert role_pair.role_problem(name)


def test_a_session_says_where_it_comes_from() -> None:
    assert str(role_pair.Session("192.0.2.1", "psql")) == 'from 192.0.2.1 ("psql")'
    assert str(role_pair.Session("", "")) == "from the server itself"
