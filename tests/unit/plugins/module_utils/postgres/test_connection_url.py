from __future__ import annotations

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres.url import parse, project_problem, projects, scrubbed
from hypothesis import given

from tests.unit import characters

TWO_WAYS = "can be read in two ways; percent-encode @ : / ? # in its user and its password"
NO_HOST = "names no host that can be connected to"
NO_URL = "is not a connection URL (postgresql://user:password@host:5432/database)"

UNDERSTOOD = [
    pytest.param(
        "postgresql://postgres:pass@db.abc.supabase.co:6543/postgres",
        {"host": "db.abc.supabase.co", "port": "6543", "user": "postgres", "password": "pass", "dbname": "postgres"},
        id="all parts",
    ),
    pytest.param("postgres://h", {"host": "h", "port": "5432"}, id="a host alone"),
    pytest.param(
        "postgresql+asyncpg://u:p%40%3A%2Fw@H.example/d?sslmode=require&pgbouncer=true",
        {"host": "h.example", "port": "5432", "user": "u", "password": "p@:/w", "dbname": "d", "sslmode": "require"},
        id="a driver, encoded characters and parameters of the application",
    ),
    pytest.param(
        "postgresql://u:p@[::1]:5433/d", {"host": "::1", "port": "5433", "user": "u", "password": "p", "dbname": "d"}, id="IPv6"
    ),
    pytest.param("postgresql://u@a,b:5433/d", {"host": "a,b", "port": "5432,5433", "user": "u", "dbname": "d"}, id="two hosts"),
]


@pytest.mark.parametrize(("url", "keywords"), UNDERSTOOD)
def test_a_url_is_given_to_libpq_in_its_own_words(url: str, keywords: dict[str, str]) -> None:
    assert parse(url).keywords() == keywords


REFUSED = [
    pytest.param("", NO_URL, id="empty"),
    pytest.param("host=db user=postgres", NO_URL, id="libpq's keywords"),
    pytest.param("mysql://u:p@h/d", NO_URL, id="another scheme"),
    pytest.param("postgresql:///postgres", NO_HOST, id="a URL without a host"),
    pytest.param("postgresql://u:hunter2@/d", NO_HOST, id="a login and no host"),
    pytest.param("postgresql://u:hunter2@h:port/d", NO_HOST, id="a port that is none"),
    pytest.param("postgresql://u:hun@ter2@h/d", TWO_WAYS, id="a URL with an at sign in its password"),
    pytest.param("postgresql://u:hun/ter2@h/d", TWO_WAYS, id="slash in the password"),
    pytest.param("postgresql://u:12/hunter2@h/d", TWO_WAYS, id="a password that begins as a port"),
    pytest.param("postgresql://u:hun?ter2@h/d", TWO_WAYS, id="question mark in the password"),
    pytest.param("postgresql://u:hun#ter2@h/d", TWO_WAYS, id="number sign in the password"),
    pytest.param("postgresql://u:hun:ter2@h/d", TWO_WAYS, id="colon in the password"),
    pytest.param(
        "postgresql://u:hunter2 @h/d", "holds a space or a control character; percent-encode it", id="a URL with a space in it"
    ),
    pytest.param("postgresql://u:hunter2@h/d\n", "holds a space or a control character; percent-encode it", id="line end"),
    pytest.param(
        "postgresql://u:hunter2@h/d?hostaddr=10.0.0.1&host=x",
        "has the parameter host, hostaddr, which leads elsewhere than its host; remove it",
        id="a URL with parameters that lead elsewhere",
    ),
]


@pytest.mark.parametrize(("url", "problem"), REFUSED)
def test_a_url_of_two_meanings_is_refused_without_a_word_of_it(url: str, problem: str) -> None:
    with pytest.raises(DeployError) as caught:
        parse(url)
    assert str(caught.value) == problem


@given(characters.text())
def test_whatever_a_url_holds_no_message_quotes_it(text: str) -> None:
    said = ""
    try:
        parse(f"postgresql://user:canary{text}@h/d")
    except DeployError as exc:
        said = str(exc)
    assert "canary" not in said


PROJECTS = [
    pytest.param("postgresql://postgres:p@db.abc.supabase.co/postgres", {"abc"}, id="direct"),
    pytest.param("postgresql://postgres:p@DB.ABC.supabase.co/postgres", {"abc"}, id="capital letters"),
    pytest.param("postgresql://postgres.abc:p@aws-0-eu.pooler.supabase.com:6543/postgres", {"abc"}, id="pooler"),
    pytest.param("postgresql://api_b.abc:p@aws-0-eu.pooler.supabase.com/postgres", {"abc"}, id="pooler, another role"),
    pytest.param("postgresql://postgres:p@aws-0-eu.pooler.supabase.com/postgres", set(), id="pooler without a project"),
    pytest.param("postgresql://first.last:p@db.example.com/shop", set(), id="no Supabase at all"),
    pytest.param("postgresql://u:p@db.abc.supabase.co.evil.example/d", set(), id="a name that only begins like it"),
    pytest.param("postgresql://u:p@db.abc.supabase.co,db.xyz.supabase.co/d", {"abc", "xyz"}, id="two projects"),
]


@pytest.mark.parametrize(("url", "found"), PROJECTS)
def test_the_project_is_told_by_host_or_user(url: str, found: set[str]) -> None:
    assert projects(parse(url)) == found


@pytest.mark.parametrize(
    ("url", "expected", "problem"),
    [
        pytest.param("postgresql://u@db.abc.supabase.co/d", "abc", "", id="the expected one"),
        pytest.param("postgresql://u@db.example.com/d", "", "", id="none is expected"),
        pytest.param(
            "postgresql://u@db.xyz.supabase.co/d",
            "abc",
            "leads to the Supabase project xyz, expected abc",
            id="another one",
        ),
        pytest.param(
            "postgresql://u@db.abc.supabase.co,db.xyz.supabase.co/d",
            "abc",
            "leads to the Supabase project abc, xyz, expected abc",
            id="another one too",
        ),
        pytest.param(
            "postgresql://u@db.example.com/d",
            "abc",
            "names no Supabase project, expected abc (db.abc.supabase.co, or the user <role>.abc)",
            id="none",
        ),
    ],
)
def test_another_project_is_named_beside_the_expected_one(url: str, expected: str, problem: str) -> None:
    assert project_problem(parse(url), expected) == problem


def test_an_error_loses_the_url_and_the_password_in_every_spelling() -> None:
    url = "postgresql://u:p%40ss%20w@h/d"
    text = f'could not use {url}:\n  "p@ss w", p%40ss%20w'
    assert scrubbed(text, url) == 'could not use ***: "***", ***'


def test_an_error_about_a_broken_url_loses_its_password_too() -> None:
    assert scrubbed("canary@x of nonsense://u:canary@x@h", "nonsense://u:canary@x@h") == "*** of ***"
