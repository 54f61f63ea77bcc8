"""The ML gateway: stands between applications and the provider, and lets nothing pass that the books have not paid for."""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from .books import Books
from .calls import Calls
from .config import CAPS, key, read
from .metrics import text
from .provider import Provider, mapping
from .refusal import WHY_REFUSED, RefusedError

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
    operation, name, began = request.path_params["operation"], request.path_params["endpoint"], time.monotonic()
    if operation not in LARGEST:
        return await not_let_through(request)
    body, wait = await read_body(request, LARGEST[operation]), request.query_params.get("wait", WAIT_MILLISECONDS)
    if not wait.isdecimal() or "input" not in body:
        raise RefusedError("bad_request")
    caller = request.headers.get("x-ml-caller") or (request.client.host if request.client else "")
    wait_seconds = min(int(wait), LONGEST_WAIT_MILLISECONDS) / 1000
    answer = await calls.start(operation, name, body, caller[:100], wait_seconds)
    books.counts.took(answer.headers["x-ml-endpoint"], operation, time.monotonic() - began)
    return answer


async def read_body(request: Request, most: int) -> dict[str, Any]:
    raw = bytearray()
    async for part in request.stream():
        raw += part
        if len(raw) > most:
            raise RefusedError("too_large", limit=most)
    return mapping(raw)


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
    return await calls.about("GET", request.path_params["endpoint"], "health")


async def not_let_through(_: Request) -> Response:
    raise RefusedError("not_let_through", let_through=[*LARGEST, *ABOUT, "health"])


async def refused(request: Request, error: Exception) -> JSONResponse:
    refusal = RefusedError.of(error)
    refusal.endpoint = refusal.endpoint or request.path_params.get("endpoint")
    # A name that is not configured is anybody's, and no label.
    name = (refusal.endpoint or "").partition("@")[0]
    books.counts["refused_total", name if name in config.endpoints else "", refusal.reason, ""] += 1
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


async def show_metrics(request: Request) -> Response:
    """To who asks from within the container. Prometheus learns of it by the books; applications have no need to."""
    if not request.client or request.client.host != "127.0.0.1":
        return await not_let_through(request)
    used, limits = books.seen.used, config.limits
    near = {name: used.get(name, 0) >= limits[name] * config.warn_at for name in CAPS if name in limits}
    told = {"used": used, "limit": limits, "warning": near}
    gauges = {kind: {f'limit="{name}"': float(value) for name, value in each.items()} for kind, each in told.items()}
    gauges["mode"] = {f'mode="{mode}"': float(books.seen.mode == mode) for mode in ("live", "mock", "off")}
    gauges["database_up"] = {"": float(books.seen.is_up)}
    return PlainTextResponse(text(books.counts, gauges))


ROUTES = [
    Route("/health", health),
    Route("/metrics", show_metrics),
    Route("/v2/{endpoint}/health", endpoint_health),
    Route("/v2/{endpoint}/{operation}", start, methods=["POST"]),
    Route("/v2/{endpoint}/{operation}/{job}", about, methods=["GET", "POST"]),
    Route("/v2/{rest:path}", not_let_through, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
]
app = Starlette(routes=ROUTES, lifespan=lifespan, exception_handlers=dict.fromkeys(WHY_REFUSED, refused))
