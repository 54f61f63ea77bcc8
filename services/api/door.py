"""Stands before the application: nobody enters before it is ready, and the fault of a broken image strikes here."""

import asyncio
import os
import threading
import time

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .identity import FAULT, report


class Door:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.ready_at = time.monotonic() + float(os.environ.get("API_READY_SECONDS", "2"))
        self.sick_at = float("inf")
        self.api_requests = 0
        if FAULT == "crash":
            print("fault: crash", flush=True)
            threading.Timer(0.5, os._exit, [1]).start()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self.app if scope["type"] == "lifespan" else await self.answer(scope["path"])
        await answer(scope, receive, send)

    async def answer(self, path: str) -> ASGIApp:
        """The application, or what answers in its place."""
        now, is_api = time.monotonic(), path.startswith("/api/")
        if FAULT == "hangs":
            await asyncio.Event().wait()
        if now < self.ready_at:
            return report("starting")
        if FAULT == "slow" and is_api:
            await asyncio.sleep(2)
        if FAULT == "sick" and path == "/health":
            self.sick_at = min(self.sick_at, now + 5)
        self.api_requests += is_api
        is_unlucky = is_api and (FAULT == "broken" or (FAULT == "errors" and self.api_requests % 50 == 0))
        return JSONResponse({"detail": f"fault: {FAULT}"}, 500) if is_unlucky or now > self.sick_at else self.app
