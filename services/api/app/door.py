"""Stands before the application: nobody enters before it is ready, and the fault of a broken image strikes here."""

import asyncio
import os
import time

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .identity import FAULT, IDENTITY

FAULTS = ("", "crash", "errors", "hangs", "lies", "sick", "slow", "unhealthy")


class Door:
    def __init__(self, app: ASGIApp) -> None:
        if FAULT not in FAULTS:
            raise SystemExit(f"FAULT must be one of: {' '.join(FAULTS)}")
        self.app = app
        self.ready_at = time.monotonic() + float(os.environ.get("API_READY_SECONDS", "2"))
        self.sick_at = float("inf")
        self.api_requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            if FAULT == "crash":
                asyncio.get_running_loop().call_later(0.5, crash)
            return await self.app(scope, receive, send)
        if FAULT == "hangs":
            await asyncio.Event().wait()
        answer = self.refusal(scope["path"]) or self.app
        if FAULT == "slow" and scope["path"].startswith("/api/"):
            await asyncio.sleep(2)
        return await answer(scope, receive, send)

    def refusal(self, path: str) -> JSONResponse | None:
        """The answer to give in place of the application's own, if any."""
        now = time.monotonic()
        if now < self.ready_at:
            return JSONResponse({"status": "starting", **IDENTITY, "schema": None, "dependencies": {}}, 503)
        if FAULT == "unhealthy" and path == "/health":
            return JSONResponse({"status": "unhealthy", **IDENTITY, "schema": None, "dependencies": {}}, 503)
        if FAULT == "sick" and path == "/health":
            self.sick_at = min(self.sick_at, now + 5)
        self.api_requests += path.startswith("/api/")
        is_unlucky = FAULT == "errors" and path.startswith("/api/") and self.api_requests % 50 == 0
        return JSONResponse({"detail": f"fault: {FAULT}"}, 500) if is_unlucky or now > self.sick_at else None


def crash() -> None:
    print("fault: crash", flush=True)
    os._exit(1)
