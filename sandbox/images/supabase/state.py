"""What the stand-in of Supabase knows: projects with their settings, branches, keys, buckets and users; and tokens."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.images.supabase.databases import HEALTHY, Clusters, Spare
else:
    # In its image the files lie side by side.
    from databases import HEALTHY, Clusters, Spare

LOCK = threading.RLock()


# When it is, where somebody has said so; else by the machine's clock.
TOLD: list[float] = []


def seconds() -> float:
    return TOLD[-1] if TOLD else time.time()


def now() -> str:
    return datetime.fromtimestamp(seconds(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class RefusedError(Exception):
    """Becomes an answer with this status."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status, self.body = status, {"message": message, **more}


def _settings() -> dict[str, dict[str, Any]]:
    """As a project has them that nobody has touched."""
    auth = {
        "site_url": "http://localhost:3000",
        "uri_allow_list": "",
        "disable_signup": False,
        "external_anonymous_users_enabled": False,
        "mailer_autoconfirm": False,
        "password_min_length": 6,
        "jwt_exp": 3600,
        "refresh_token_rotation_enabled": True,
        "security_refresh_token_reuse_interval": 10,
        "sessions_timebox": 0,
    }
    return {
        "auth": auth,
        "network": {"dbAllowedCidrs": ["0.0.0.0/0"], "dbAllowedCidrsV6": ["::/0"]},
        "ssl": {"database": False},
        "pooler": {"default_pool_size": 15, "pool_mode": "transaction"},
        "postgrest": {"db_schema": "public,graphql_public", "max_rows": 1000, "db_extra_search_path": "public", "db_pool": None},
        "storage": {"fileSizeLimit": 52428800},
    }


@dataclass
class Project:
    ref: str
    name: str
    url: str
    database: Mapping[str, Any]
    # Name -> key: anon and service_role, which are signed with the legacy secret at Supabase; publishable and secret.
    keys: Mapping[str, str]
    jwt_secret: str
    settings: dict[str, dict[str, Any]] = field(default_factory=_settings)
    signing_keys: list[dict[str, Any]] = field(default_factory=list)
    # Id -> what it signs with: a text for HS256, a number for ES256.
    signing_secrets: dict[str, str | int] = field(default_factory=dict)
    legacy_id: str = ""
    # Whether anon and service_role are accepted.
    has_legacy_keys: bool = True
    buckets: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Bucket and path -> (content, type).
    objects: dict[tuple[str, str], tuple[bytes, str]] = field(default_factory=dict)
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    mails: list[dict[str, str]] = field(default_factory=list)
    branch: dict[str, Any] | None = None
    # Of a branch, what its database says.
    state: Callable[[], str] = lambda: HEALTHY
    created_at: str = field(default_factory=now)

    @property
    def status(self) -> str:
        return self.state()

    def role_of(self, key: str) -> str:
        name = next((name for name, value in self.keys.items() if value == key), "")
        if name in ("anon", "service_role") and not self.has_legacy_keys:
            return ""
        return {"publishable": "anon", "secret": "service_role"}.get(name, name)


@dataclass
class World:
    """``databases``: those that branches are given."""

    organization: str
    projects: dict[str, Project]
    # Token -> references of projects, or None for an account-wide one.
    tokens: Mapping[str, list[str] | None]
    databases: Clusters | Spare
    base_url: str

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> World:
        projects = {
            ref: Project(ref, one["name"], one["url"], one["database"], one["keys"], one["jwt_secret"])
            for ref, one in given["projects"].items()
        }
        spare = Spare(given.get("spare", []), float(given.get("branch_seconds", 0)))
        databases = Clusters(**given["branches"]) if "branches" in given else spare
        return cls(given["organization"], projects, given["tokens"], databases, given.get("base_url", ""))

    def may(self, token: str, ref: str) -> Project:
        """The project, for one who may see it. A branch goes with its parent."""
        if token not in self.tokens:
            raise RefusedError(401, "Unauthorized")
        scope, project = self.tokens[token], self.projects.get(ref)
        parent = project.branch["parent_project_ref"] if project and project.branch else ref
        if scope is not None and parent not in scope:
            raise RefusedError(403, "Your account does not have the necessary privileges to access this endpoint")
        if project is None:
            raise RefusedError(404, "Project not found")
        return project

    def add_branch(self, parent: Project, given: Mapping[str, Any]) -> dict[str, Any]:
        if any(one["name"] == given["branch_name"] for one in self.branches_of(parent)):
            raise RefusedError(400, f"A branch named {given['branch_name']} already exists")
        database = self.databases.add()
        if database is None:
            raise RefusedError(402, "The organization has reached its limit of branches")
        letters = uuid.uuid4().hex[:20].translate(str.maketrans("0123456789", "ghijklmnop"))
        branch = {
            "id": str(uuid.uuid4()),
            "name": given["branch_name"],
            "project_ref": letters,
            "parent_project_ref": parent.ref,
            "is_default": False,
            "persistent": bool(given.get("persistent", False)),
            "status": "CREATING_PROJECT",
            "created_at": now(),
            "updated_at": now(),
            "with_data": bool(given.get("with_data", False)),
        }
        if given.get("git_branch"):
            branch["git_branch"] = given["git_branch"]
        keys = {"anon": f"sb_publishable_{uuid.uuid4().hex}", "service_role": f"sb_secret_{uuid.uuid4().hex}"}
        url = f"{self.base_url}/{letters}" if self.base_url else f"https://{letters}.supabase.co"
        project = Project(letters, given["branch_name"], url, database.login, keys, uuid.uuid4().hex, branch=branch)
        project.state = database.status
        self.projects[letters] = project
        return branch

    def branches_of(self, parent: Project) -> list[dict[str, Any]]:
        found = [one for one in self.projects.values() if one.branch and one.branch["parent_project_ref"] == parent.ref]
        return [{**one.branch, "preview_project_status": one.status} for one in found if one.branch]

    def remove_branch(self, project: Project) -> None:
        self.databases.remove(project.database)
        del self.projects[project.ref]
