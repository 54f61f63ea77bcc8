"""RunPod's REST API v2 (https://api.runpod.io/v2/openapi.json), as far as serverless endpoints are kept by it.

Unknown fields are refused by their name, as the API does it, and so is what it says it refuses.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

PATH = re.compile(r"/v2/(?:(?P<kind>serverless|templates)(?:/(?P<id>[\w.-]+))?|(?P<catalog>catalog/gpus))")
# Pool -> id, name and price by the hour of each type in it.
POOLS = {
    "AMPERE_16": (("NVIDIA RTX A4000", "RTX A4000", 0.58),),
    "ADA_24": (("NVIDIA GeForce RTX 4090", "RTX 4090", 1.10), ("NVIDIA L4", "L4", 0.69)),
    "AMPERE_80": (("NVIDIA A100 80GB PCIe", "A100 PCIe", 2.72),),
}
TEMPLATES = {"tpl-comic": {"name": "comic", "image": "registry.example/comic-xl:1.4.0", "env": {"CACHE": "/runpod-volume"}}}
# Of a template, what the collection does not read.
TEMPLATE: dict[str, Any] = {
    "args": "",
    "disk": 20,
    "mounts": {},
    "ports": [],
    "registry": None,
    "serverless": True,
    "public": False,
    "category": "NVIDIA",
    "startSsh": False,
    "startJupyter": False,
    "allowedCudaVersions": [],
}
CONTAINER = ("image", "args", "disk", "ports", "env", "registry")
FIELDS = (
    *CONTAINER,
    "name",
    "gpu",
    "workers",
    "scaling",
    "dataCenterIds",
    "networkVolumes",
    "timeout",
    "flashboot",
    "templateId",
)
GPU = ("pools", "excludedTypes", "count", "allowedCudaVersions", "minCudaVersion")
REQUESTS = {
    "run": "run",
    "runSync": "runsync",
    **{name: f"{name}/{{job_id}}" for name in ("status", "stream", "cancel", "retry")},
    "purgeQueue": "purge-queue",
    "health": "health",
}
SCALING = {"QUEUE_DELAY": "queueDelay", "REQUEST_COUNT": "requestCount"}
TITLES = {400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed", 422: "Unprocessable Entity"}


class ProblemError(Exception):
    """What is answered as application/problem+json."""

    def __init__(self, status: int, detail: str, *errors: str) -> None:
        super().__init__(detail)
        self.status = status
        more = {"errors": list(errors)} if errors else {}
        self.body = {"title": TITLES[status], "status": status, "detail": detail, **more}


class Account:
    """The endpoints that one environment's keys reach."""

    def __init__(self) -> None:
        self.endpoints: dict[str, dict[str, Any]] = {}

    def answer(self, method: str, path: re.Match[str], body: bytes) -> tuple[int, object]:
        if path["catalog"]:
            return 200, {"gpus": catalog()}
        if path["kind"] == "templates":
            if path["id"] not in TEMPLATES:
                raise ProblemError(404, "template not found")
            return 200, {**TEMPLATE, "id": path["id"], **TEMPLATES[path["id"]]}
        if not path["id"]:
            if method == "POST":
                return 201, self.create(parsed(body))
            return 200, {"endpoints": list(self.endpoints.values())}
        if path["id"] not in self.endpoints:
            raise ProblemError(404, "endpoint not found")
        if method == "PATCH":
            return 200, self.update(self.endpoints[path["id"]], parsed(body))
        if method == "DELETE":
            del self.endpoints[path["id"]]
            return 204, None
        return 200, self.endpoints[path["id"]]

    def create(self, given: dict[str, Any]) -> dict[str, Any]:
        check(given, (*FIELDS, "type"))
        missing = [name for name in ("name", "type", "scaling") if name not in given]
        missing += ["image"] if not {"image", "templateId"} & set(given) else []
        if missing:
            raise ProblemError(422, "Request validation failed.", f"$: missing properties {', '.join(missing)}")
        if given["type"] not in ("QUEUE", "LOAD_BALANCER"):
            raise ProblemError(422, "Request validation failed.", "$.type: must be QUEUE or LOAD_BALANCER")
        if not (given.get("gpu") or {}).get("pools"):
            raise ProblemError(400, "exactly one of gpu or cpu is required")
        made = {
            "id": uuid.uuid4().hex[:14],
            "type": given["type"],
            "env": {},
            "args": "",
            "registry": None,
            "workers": {"min": 0, "max": 3},
            "dataCenterIds": [],
            "networkVolumes": [],
            "timeout": 300_000,
            "flashboot": "OFF",
            "gpu": {"pools": [], "count": 1, "allowedCudaVersions": [], "minCudaVersion": None},
            "createdAt": datetime.now(UTC).isoformat(),
        }
        made["requestUrls"] = {name: f"https://api.runpod.ai/v2/{made['id']}/{path}" for name, path in REQUESTS.items()}
        apply(made, given)
        self.endpoints[str(made["id"])] = made
        return made

    def update(self, endpoint: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        check(given, FIELDS)
        apply(endpoint, given)
        return endpoint


def parsed(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        raise ProblemError(400, "the body is no JSON") from None
    if not isinstance(found, dict):
        raise ProblemError(422, "Request validation failed.", "$: must be an object")
    return found


def check(given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    gpu, workers, scaling = (given.get(name) or {} for name in ("gpu", "workers", "scaling"))
    errors = [f"$: additional properties '{name}' not allowed" for name in given if name not in known]
    errors += [f"$.gpu: additional properties '{name}' not allowed" for name in gpu if name not in GPU]
    errors += [
        f"$.workers: additional properties '{name}' not allowed" for name in workers if name not in ("min", "max", "idleTimeout")
    ]
    if "scaling" in given and set(scaling) != {"type", SCALING.get(str(scaling.get("type")), "")}:
        errors.append("$.scaling: must match exactly one schema in oneOf")
    if errors:
        raise ProblemError(422, "Request validation failed.", *errors)
    types = {id for pool in gpu.get("pools") or () for id, _, _ in POOLS.get(pool, ())}
    if any(pool not in POOLS for pool in gpu.get("pools") or ()):
        raise ProblemError(400, "gpu.pools: unknown pool")
    if any(one not in types for one in gpu.get("excludedTypes") or ()):
        raise ProblemError(400, "gpu.excludedTypes: not a GPU type in one of pools")
    if "idleTimeout" in workers and scaling.get("type") == "REQUEST_COUNT":
        raise ProblemError(400, "workers.idleTimeout does not apply to queue-based endpoints that scale on requestCount")


def apply(endpoint: dict[str, Any], given: dict[str, Any]) -> None:
    """As a PATCH: what is not named stays. A template is applied once, and forgotten."""
    template = given.pop("templateId", None)
    if template is not None:
        if template not in TEMPLATES:
            raise ProblemError(404, "template not found")
        found = {name: value for name, value in TEMPLATES[template].items() if name in CONTAINER}
        given = {**found, **given, "env": {**TEMPLATES[template]["env"], **given.get("env", {})}}  # type: ignore[dict-item]
    if given.get("scaling", {}).get("type") == "REQUEST_COUNT":
        endpoint["workers"].pop("idleTimeout", None)
    for name, value in given.items():
        if name == "gpu" and "pools" in value:
            endpoint["gpu"].pop("excludedTypes", None)
        endpoint[name] = {**endpoint[name], **value} if name in ("gpu", "workers") else value


def catalog() -> list[dict[str, Any]]:
    return [
        {
            "id": id,
            "name": name,
            "pool": pool,
            "manufacturer": "NVIDIA",
            "memory": 24,
            "secure": True,
            "community": False,
            "price": {"secure": round(price * 0.6, 2), "community": 0.0, "serverless": price},
            "maxCount": {"secure": 8, "community": 0},
        }
        for pool, types in POOLS.items()
        for id, name, price in types
    ]
