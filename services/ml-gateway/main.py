"""The ML gateway: stands between applications and the provider, and lets nothing pass that the books have not paid for."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from .calls import ask, books, config, provider, start
from .refusal import WHY_REFUSED, RefusedError


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    async with provider.client, books.pool:
        work = [asyncio.create_task(job) for job in (books.watch(), provider.look_after())]
        yield
        for task in work:
            task.cancel()
        # What is known of calls that have ended gets into the books, if the database is there.
        if books.later:
            await asyncio.wait(books.later, timeout=3)


async def refused(request: Request, error: Exception) -> JSONResponse:
    refusal = RefusedError.of(error, request.path_params.get("endpoint"))
    # A name that is not configured is anybody's, and no label.
    name = (refusal.endpoint or "").partition("@")[0]
    books.counts["refused_total", name if name in config.endpoints else "", refusal.reason, ""] += 1
    return refusal.answer(config)


async def not_let_through(request: Request, _: Exception) -> JSONResponse:
    return await refused(request, RefusedError("not_let_through", let_through=LET_THROUGH))


async def health(_: Request) -> JSONResponse:
    is_ok = books.is_up or not config.costs_money
    body = {
        "status": "ok" if is_ok else "unhealthy",
        "version": os.environ.get("RELEASE", "0.0.0-dev"),
        "environment": config.environment,
        "tier": config.tier,
        "mode": books.mode,
        "dependencies": {"database": "ok" if books.is_up else "down"},
    }
    return JSONResponse(body, 200 if is_ok else 503)


# All that may pass: what starts a job, with the provider's largest body, and what is asked about one or about the endpoint.
ROUTES = [
    Route("/health", health),
    Route("/v2/{endpoint}/run", partial(start, "run", 10_000_000), methods=["POST"]),
    Route("/v2/{endpoint}/runsync", partial(start, "runsync", 20_000_000), methods=["POST"]),
    Route("/v2/{endpoint}/status/{job}", partial(ask, "GET", "status"), methods=["GET", "POST"]),
    Route("/v2/{endpoint}/stream/{job}", partial(ask, "GET", "stream"), methods=["GET", "POST"]),
    Route("/v2/{endpoint}/cancel/{job}", partial(ask, "POST", "cancel"), methods=["POST"]),
    Route("/v2/{endpoint}/health", partial(ask, "GET", "health")),
]
LET_THROUGH = [route.path.split("/")[3] for route in ROUTES[1:]]
HANDLERS = {HTTPException: not_let_through, **dict.fromkeys(WHY_REFUSED, refused)}
app = Starlette(routes=ROUTES, lifespan=lifespan, exception_handlers=HANDLERS)
app.router.redirect_slashes = False
