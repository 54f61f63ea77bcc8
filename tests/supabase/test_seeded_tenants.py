"""What staging is seeded with: two tenants by the project's own seed files, and pictures in the environment's own bucket."""

from __future__ import annotations

import http.client
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2  # type: ignore[import-untyped,unused-ignore] # the stubs are not needed here
import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase.seeds import Seeder, SeedFile
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase import seeds

from tests.supabase.standin import NAMES, PRODUCTION, STAGING, StandIn, keys
from tests.supabase.test_application import PASSWORD, Application, Browser, application, execute, migrated, server, supabase

__all__ = ["server", "supabase"]
ROOT = Path(__file__).parents[2]
STACK = ROOT / "stacks/morpheus"
IDA, TOMAS = "5eed0000-0000-4000-8000-000000000001", "5eed0000-0000-4000-8000-000000000002"
OWN = {"ida": {"Ida and the tide", "Ida goes ashore"}, "tomas": {"Tomas and the thirteenth hour"}}
PNG, JPEG = b"\x89PNG\r\n\x1a\n" + b"p" * 64, b"\xff\xd8\xff\xe0" + b"j" * 64
# As Supabase's auth service has them, as far as seeds write them.
AUTH = """
    create schema auth;
    create table auth.users (instance_id uuid, id uuid primary key, aud text, role text, email text unique,
        encrypted_password text, email_confirmed_at timestamptz, created_at timestamptz, updated_at timestamptz,
        raw_app_meta_data jsonb, raw_user_meta_data jsonb, confirmation_token text, recovery_token text, email_change text,
        email_change_token_new text);
    create table auth.identities (id uuid primary key default gen_random_uuid(), user_id uuid references auth.users,
        provider_id text, provider text, identity_data jsonb, last_sign_in_at timestamptz, created_at timestamptz,
        updated_at timestamptz, unique (provider_id, provider));
"""


def seed(url: str, environment: str, project: str) -> list[str]:
    """By the project's own configuration, as playbooks/seed.yml does it."""
    found = seeds.read(STACK, environment, ("staging", "preview"), project)
    assert found.problems == []
    connection = psycopg2.connect(url)
    try:
        return Seeder(connection, psycopg2.Error).run([SeedFile.of(one) for one in found.files]).seeded
    finally:
        connection.close()


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(url)
    try:
        cursor = connection.cursor()
        cursor.execute(query)
        return list(cursor.fetchall())
    finally:
        connection.close()


def asked(supabase: StandIn, ref: str, path: str, role: str, body: Any) -> Any:
    """Of a project, with one of its keys."""
    key = keys(ref)[role]
    headers = {"apikey": key, "Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{supabase.project_url(ref)}{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as response:
        return json.load(response)


@pytest.fixture(scope="module")
def staging(server: int, supabase: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """Seeded, with passwords for both tenants and a bucket in each environment's project."""
    database = migrated(server, "seeded")
    execute(database, AUTH)
    assert seed(database, "staging", STAGING) == ["supabase/seeds/stories.sql", "supabase/seeds/tenants.sql"]
    assert seed(database, "staging", STAGING) == []
    for identity, email in rows(database, "select id::text, email from auth.users"):
        body = {"id": identity, "email": email, "password": PASSWORD, "email_confirm": True}
        assert asked(supabase, STAGING, "/auth/v1/admin/users", "service_role", body)["id"] == identity
    for ref in NAMES:
        asked(supabase, ref, "/storage/v1/bucket", "service_role", {"name": "pictures", "file_size_limit": 4_000_000})
    users = {"AUTH_URL": supabase.project_url(STAGING), "AUTH_KEY": keys(STAGING)["anon"]}
    stored = {"STORAGE_BUCKET": "pictures", "STORAGE_KEY": keys(STAGING)["service_role"]}
    with application(tmp_path_factory.mktemp("seeded") / "api", database, **users, **stored) as found:
        yield found


@pytest.fixture(scope="module")
def tenants(staging: Application) -> dict[str, Browser]:
    found = {name: staging.browser() for name in OWN}
    for name, browser in found.items():
        assert browser.asks("POST", "/api/session", {"email": f"{name}@seed.example", "password": PASSWORD})[0] == 200
    return found


def sends(browser: Browser, story: int, content: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", browser.port, timeout=60)
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    connection.request("PUT", f"/api/stories/{story}/picture", content, {"Cookie": cookie})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def sees(browser: Browser, story: int) -> tuple[int, bytes, str]:
    connection = http.client.HTTPConnection("127.0.0.1", browser.port, timeout=60)
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    connection.request("GET", f"/api/stories/{story}/picture", headers={"Cookie": cookie})
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.headers.get("Content-Type", "")


def objects(supabase: StandIn, ref: str, prefix: str) -> list[str]:
    found = asked(supabase, ref, "/storage/v1/object/list/pictures", "service_role", {"prefix": prefix})
    return [str(one["name"]) for one in found]


def stories(browser: Browser) -> dict[str, int]:
    status, found = browser.asks("GET", "/api/stories")
    assert status == 200
    return {one["title"]: one["id"] for one in found}


def test_each_tenant_has_the_stories_that_were_seeded_and_no_other(tenants: dict[str, Browser]) -> None:
    assert {name: set(stories(browser)) for name, browser in tenants.items()} == OWN
    for mine, theirs in (("ida", "tomas"), ("tomas", "ida")):
        for other in stories(tenants[theirs]).values():
            refused = (404, {"detail": f"There is no story {other}"})
            assert tenants[mine].asks("GET", f"/api/stories/{other}") == refused
            assert tenants[mine].asks("POST", "/api/transform", {"story_id": other}) == refused
            assert tenants[mine].asks("GET", f"/api/stories/{other}/picture") == refused
            assert sends(tenants[mine], other, PNG) == 404


def test_nobody_signs_in_as_a_tenant_to_whom_nobody_has_given_a_password(staging: Application) -> None:
    assert rows(staging.database, "select distinct encrypted_password from auth.users") == [("",)]
    assert rows(
        staging.database, "select email, provider from auth.users join auth.identities on user_id = users.id order by 1"
    ) == [
        ("ida@seed.example", "email"),
        ("tomas@seed.example", "email"),
    ]


def test_a_picture_lands_in_the_environments_own_bucket_and_is_its_owners(supabase: StandIn, tenants: dict[str, Browser]) -> None:
    story = stories(tenants["ida"])["Ida and the tide"]
    assert sees(tenants["ida"], story)[0] == 404
    assert sends(tenants["ida"], story, PNG) == 200
    assert sees(tenants["ida"], story) == (200, PNG, "image/png")
    # In the place of the one before.
    assert sends(tenants["ida"], story, JPEG) == 200
    assert sees(tenants["ida"], story) == (200, JPEG, "image/jpeg")
    assert objects(supabase, STAGING, IDA) == [str(story)]
    assert objects(supabase, STAGING, TOMAS) == []
    assert objects(supabase, PRODUCTION, "") == []
    assert sees(tenants["tomas"], story)[0] == 404
    assert sees(Browser(tenants["ida"].port), story)[0] == 401
    assert sends(Browser(tenants["ida"].port), story, PNG) == 401


@pytest.mark.parametrize(
    ("content", "status"),
    [
        pytest.param(b"<svg onload='alert(1)'/>", 415, id="what runs scripts"),
        pytest.param(b"", 415, id="nothing"),
        pytest.param(PNG + b"x" * 5_000_000, 413, id="more than the application takes"),
        pytest.param(PNG + b"x" * 4_000_000, 413, id="more than the bucket takes"),
    ],
)
def test_what_is_no_picture_is_not_kept(tenants: dict[str, Browser], supabase: StandIn, content: bytes, status: int) -> None:
    story = stories(tenants["tomas"])["Tomas and the thirteenth hour"]
    assert sends(tenants["tomas"], story, content) == status
    assert objects(supabase, STAGING, TOMAS) == []


@pytest.mark.parametrize(
    ("ref", "key", "bucket", "status"),
    [
        pytest.param(PRODUCTION, STAGING, "pictures", 503, id="staging's key and production's project"),
        pytest.param(STAGING, STAGING, "", 404, id="no bucket", marks=pytest.mark.deep),
    ],
)
def test_with_the_key_of_another_environment_nothing_is_kept(
    staging: Application, supabase: StandIn, tmp_path: Path, ref: str, key: str, bucket: str, status: int
) -> None:
    users = {"AUTH_URL": supabase.project_url(ref), "AUTH_KEY": keys(ref)["anon"]}
    stored = {"STORAGE_BUCKET": bucket, "STORAGE_KEY": keys(key)["service_role"]}
    with application(tmp_path / "api", staging.database, **users, **stored) as other:
        browser = other.browser()
        assert browser.registers(f"{len(bucket)}@example.com")[0] == 201
        story = browser.tells("The lamp")
        assert sends(browser, story, PNG) == status
        assert objects(supabase, PRODUCTION, "") == []


def test_production_is_seeded_with_nothing() -> None:
    found = seeds.read(STACK, "production", ("staging", "preview"), PRODUCTION)
    assert (found.files, found.problems, len(found.notes)) == ([], [], 1)


@pytest.mark.deep
def test_where_users_are_elsewhere_the_stories_are_seeded_all_the_same(server: int) -> None:
    database = migrated(server, "alone")
    seed(database, "staging", STAGING)
    assert rows(database, "select count(*) from stories where owner is not null") == [(3,)]
