"""One call through the gateway: reserve, send, settle; and what is done when that does not go well."""

import re
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID, uuid4

import httpx
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from .books import Books
from .config import CAPS, Endpoint, key, read
from .provider import ANSWER_SECONDS, NOT_SENT, Provider, has_ended, mapping
from .refusal import DOWN, WHY_REFUSED, RefusedError

JOB: LiteralString = "select id, endpoint, pin, at from ml_gateway.calls where job = %s order by at desc limit 1"
KEPT_HEADERS = ("content-type", "cache-control")
WAIT_MILLISECONDS, LONGEST_WAIT_MILLISECONDS = "90000", 300_000
# What another endpoint may be able to do, and what is "over" in the sense of limits.over.
MAY_FALL_BACK = ("provider_unreachable", "provider_failed", "provider_busy", "concurrency", "money_per_day", "money_per_month")
OVER = ("requests_per_minute", "concurrency", *CAPS)
REFUSED_BY_PROVIDER = {401: "provider_refused_key", 403: "provider_refused_key", 429: "provider_busy"}
config = read()
books = Books(config)
provider = Provider(config, key(), books)


async def start(operation: str, largest: int, request: Request) -> Response:
    """Start a job at the endpoint, or where it falls back to; at most once at each."""
    began, raw, wait = time.monotonic(), bytearray(), request.query_params.get("wait", WAIT_MILLISECONDS)
    async for part in request.stream():
        raw += part
        if len(raw) > largest:
            raise RefusedError("too_large", limit=largest)
    body, tried = mapping(raw), list[str]()
    if not wait.isdecimal() or "input" not in body:
        raise RefusedError("bad_request")
    seconds = min(int(wait), LONGEST_WAIT_MILLISECONDS) / 1000
    caller = request.headers.get("x-ml-caller") or (request.client.host if request.client else "")
    name: str | None = request.path_params["endpoint"]
    while name:
        endpoint = await known(name)
        tried.append(endpoint.name)
        name = endpoint.fallback
        try:
            answer = await reserved(operation, endpoint, body, caller[:100], seconds)
            break
        except WHY_REFUSED as error:
            refusal = RefusedError.of(error, endpoint.name)
            if not name or name.partition("@")[0] in tried or refusal.reason not in MAY_FALL_BACK:
                raise refusal from None
        books.counts["refused_total", endpoint.name, refusal.reason, ""] += 1
    if len(tried) > 1:
        answer.headers["x-ml-fallback-from"] = tried[0]
    books.took(endpoint.name, operation, time.monotonic() - began)
    return answer


async def reserved(operation: str, endpoint: Endpoint, body: dict[str, Any], caller: str, seconds: float) -> Response:
    call, until = uuid4(), None
    try:
        verdict, until = await books.reserve(call, caller, endpoint)
    except DOWN:
        # What costs nothing needs no books.
        verdict = books.mode
        if endpoint.most and verdict == "live":
            raise
    if verdict == "granted":
        return await send(operation, endpoint, body, call, seconds)
    if verdict in ("live", "mock") or (verdict in OVER and config.over == "mock"):
        if not config.has_mock:
            raise RefusedError("mode_mock")
        # Nothing counts what the mock answers.
        return passed_on(await provider.submit(operation, endpoint.mock(), body, call), endpoint.mock())
    raise RefusedError("mode_off" if verdict == "off" else verdict, until)


async def send(operation: str, endpoint: Endpoint, body: dict[str, Any], call: UUID, seconds: float) -> Response:
    at = datetime.now(UTC)
    try:
        answer = await provider.submit(operation, endpoint, body, call)
    except NOT_SENT:
        books.settle(call, None, "released")
        raise
    except httpx.HTTPError as error:
        raise RefusedError("provider_failed", provider=type(error).__name__) from None
    if answer.status_code >= 500:
        raise RefusedError("provider_failed", provider=f"HTTP {answer.status_code}")
    if answer.status_code >= 400:
        # It reached the provider, so it counts as a request. It was refused, so it cost nothing.
        books.settle(call, None, "settled", Decimal(0))
        if answer.status_code in REFUSED_BY_PROVIDER:
            raise RefusedError(REFUSED_BY_PROVIDER[answer.status_code])
        return passed_on(answer, endpoint)
    job = await provider.note(call, endpoint, answer, at)
    if operation == "runsync" and job and not has_ended(answer):
        answer = await provider.follow(endpoint, job, answer, seconds - (datetime.now(UTC) - at).total_seconds())
        await provider.note(call, endpoint, answer, at)
    return passed_on(answer, endpoint)


async def ask(method: str, operation: str, request: Request) -> Response:
    """Ask about a job where it was started, or about the endpoint. This costs nothing, so no mode and no cap stops it."""
    job, is_stream = request.path_params.get("job", ""), operation == "stream"
    endpoint, row = await where(request.path_params["endpoint"], job)
    seconds = endpoint.timeout_seconds if is_stream else ANSWER_SECONDS
    asked = provider.request(method, endpoint, f"{operation}/{job}".rstrip("/"), seconds)
    answer = await provider.client.send(asked, stream=is_stream)
    if row and answer.status_code == 200 and operation == "status":
        await provider.note(row["id"], endpoint, answer, row["at"])
    return passed_on(answer, endpoint)


async def where(name: str, job: str) -> tuple[Endpoint, dict[str, Any] | None]:
    """Where a job runs, and its call. One that is not in the books can only be the mock's."""
    endpoint = await known(name)
    if not job:
        return endpoint, None
    if re.fullmatch(r"[\w-]+", job, re.ASCII):
        try:
            for row in await books.rows(JOB, job):
                return await books.endpoint(f"{row['endpoint']}@{row['pin']}") or endpoint, row
        except DOWN:
            return endpoint, None
        if config.has_mock:
            return endpoint.mock(), None
    raise RefusedError("unknown_job")


async def known(name: str) -> Endpoint:
    found = await books.endpoint(name)
    if found is None:
        names = sorted(config.endpoints)
        raise RefusedError("unknown_pin" if name.partition("@")[0] in names else "unknown_endpoint", known=names)
    return found


def passed_on(answer: httpx.Response, endpoint: Endpoint) -> Response:
    """Of a stream each part when it comes."""
    books.counts["answered_total", endpoint.name, endpoint.provider, ""] += 1
    told = {"endpoint": endpoint.name, "provider": endpoint.provider, "model": endpoint.runs, "pin": endpoint.pin}
    headers = {name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers}
    headers |= {f"x-ml-{name}": value for name, value in told.items()}
    if answer.is_closed:
        return Response(answer.content, answer.status_code, headers)
    return StreamingResponse(answer.aiter_raw(), answer.status_code, headers, background=BackgroundTask(answer.aclose))
