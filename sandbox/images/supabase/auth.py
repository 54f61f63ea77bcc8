"""Supabase's auth service, as its published API describes it: registration, sign-in, sessions and who a token belongs to."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.images.supabase import signatures
    from sandbox.images.supabase.state import Project, RefusedError, now, seconds
else:
    import signatures
    from state import Project, RefusedError, now, seconds

Answer = tuple[int, Any]
_ROUNDS = 1000
# Of keys whose tokens are accepted.
_TRUSTED = ("in_use", "previously_used", "standby")


def _refused(status: int, code: str, message: str) -> RefusedError:
    error = RefusedError(status, message, code=status, error_code=code, msg=message)
    del error.body["message"]
    return error


def answer(project: Project, method: str, path: str, query: Mapping[str, str], key: str, bearer: str, body: Any) -> Answer:
    """``key``: of the header apikey; ``bearer``: of Authorization, a user's token or a key again."""
    if path == "/health":
        return 200, {
            "name": "GoTrue",
            "version": "stand-in",
            "description": "Registration and authentication of users",
        }
    if path == "/verify" and method == "GET":
        return _verify(project, query)
    if path == "/.well-known/jwks.json":
        known = [key["public_jwk"] for key in project.signing_keys if key["status"] in _TRUSTED and key["public_jwk"]]
        return 200, {"keys": known}
    if not project.role_of(key):
        raise RefusedError(401, "Invalid API key", hint="Double check your Supabase `anon` or `service_role` API key.")
    routes: dict[tuple[str, str], Callable[[], Answer]] = {
        ("GET", "/settings"): lambda: (200, _settings(project)),
        ("POST", "/signup"): lambda: _signup(project, body),
        ("POST", "/token"): lambda: _token(project, query.get("grant_type", ""), body),
        ("GET", "/user"): lambda: (200, _shown(_user_of(project, bearer)[0])),
        ("POST", "/logout"): lambda: _logout(project, bearer, query.get("scope", "global")),
        ("POST", "/admin/users"): lambda: _add(project, bearer, body),
    }
    if act := routes.get((method, path)):
        return act()
    one = {"GET": _read, "DELETE": _delete}.get(method)
    if one and path.startswith("/admin/users/"):
        return one(project, _asked(project, bearer, path.removeprefix("/admin/users/")), body)
    raise RefusedError(404, f"{method} {path} is not there")


def _settings(project: Project) -> dict[str, Any]:
    auth = project.settings["auth"]
    external = {"email": True, "phone": False, "anonymous_users": auth["external_anonymous_users_enabled"]}
    return {
        "external": external,
        "disable_signup": auth["disable_signup"],
        "mailer_autoconfirm": auth["mailer_autoconfirm"],
        "phone_autoconfirm": False,
        "sms_provider": "",
        "saml_enabled": False,
    }


def _signup(project: Project, body: Mapping[str, Any]) -> Answer:
    auth = project.settings["auth"]
    if auth["disable_signup"]:
        raise _refused(422, "signup_disabled", "Signups not allowed for this instance")
    email, password = str(body.get("email") or "").strip().lower(), str(body.get("password") or "")
    if "@" not in email:
        raise _refused(400, "validation_failed", "Unable to validate email address: invalid format")
    if len(password) < auth["password_min_length"]:
        least = auth["password_min_length"]
        raise _refused(422, "weak_password", f"Password should be at least {least} characters.")
    if email in project.users:
        raise _refused(422, "user_already_exists", "User already registered")
    user = _new(str(uuid.uuid4()), email, password, body.get("data") or {})
    project.users[email] = user
    if auth["mailer_autoconfirm"]:
        user["confirmed_at"] = user["created_at"]
        return 200, _session(project, user)
    project.mails.append({"to": email, "token": secrets.token_urlsafe(24), "type": "signup"})
    return 200, _shown(user)


def _require_admin(project: Project, bearer: str) -> None:
    if project.role_of(bearer) != "service_role":
        raise _refused(403, "not_admin", "User not allowed")


def _asked(project: Project, bearer: str, identity: str) -> dict[str, Any]:
    """The user of this id, for who has the secret key."""
    _require_admin(project, bearer)
    try:
        identity = str(uuid.UUID(identity))
    except ValueError:
        raise _refused(404, "validation_failed", "user_id must be an UUID") from None
    for user in project.users.values():
        if user["id"] == identity:
            return user
    raise _refused(404, "user_not_found", "User not found")


def _read(project: Project, user: dict[str, Any], body: Mapping[str, Any]) -> Answer:
    return 200, _shown(user)


def _delete(project: Project, user: dict[str, Any], body: Mapping[str, Any]) -> Answer:
    """With the sessions. Softly, a user can still be told by the id, and nothing says who it was."""
    for name in [name for name, one in project.sessions.items() if one["email"] == user["email"]]:
        del project.sessions[name]
    if not body.get("should_soft_delete"):
        del project.users[user["email"]]
    elif not user.get("deleted_at"):
        del project.users[user["email"]]
        hidden = signatures.encoded(hashlib.sha256(f"{user['id']}{user['email']}".encode()).digest())
        project.users[hidden] = user | {"email": hidden, "user_metadata": {}, "deleted_at": now()}
    return 200, {}


def _add(project: Project, bearer: str, body: Mapping[str, Any]) -> Answer:
    """By who has the secret key, also with an id of its own choice."""
    _require_admin(project, bearer)
    email = str(body["email"]).strip().lower()
    if email in project.users:
        raise _refused(422, "email_exists", "A user with this email address has already been registered")
    user = _new(str(body.get("id") or uuid.uuid4()), email, str(body.get("password") or ""), body.get("user_metadata") or {})
    user["confirmed_at"] = user["created_at"] if body.get("email_confirm") else None
    project.users[email] = user
    return 200, _shown(user)


def _new(identity: str, email: str, password: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    salt, at = secrets.token_bytes(16), now()
    user: dict[str, Any] = {"id": identity, "email": email, "created_at": at, "updated_at": at, "confirmed_at": None}
    return user | {"salt": salt, "hash": _hash(password, salt), "user_metadata": dict(metadata)}


def _token(project: Project, grant: str, body: Mapping[str, Any]) -> Answer:
    if grant == "password":
        user = project.users.get(str(body.get("email") or "").strip().lower())
        if user is None or not hmac.compare_digest(user["hash"], _hash(str(body.get("password") or ""), user["salt"])):
            raise _refused(400, "invalid_credentials", "Invalid login credentials")
        if user["confirmed_at"] is None:
            raise _refused(400, "email_not_confirmed", "Email not confirmed")
        return 200, _session(project, user)
    if grant == "refresh_token":
        found = str(body.get("refresh_token") or "")
        for session, one in project.sessions.items():
            if hmac.compare_digest(one["refresh_token"], found):
                return 200, _session(project, project.users[one["email"]], session)
        raise _refused(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
    raise _refused(400, "invalid_request", "unsupported_grant_type")


def _session(project: Project, user: Mapping[str, Any], session: str = "") -> dict[str, Any]:
    session = session or str(uuid.uuid4())
    refresh, lasting = secrets.token_urlsafe(12), int(project.settings["auth"]["jwt_exp"])
    project.sessions[session] = {"email": user["email"], "refresh_token": refresh}
    expires = int(seconds()) + lasting
    claims = {"iss": f"{project.url}/auth/v1", "sub": user["id"], "aud": "authenticated", "role": "authenticated", "exp": expires}
    claims |= {"iat": expires - lasting, "email": user["email"], "session_id": session, "is_anonymous": False}
    return {
        "access_token": _signed(project, claims),
        "token_type": "bearer",
        "expires_in": lasting,
        "expires_at": expires,
        "refresh_token": refresh,
        "user": _shown(user),
    }


def _logout(project: Project, bearer: str, scope: str) -> Answer:
    user, session = _user_of(project, bearer)
    for name in [name for name, one in project.sessions.items() if one["email"] == user["email"]]:
        if scope == "global" or (name == session) == (scope == "local"):
            del project.sessions[name]
    return 204, None


def _verify(project: Project, query: Mapping[str, str]) -> Answer:
    for mail in project.mails:
        if mail["token"] == query.get("token"):
            project.mails.remove(mail)
            project.users[mail["to"]]["confirmed_at"] = now()
            return 303, project.settings["auth"]["site_url"]
    raise _refused(403, "otp_expired", "Email link is invalid or has expired")


def _user_of(project: Project, bearer: str) -> tuple[Mapping[str, Any], str]:
    """Whose the token is, and of which session."""
    if not _is_ours(project, bearer):
        raise _refused(403, "bad_jwt", "invalid JWT: unable to parse or verify signature")
    claims = signatures.part(bearer, 1)
    if claims["exp"] <= seconds():
        raise _refused(403, "bad_jwt", "invalid JWT: token is expired")
    found = [user for user in project.users.values() if user["id"] == claims["sub"]]
    if not found:
        raise _refused(403, "user_not_found", "User from sub claim in JWT does not exist")
    if claims["session_id"] not in project.sessions:
        raise _refused(403, "session_not_found", "Session from session_id claim in JWT does not exist")
    return found[0], claims["session_id"]


def _shown(user: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": user["id"],
        "aud": "authenticated",
        "role": "authenticated",
        "email": user["email"],
        "email_confirmed_at": user["confirmed_at"],
        "confirmed_at": user["confirmed_at"],
        "phone": "",
        "app_metadata": {"provider": "email", "providers": ["email"]},
        "user_metadata": user["user_metadata"],
        "identities": [],
        "created_at": user["created_at"],
        "updated_at": user["updated_at"],
        "is_anonymous": False,
        **({"deleted_at": user["deleted_at"]} if user.get("deleted_at") else {}),
    }


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ROUNDS)


def _signed(project: Project, claims: Mapping[str, Any]) -> str:
    """With the key in use; with the legacy secret, as long as that is no signing key."""
    kid = next((key["id"] for key in project.signing_keys if key["status"] == "in_use"), "")
    return signatures.signed(claims, project.signing_secrets[kid] if kid else project.jwt_secret, kid)


def _is_ours(project: Project, token: str) -> bool:
    """Whether a key has signed it that is trusted. A token that names none is of the legacy secret."""
    try:
        header = signatures.part(token, 0)
        kid = str(header.get("kid") or project.legacy_id)
        key = next((key for key in project.signing_keys if key["id"] == kid), None)
        if key is None and (kid or project.signing_keys):
            return False
        if key is not None and (key["status"] not in _TRUSTED or key["algorithm"] != header.get("alg")):
            return False
        return signatures.is_signed(token, project.signing_secrets[kid] if key else project.jwt_secret)
    except (ValueError, IndexError):
        return False
