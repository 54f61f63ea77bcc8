"""The ML gateway: stands between applications and the provider, and lets nothing pass that the books have not paid for."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from . import metrics
from .books import Books
from .calls import Calls
from .config import key, read
from .provider import Provider
from .refusal import RefusedError

# What may pass: what starts a job, with the provider's largest body, and what is asked about one, with its methods.
LARGEST = {"run": 10_000_000, "runsync": 20_000_000}
ABOUT = {"status": ("GET", "POST"), "stream": ("GET", "POST"), "cancel": ("POST",)}
WAIT_MILLISECONDS, LONGEST_WAIT_MILLISECONDS = "90000", 300_000
config = read()
books = Books(config)
provider = Provider(config, key(), books)
calls = Calls(config, books, provider)


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    async with provider.client:
        await books.pool.open()
        work = [asyncio.create_task(job) for job in (books.watch(), provider.look_after())]
        yield
        for task in work:
            task.cancel()
        # What is known of calls that have ended gets into the books, if the database is there.
        if books.later:
            await asyncio.wait(books.later, timeout=3)
        await books.pool.close(timeout=1)


async def start(request: Request) -> Response:
    operation, wait = request.path_params["operation"], request.query_params.get("wait", WAIT_MILLISECONDS)
    if operation not in LARGEST:
        return await not_let_through(request)
    body = await read_body(request, LARGEST[operation])
    if not wait.isdecimal() or "input" not in body:
        raise RefusedError("bad_request")
    caller = request.headers.get("x-ml-caller") or (request.client.host if request.client else "")
    wait_seconds = min(int(wait), LONGEST_WAIT_MILLISECONDS) / 1000
    return await calls.start(operation, request.path_params["endpoint"], body, caller[:100], wait_seconds)


async def read_body(request: Request, most: int) -> dict[str, Any]:
    raw = bytearray()
    async for part in request.stream():
        raw += part
        if len(raw) > most:
            raise RefusedError("too_large", limit=most)
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    return body if isinstance(body, dict) else {}


async def about(request: Request) -> Response:
    operation, name, job = (request.path_params[part] for part in ("operation", "endpoint", "job"))
    if request.method not in ABOUT.get(operation, ()):
        return await not_let_through(request)
    if not re.fullmatch(r"[\w-]+", job, re.ASCII):
        raise RefusedError("unknown_job")
    if operation == "stream":
        return await calls.stream(name, job)
    return await calls.about("POST" if operation == "cancel" else "GET", name, operation, job)


async def endpoint_health(request: Request) -> Response:
    return await calls.health(request.path_params["endpoint"])


async def not_let_through(_: Request) -> Response:
    raise RefusedError("not_let_through", let_through=[*LARGEST, *ABOUT, "health"])


async def refused(request: Request, refusal: Exception) -> JSONResponse:
    assert isinstance(refusal, RefusedError)
    refusal.endpoint = refusal.endpoint or request.path_params.get("endpoint")
    # A name that is not configured is anybody's, and no label.
    name = (refusal.endpoint or "").partition("@")[0]
    calls.refused[name if name in config.endpoints else "", refusal.reason] += 1
    return refusal.answer(config)


async def health(_: Request) -> JSONResponse:
    is_ok = books.seen.is_up or not config.costs_money
    body = {
        "status": "ok" if is_ok else "unhealthy",
        "version": os.environ.get("RELEASE", "0.0.0-dev"),
        "environment": config.environment,
        "tier": config.tier,
        "mode": books.seen.mode,
        "dependencies": {"database": "ok" if books.seen.is_up else "down"},
    }
    return JSONResponse(body, 200 if is_ok else 503)


async def show_metrics(_: Request) -> PlainTextResponse:
    return PlainTextResponse(metrics.text(config, books, calls))


ROUTES = [
    Route("/health", health),
    Route("/metrics", show_metrics),
    Route("/v2/{endpoint}/health", endpoint_health),
    Route("/v2/{endpoint}/{operation}", start, methods=["POST"]),
    Route("/v2/{endpoint}/{operation}/{job}", about, methods=["GET", "POST"]),
    Route("/v2/{rest:path}", not_let_through, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
]
app = Starlette(routes=ROUTES, lifespan=lifespan, exception_handlers={RefusedError: refused})
