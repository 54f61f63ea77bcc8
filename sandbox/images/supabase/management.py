"""Supabase's Management API, as its published OpenAPI document describes it: settings, keys and branches."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.images.supabase import signatures
    from sandbox.images.supabase.state import Project, RefusedError, World, now
else:
    # In its image the files lie side by side.
    import signatures
    from state import Project, RefusedError, World, now

Answer = tuple[int, Any]
Body = Mapping[str, Any]
_REF = r"(?P<ref>[a-z]{20})"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ALGORITHMS = ("EdDSA", "ES256", "RS256", "HS256")
# Status -> what it may become. One that is in use leaves when another one comes into use.
_NEXT = {
    "standby": ("in_use", "previously_used"),
    "previously_used": ("standby", "revoked"),
    "revoked": ("standby",),
    "in_use": (),
}


def answer(world: World, method: str, path: str, token: str, body: Body) -> Answer:
    for pattern, methods in _ROUTES:
        found = re.fullmatch(pattern, path)
        if found and method in methods:
            return methods[method](world, token, found.groupdict(), body)
    if token not in world.tokens:
        raise RefusedError(401, "Unauthorized")
    raise RefusedError(404, f"Cannot {method} {path}")


def _projects(world: World, token: str, _: Any, __: Body) -> Answer:
    if token not in world.tokens:
        raise RefusedError(401, "Unauthorized")
    scope = world.tokens[token]
    return 200, [_of_project(world, one) for one in world.projects.values() if scope is None or one.ref in scope]


def _organizations(world: World, token: str, _: Any, __: Body) -> Answer:
    if token not in world.tokens:
        raise RefusedError(401, "Unauthorized")
    if world.tokens[token] is not None:
        raise RefusedError(403, "Forbidden action")
    return 200, [{"id": world.organization, "slug": world.organization, "name": world.organization}]


def _of_project(world: World, project: Project) -> dict[str, Any]:
    database = {"host": project.database["host"], "version": "17.4.1.5", "postgres_engine": "17", "release_channel": "ga"}
    return {
        "id": project.ref,
        "ref": project.ref,
        "organization_id": world.organization,
        "organization_slug": world.organization,
        "name": project.name,
        "region": "eu-central-1",
        "created_at": project.created_at,
        "status": project.status,
        "database": database,
    }


def _project(world: World, token: str, part: Body, _: Body) -> Answer:
    return 200, _of_project(world, world.may(token, part["ref"]))


def _read(name: str, shown: Callable[[Project], Any]) -> Callable[..., Answer]:
    return lambda world, token, part, body: (200, shown(world.may(token, part["ref"])))


def _changed(name: str, allowed: Callable[[Any, Any], bool] = lambda _, __: True) -> Callable[..., Answer]:
    """Takes the fields that the section has, and refuses all others, as the API does."""

    def change(world: World, token: str, part: Body, body: Body) -> Answer:
        section = world.may(token, part["ref"]).settings[name]
        unknown = sorted(set(body) - set(section))
        wrong = [field for field in body if field in section and not allowed(field, body[field])]
        if unknown or wrong:
            raise RefusedError(400, f"{', '.join([*unknown, *wrong])}: invalid value")
        section.update(body)
        return 200, dict(section)

    return change


def _auth_value(field: str, value: Any) -> bool:
    limits = {"jwt_exp": (0, 604800), "password_min_length": (6, 32767)}
    if field in limits:
        low, high = limits[field]
        return isinstance(value, int) and low <= value <= high
    return not (field == "site_url" and "," in value)


def _restrictions(project: Project) -> dict[str, Any]:
    return {"entitlement": "allowed", "config": dict(project.settings["network"]), "status": "applied", "applied_at": now()}


def _restrict(world: World, token: str, part: Body, body: Body) -> Answer:
    project = world.may(token, part["ref"])
    project.settings["network"] = {name: list(body.get(name, [])) for name in ("dbAllowedCidrs", "dbAllowedCidrsV6")}
    return 201, _restrictions(project)


def _ssl(project: Project) -> dict[str, Any]:
    return {"currentConfig": dict(project.settings["ssl"]), "appliedSuccessfully": True}


def _enforce(world: World, token: str, part: Body, body: Body) -> Answer:
    project = world.may(token, part["ref"])
    project.settings["ssl"] = {"database": bool(body["requestedConfig"]["database"])}
    return 200, _ssl(project)


def _pooler(project: Project) -> list[dict[str, Any]]:
    host, user = "pooler.supabase.com", f"postgres.{project.ref}"
    text = f"postgresql://{user}:[YOUR-PASSWORD]@{host}:6543/postgres"
    one = {
        "identifier": project.ref,
        "database_type": "PRIMARY",
        "is_using_scram_auth": False,
        "db_user": user,
        "db_host": host,
        "db_port": 6543,
        "db_name": "postgres",
        "connection_string": text,
        "connectionString": text,
        "max_client_conn": None,
    }
    return [{**one, **project.settings["pooler"]}]


def _storage(project: Project) -> dict[str, Any]:
    off = {"enabled": False}
    features = {
        "imageTransformation": off,
        "s3Protocol": {"enabled": True},
        "icebergCatalog": {**off, "maxNamespaces": 0, "maxTables": 0, "maxCatalogs": 0},
        "vectorBuckets": {**off, "maxBuckets": 0, "maxIndexes": 0},
    }
    return {
        **project.settings["storage"],
        "features": features,
        "capabilities": {"list_v2": True, "iceberg_catalog": False},
        "external": {"upstreamTarget": "main"},
        "migrationVersion": "stand-in",
        "databasePoolMode": "transaction",
    }


def _new_key(project: Project, algorithm: str, status: str, secret: str = "") -> dict[str, Any]:
    """Tokens are signed by ES256 and HS256 alone."""
    at, identity = now(), str(uuid.uuid4())
    key: dict[str, Any] = {"id": identity, "algorithm": algorithm, "status": status, "created_at": at, "updated_at": at}
    key["public_jwk"] = None
    if algorithm == "ES256":
        private = signatures.new_private()
        project.signing_secrets[identity] = private
        key["public_jwk"] = signatures.public_jwk(private, identity)
    elif algorithm == "HS256":
        project.signing_secrets[identity] = secret or uuid.uuid4().hex
    project.signing_keys.append(key)
    return key


def _add_key(world: World, token: str, part: Body, body: Body) -> Answer:
    project = world.may(token, part["ref"])
    if body.get("algorithm") not in _ALGORITHMS or body.get("status", "standby") not in ("in_use", "standby"):
        raise RefusedError(400, "algorithm, status: invalid value")
    _refuse_second_standby(project)
    return 201, _new_key(project, body["algorithm"], body.get("status", "standby"))


def _refuse_second_standby(project: Project) -> None:
    if any(one["status"] == "standby" for one in project.signing_keys):
        raise RefusedError(400, "There is a standby key already")


def _adopt_legacy(world: World, token: str, part: Body, _: Body) -> Answer:
    project = world.may(token, part["ref"])
    if project.signing_keys:
        raise RefusedError(400, "The legacy secret is a signing key already")
    key = _new_key(project, "HS256", "in_use", project.jwt_secret)
    project.legacy_id = key["id"]
    return 201, key


def _key(project: Project, identity: str) -> dict[str, Any]:
    for one in project.signing_keys:
        if one["id"] == identity:
            return one
    raise RefusedError(404, "Signing key not found")


def _one_key(world: World, token: str, part: Body, _: Body) -> Answer:
    return 200, _key(world.may(token, part["ref"]), part["id"])


def _legacy_key(world: World, token: str, part: Body, _: Body) -> Answer:
    project = world.may(token, part["ref"])
    return 200, _key(project, project.legacy_id)


def _remove_key(world: World, token: str, part: Body, _: Body) -> Answer:
    project = world.may(token, part["ref"])
    key = _key(project, part["id"])
    if key["status"] != "revoked" or key["id"] == project.legacy_id:
        raise RefusedError(400, "Only a revoked key can be removed, and never the legacy secret")
    project.signing_keys.remove(key)
    return 200, key


def _update_key(world: World, token: str, part: Body, body: Body) -> Answer:
    project = world.may(token, part["ref"])
    key = _key(project, part["id"])
    if body.get("status") not in _NEXT[key["status"]]:
        raise RefusedError(400, f"status: a key that is {key['status']} cannot become {body.get('status')}")
    if body["status"] == "revoked" and key["id"] == project.legacy_id and project.has_legacy_keys:
        raise RefusedError(400, "anon and service_role are signed with the legacy secret; disable them first")
    if body["status"] == "standby":
        _refuse_second_standby(project)
    if body["status"] == "in_use":
        for one in project.signing_keys:
            if one["status"] == "in_use":
                one.update(status="previously_used", updated_at=now())
    key.update(status=body["status"], updated_at=now())
    return 200, key


def _api_keys(project: Project) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "api_key": key,
            "id": name,
            "type": name if name in ("publishable", "secret") else "legacy",
            "prefix": key[:5],
        }
        for name, key in project.keys.items()
    ]


def _switch_legacy_keys(world: World, token: str, part: Body, body: Body) -> Answer:
    project = world.may(token, part["ref"])
    project.has_legacy_keys = {"true": True, "false": False}[body["enabled"]]
    return 200, {"enabled": project.has_legacy_keys}


def _buckets(project: Project) -> list[dict[str, Any]]:
    return [
        {"id": name, "name": name, "owner": "", "public": one["public"], "created_at": now(), "updated_at": now()}
        for name, one in project.buckets.items()
    ]


def _branches(world: World, token: str, part: Body, _: Body) -> Answer:
    return 200, world.branches_of(world.may(token, part["ref"]))


def _add_branch(world: World, token: str, part: Body, body: Body) -> Answer:
    if not body.get("branch_name"):
        raise RefusedError(400, "branch_name: invalid value")
    return 201, world.add_branch(world.may(token, part["ref"]), body)


def _named_branch(world: World, token: str, part: Body, _: Body) -> Answer:
    for one in world.branches_of(world.may(token, part["ref"])):
        if one["name"] == part["name"]:
            return 200, one
    raise RefusedError(404, "Branch not found")


def _branch(world: World, token: str, given: str) -> Project:
    for project in [*world.projects.values()]:
        if project.branch and given in (project.ref, project.branch["id"]):
            return world.may(token, project.ref)
    raise RefusedError(404, "Branch not found")


def _branch_config(world: World, token: str, part: Body, _: Body) -> Answer:
    project = _branch(world, token, part["branch"])
    database = project.database
    found = {
        "ref": project.ref,
        "postgres_version": "17.4.1.5",
        "postgres_engine": "17",
        "release_channel": "ga",
        "status": project.status,
        "db_host": database["host"],
        "db_port": database["port"],
    }
    secret = {"db_user": database["user"], "db_pass": database["password"], "jwt_secret": project.jwt_secret}
    return 200, {**found, **secret}


def _remove_branch(world: World, token: str, part: Body, _: Body) -> Answer:
    world.remove_branch(_branch(world, token, part["branch"]))
    return 200, {"message": "ok"}


_P = f"/v1/projects/{_REF}"
_KEYS = f"{_P}/config/auth/signing-keys"
_BRANCH = r"/v1/branches/(?P<branch>[a-z]{20}|[0-9a-f-]{36})"
_ROUTES: list[tuple[str, dict[str, Callable[..., Answer]]]] = [
    ("/v1/projects", {"GET": _projects}),
    ("/v1/organizations", {"GET": _organizations}),
    (_P, {"GET": _project}),
    (
        f"{_P}/config/auth",
        {"GET": _read("auth", lambda one: dict(one.settings["auth"])), "PATCH": _changed("auth", _auth_value)},
    ),
    (f"{_P}/postgrest", {"GET": _read("postgrest", lambda one: dict(one.settings["postgrest"])), "PATCH": _changed("postgrest")}),
    (f"{_P}/config/database/pooler", {"GET": _read("pooler", _pooler), "PATCH": _changed("pooler")}),
    (f"{_P}/config/storage", {"GET": _read("storage", _storage), "PATCH": _changed("storage")}),
    (f"{_P}/network-restrictions", {"GET": _read("network", _restrictions)}),
    (f"{_P}/network-restrictions/apply", {"POST": _restrict}),
    (f"{_P}/ssl-enforcement", {"GET": _read("ssl", _ssl), "PUT": _enforce}),
    (_KEYS, {"GET": _read("keys", lambda one: {"keys": one.signing_keys}), "POST": _add_key}),
    (f"{_KEYS}/legacy", {"GET": _legacy_key, "POST": _adopt_legacy}),
    (rf"{_KEYS}/(?P<id>[0-9a-f-]+)", {"GET": _one_key, "PATCH": _update_key, "DELETE": _remove_key}),
    (
        f"{_P}/api-keys/legacy",
        {"GET": _read("legacy", lambda one: {"enabled": one.has_legacy_keys}), "PUT": _switch_legacy_keys},
    ),
    (f"{_P}/api-keys", {"GET": _read("api-keys", _api_keys)}),
    (f"{_P}/storage/buckets", {"GET": _read("buckets", _buckets)}),
    (f"{_P}/branches", {"GET": _branches, "POST": _add_branch}),
    (rf"{_P}/branches/(?P<name>[^/]+)", {"GET": _named_branch}),
    (_BRANCH, {"GET": _branch_config, "DELETE": _remove_branch}),
]
