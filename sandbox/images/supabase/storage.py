"""Supabase's storage API, as its documentation says it: buckets, and what is put into them."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.images.supabase.state import Project, RefusedError, now
else:
    from state import Project, RefusedError, now

Answer = tuple[int, Any]
_UNITS = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}


class Raw(bytes):
    """Is answered as it is."""

    type = "application/octet-stream"


def answer(
    project: Project, method: str, path: str, role: str, raw: bytes, content_type: str, *, replaces: bool = False
) -> Answer:
    """``replaces``: of the header x-upsert."""
    if method == "GET" and (found := re.fullmatch(r"/object/public/([^/]+)/(.+)", path)):
        return _download(project, found[1], found[2], is_public=True)
    if not role:
        raise RefusedError(400, "Invalid Compact JWS", statusCode="403", error="Unauthorized")
    if path.startswith("/bucket"):
        return _bucket(project, method, path, role, raw)
    if method == "POST" and (found := re.fullmatch(r"/object/list/([^/]+)", path)):
        return 200, _listed(project, found[1], json.loads(raw or b"{}"))
    if found := re.fullmatch(r"/object/([^/]+)/(.+)", path):
        # What replaces is what another method does.
        return _object(project, "PUT" if method == "POST" and replaces else method, found[1], found[2], raw, content_type)
    if method == "DELETE" and (found := re.fullmatch(r"/object/([^/]+)", path)):
        names = json.loads(raw)["prefixes"]
        gone = [name for name in names if project.objects.pop((found[1], name), None)]
        return 200, [{"name": name, "bucket_id": found[1]} for name in gone]
    raise RefusedError(404, f"Route {method}:{path} not found", statusCode="404", error="Not Found")


def _bucket(project: Project, method: str, path: str, role: str, raw: bytes) -> Answer:
    if role != "service_role":
        raise RefusedError(400, "new row violates row-level security policy", statusCode="403", error="Unauthorized")
    if path in ("/bucket", "/bucket/"):
        return _add(project, json.loads(raw)) if method == "POST" else (200, list(project.buckets.values()))
    name, _, act = path.removeprefix("/bucket/").partition("/")
    bucket = project.buckets.get(name)
    if bucket is None:
        raise RefusedError(400, "Bucket not found", statusCode="404", error="Bucket not found")
    if method == "GET":
        return 200, bucket
    if method == "PUT":
        bucket.update(_limits(json.loads(raw)), updated_at=now())
        return 200, {"message": "Successfully updated"}
    inside = [place for place in project.objects if place[0] == name]
    if method == "POST" and act == "empty":
        for place in inside:
            del project.objects[place]
        return 200, {"message": "Successfully emptied"}
    if method == "DELETE":
        if inside:
            raise RefusedError(400, "The bucket you tried to delete is not empty", statusCode="409", error="InvalidRequest")
        del project.buckets[name]
        return 200, {"message": "Successfully deleted"}
    raise RefusedError(404, "not found", statusCode="404", error="Not Found")


def _limits(given: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: given[name] for name in ("public", "allowed_mime_types") if name in given}
    if "file_size_limit" in given:
        text = str(given["file_size_limit"] or "")
        match = re.fullmatch(r"(\d+)\s*([KMG]?B)?", text, re.IGNORECASE)
        found["file_size_limit"] = int(match[1]) * _UNITS[(match[2] or "B").upper()] if match else None
    return found


def _add(project: Project, given: Mapping[str, Any]) -> Answer:
    name = given.get("id") or given["name"]
    if name in project.buckets:
        raise RefusedError(400, "The resource already exists", statusCode="409", error="Duplicate")
    bucket = {"id": name, "name": given["name"], "owner": "", "type": "STANDARD", "public": False}
    bucket |= {"file_size_limit": None, "allowed_mime_types": None, "created_at": now(), "updated_at": now()}
    project.buckets[name] = {**bucket, **_limits(given)}
    return 200, {"name": name}


def _listed(project: Project, bucket: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    prefix = str(given.get("prefix") or "")
    prefix = f"{prefix.rstrip('/')}/" if prefix else ""
    found: dict[str, dict[str, Any]] = {}
    for place, (content, kind) in sorted(project.objects.items()):
        if place[0] != bucket or not place[1].startswith(prefix):
            continue
        name, _, deeper = place[1].removeprefix(prefix).partition("/")
        at = {"created_at": now(), "updated_at": now(), "last_accessed_at": now()}
        metadata = {"size": len(content), "mimetype": kind}
        # What lies deeper is shown as a folder.
        more = {"id": None} if deeper else {"id": str(uuid.uuid4()), "metadata": metadata, **at}
        found[name] = {"name": name, **more}
    start = int(given.get("offset") or 0)
    return list(found.values())[start : start + int(given.get("limit") or 100)]


def _object(project: Project, method: str, bucket: str, name: str, raw: bytes, content_type: str) -> Answer:
    of_bucket = project.buckets.get(bucket)
    if of_bucket is None:
        raise RefusedError(400, "Bucket not found", statusCode="404", error="Bucket not found")
    if method == "GET":
        return _download(project, bucket, name.removeprefix("authenticated/"), is_public=False)
    content, kind = _content(raw, content_type)
    limit, kinds = of_bucket["file_size_limit"], of_bucket["allowed_mime_types"]
    if limit and len(content) > limit:
        raise RefusedError(400, "The object exceeded the maximum allowed size", statusCode="413", error="Payload too large")
    if kinds and not any(kind == one or (one.endswith("/*") and kind.startswith(one[:-1])) for one in kinds):
        raise RefusedError(400, f"mime type {kind} is not supported", statusCode="415", error="invalid_mime_type")
    if method == "POST" and (bucket, name) in project.objects:
        raise RefusedError(400, "The resource already exists", statusCode="409", error="Duplicate")
    project.objects[bucket, name] = (content, kind)
    return 200, {"Id": str(uuid.uuid4()), "Key": f"{bucket}/{name}"}


def _download(project: Project, bucket: str, name: str, *, is_public: bool) -> Answer:
    of_bucket, found = project.buckets.get(bucket), project.objects.get((bucket, name))
    if found is None or of_bucket is None or (is_public and not of_bucket["public"]):
        raise RefusedError(400, "Object not found", statusCode="404", error="not_found")
    raw = Raw(found[0])
    raw.type = found[1]
    return 200, raw


def _content(raw: bytes, content_type: str) -> tuple[bytes, str]:
    """The file of a form, as clients send it, or the body itself."""
    boundary = re.search(r'boundary="?([^";]+)', content_type)
    if not boundary:
        return raw, content_type.partition(";")[0] or "application/octet-stream"
    for part in raw.split(b"--" + boundary[1].encode()):
        head, _, content = part.partition(b"\r\n\r\n")
        kind = re.search(rb"content-type:\s*([^\r\n]+)", head, re.IGNORECASE)
        if b"filename=" in head and kind:
            return content.removesuffix(b"\r\n"), kind[1].decode().partition(";")[0].strip()
    raise RefusedError(400, "No file provided", statusCode="400", error="invalid_request")
