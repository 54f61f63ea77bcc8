"""The stand-in is what clients that are not ours expect of Supabase."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.supabase.standin import PRODUCTION, STAGING, STAGING_TOKEN, StandIn, keys, node, standin

HERE = Path(__file__).parent
SPARE = [{"host": "127.0.0.1", "port": 5432, "user": "postgres", "password": "branch-canary"}]
# Supabase's published document, where somebody has it: https://api.supabase.com/api/v1-json
OPENAPI = os.environ.get("SUPABASE_OPENAPI", "")


def test_a_client_of_the_management_api_changes_everything_that_our_modules_change() -> None:
    with standin(spare=SPARE) as supabase:
        found = node(HERE / "management.mjs", supabase.url, STAGING_TOKEN, STAGING)
    assert found == {
        "projects": [STAGING],
        "organizations": 403,
        "status": "ACTIVE_HEALTHY",
        "auth": ["https://example.com", 1800],
        "unknown": 400,
        "restrictions": ["192.0.2.1/32"],
        "tls": True,
        "pooler": [["PRIMARY", 30, "session"]],
        "rows": 50,
        "file": 1000,
        "keys": [["HS256", "previously_used"], ["ES256", "in_use"]],
        "parent": STAGING,
        "branches": ["preview-1"],
        "named": True,
        "database": ["127.0.0.1", 5432, "postgres"],
        "left": 0,
    }


READ = {
    "/v1/projects": "/v1/projects",
    "": "/v1/projects/{ref}",
    "/config/storage": "/v1/projects/{ref}/config/storage",
    "/config/database/pooler": "/v1/projects/{ref}/config/database/pooler",
    "/config/auth/signing-keys": "/v1/projects/{ref}/config/auth/signing-keys",
    "/network-restrictions": "/v1/projects/{ref}/network-restrictions",
    "/ssl-enforcement": "/v1/projects/{ref}/ssl-enforcement",
    "/postgrest": "/v1/projects/{ref}/postgrest",
    "/branches": "/v1/projects/{ref}/branches",
    "/api-keys": "/v1/projects/{ref}/api-keys",
    "/storage/buckets": "/v1/projects/{ref}/storage/buckets",
}


@pytest.mark.skipif(not OPENAPI, reason="SUPABASE_OPENAPI names no document to compare with")
@pytest.mark.parametrize("path", READ)
def test_an_answer_has_the_shape_of_the_published_document(path: str) -> None:
    document = json.loads(Path(OPENAPI).read_text())
    with standin(spare=SPARE) as supabase:
        supabase.ask("POST", f"/v1/projects/{STAGING}/branches", STAGING_TOKEN, {"branch_name": "one"})
        supabase.ask("POST", f"/v1/projects/{STAGING}/config/auth/signing-keys/legacy", STAGING_TOKEN)
        found = supabase.ask("GET", path if path.startswith("/v1") else f"/v1/projects/{STAGING}{path}", STAGING_TOKEN)
    answers = document["paths"][READ[path]]["get"]["responses"]
    assert list(_misfits(found, answers["200"]["content"]["application/json"]["schema"], document, "answer")) == []


def _misfits(value: Any, schema: dict[str, Any], document: dict[str, Any], where: str) -> Iterator[str]:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    kinds: dict[str, Any] = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
    }
    kind = schema.get("type")
    if value is None and (schema.get("nullable") or kind is None):
        return
    if kind and not isinstance(value, kinds[kind]):
        yield f"{where}: {value!r} is no {kind}"
    elif value not in schema.get("enum", [value]):
        yield f"{where}: {value!r} is none of {schema['enum']}"
    for number, one in enumerate(value if isinstance(value, list) else []):
        yield from _misfits(one, schema.get("items", {}), document, f"{where}[{number}]")
    if isinstance(value, dict):
        yield from _of_mapping(value, schema, document, where)


def _of_mapping(value: dict[str, Any], schema: dict[str, Any], document: dict[str, Any], where: str) -> Iterator[str]:
    yield from (f"{where}.{name} is missing" for name in schema.get("required", []) if name not in value)
    known = schema.get("properties", {})
    for name, one in value.items():
        if name in known:
            yield from _misfits(one, known[name], document, f"{where}.{name}")
        elif known:
            yield f"{where}.{name} is not in the document"


def test_every_setting_that_the_stand_in_has_is_in_the_published_document(supabase: StandIn) -> None:
    if not OPENAPI:
        pytest.skip("SUPABASE_OPENAPI names no document to compare with")
    document = json.loads(Path(OPENAPI).read_text())
    schema = document["paths"]["/v1/projects/{ref}/config/auth"]["get"]["responses"]["200"]
    schema = schema["content"]["application/json"]["schema"]
    known = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["properties"]
    found = supabase.ask("GET", f"/v1/projects/{STAGING}/config/auth", STAGING_TOKEN)
    assert [name for name in found if name not in known] == []


def test_a_token_of_one_project_is_refused_by_the_other(supabase: StandIn) -> None:
    with pytest.raises(OSError, match="403"):
        supabase.ask("GET", f"/v1/projects/{PRODUCTION}", STAGING_TOKEN)


def test_the_vendors_client_deletes_users_with_the_secret_key_alone(supabase: StandIn) -> None:
    url = f"{supabase.project_url(STAGING)}/auth/v1"
    assert node(HERE / "users.mjs", url, keys(STAGING)["anon"], keys(STAGING)["service_role"]) == {
        "read": "ida@users.example",
        "byAnybody": "not_admin",
        "byHerself": "not_admin",
        "gone": "ida@users.example",
        "again": "user_not_found",
        "readAgain": "user_not_found",
        "signsIn": "invalid_credentials",
        "token": "user_not_found",
        "refreshes": "refresh_token_not_found",
        "sameAddress": True,
        # Kept to be known again by its id, without what says who it was.
        "softly": "",
        "leftOfHim": {"email": False, "metadata": {}, "deleted": True},
        "softlySignsIn": "invalid_credentials",
        "softlyRefreshes": "refresh_token_not_found",
        "softlyAgain": "",
        "hard": "",
        "nobody": "user_not_found",
    }


def test_an_id_that_is_no_uuid_is_refused_as_the_published_api_does(supabase: StandIn) -> None:
    key = keys(STAGING)["service_role"]
    request = urllib.request.Request(f"{supabase.project_url(STAGING)}/auth/v1/admin/users/ida", method="DELETE")
    for name, value in {"apikey": key, "Authorization": f"Bearer {key}"}.items():
        request.add_header(name, value)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    with caught.value as answer:
        assert (answer.code, json.load(answer)["error_code"]) == (404, "validation_failed")
