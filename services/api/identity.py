"""What this process is, baked into the image at build time or given by the environment, and how it tells its health."""

import os
import socket

from fastapi.responses import JSONResponse

RELEASE = os.environ.get("RELEASE", "0.0.0-dev")
FAULT = os.environ.get("FAULT", "")
IDENTITY = {
    "version": "1.0.0-other" if FAULT == "lies" else RELEASE,
    "git_sha": os.environ.get("GIT_SHA", "unknown"),
    "environment": os.environ.get("APP_ENVIRONMENT", "development"),
    "replica": socket.gethostname(),
}


def report(status: str, schema: str | None = None, **dependencies: str) -> JSONResponse:
    """The answer of /health."""
    body = {"status": status, **IDENTITY, "schema": schema, "dependencies": dependencies}
    return JSONResponse(body, 200 if status == "ok" else 503)
