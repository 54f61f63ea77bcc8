"""One call through the gateway: reserve, send, settle; and what is done when that does not go well."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID, uuid4

import httpx
from starlette.responses import Response, StreamingResponse

from .books import Books
from .config import CAPS, Config, Endpoint
from .provider import NOT_SENT, Provider, has_ended
from .refusal import DOWN, WHY_REFUSED, RefusedError

JOB: LiteralString = "select id, endpoint, pin, at from ml_gateway.calls where job = %s order by at desc limit 1"
KEPT_HEADERS = ("content-type", "cache-control")
# What another endpoint may be able to do, and what is "over" in the sense of limits.over.
MAY_FALL_BACK = ("provider_unreachable", "provider_failed", "provider_busy", "concurrency", "money_per_day", "money_per_month")
OVER = ("requests_per_minute", "concurrency", *CAPS)


class Calls:
    def __init__(self, config: Config, books: Books, provider: Provider) -> None:
        self.config, self.books, self.provider = config, books, provider

    async def start(self, operation: str, name: str, body: dict[str, Any], caller: str, seconds: float, *tried: str) -> Response:
        """Start a job at the endpoint, or where it falls back to; at most once at each."""
        endpoint = await self.endpoint(name)
        try:
            return await self.reserved(operation, endpoint, body, caller, seconds)
        except WHY_REFUSED as error:
            refusal, fallback, tried = RefusedError.of(error), endpoint.fallback, (*tried, endpoint.name)
            refusal.endpoint = endpoint.name
            if fallback is None or fallback.partition("@")[0] in tried or refusal.reason not in MAY_FALL_BACK:
                raise refusal from None
            self.books.counts["refused_total", endpoint.name, refusal.reason, ""] += 1
        answer = await self.start(operation, fallback, body, caller, seconds, *tried)
        answer.headers["x-ml-fallback-from"] = endpoint.name
        return answer

    async def reserved(self, operation: str, endpoint: Endpoint, body: dict[str, Any], caller: str, seconds: float) -> Response:
        call, until = uuid4(), None
        try:
            verdict, until = await self.books.reserve(call, caller, endpoint)
        except DOWN:
            # What costs nothing needs no books.
            verdict = self.books.seen.mode
            if endpoint.most and verdict == "live":
                raise
        if verdict == "granted":
            return await self.send(operation, endpoint, body, call, seconds)
        if verdict in ("live", "mock") or (verdict in OVER and self.config.over == "mock"):
            if not self.config.has_mock:
                raise RefusedError("mode_mock")
            # Nothing counts what the mock answers.
            return self.passed_on(await self.provider.submit(operation, mock(endpoint), body, call), mock(endpoint))
        raise RefusedError("mode_off" if verdict == "off" else verdict, until)

    async def send(self, operation: str, endpoint: Endpoint, body: dict[str, Any], call: UUID, seconds: float) -> Response:
        at = datetime.now(UTC)
        try:
            answer = await self.provider.submit(operation, endpoint, body, call)
        except NOT_SENT:
            self.books.write(lambda: self.books.settle(call, None, "released"))
            raise
        except httpx.HTTPError as error:
            raise RefusedError("provider_failed", provider=type(error).__name__) from None
        if answer.status_code >= 500:
            raise RefusedError("provider_failed", provider=f"HTTP {answer.status_code}")
        if answer.status_code >= 400:
            # It reached the provider, so it counts as a request. It was refused, so it cost nothing.
            self.books.write(lambda: self.books.settle(call, None, "settled", Decimal(0)))
            if answer.status_code in (401, 403, 429):
                raise RefusedError("provider_busy" if answer.status_code == 429 else "provider_refused_key")
            return self.passed_on(answer, endpoint)
        job = await self.provider.note(call, endpoint, answer, at)
        if operation == "runsync" and job and not has_ended(answer):
            later = await self.provider.follow(endpoint, job, seconds - (datetime.now(UTC) - at).total_seconds())
            if later is not None:
                await self.provider.note(call, endpoint, later, at)
                answer = later
        return self.passed_on(answer, endpoint)

    async def about(self, method: str, name: str, operation: str, job: str = "") -> Response:
        """Ask about a job where it was started, or about the endpoint. This costs nothing, so no mode and no cap stops it."""
        endpoint, row = await self.job(name, job) if job else (await self.endpoint(name), None)
        answer = await self.provider.ask(method, endpoint, f"{operation}/{job}".rstrip("/"))
        if row and answer.status_code == 200 and operation == "status":
            await self.provider.note(row["id"], endpoint, answer, row["at"])
        return self.passed_on(answer, endpoint)

    async def stream(self, name: str, job: str) -> Response:
        """Hand on each part when it comes."""
        endpoint, _ = await self.job(name, job)
        request = self.provider.request("GET", endpoint, f"stream/{job}", endpoint.timeout_seconds)
        answer = await self.provider.client.send(request, stream=True)

        async def parts() -> AsyncIterator[bytes]:
            try:
                async for part in answer.aiter_raw():
                    yield part
            finally:
                await answer.aclose()

        return StreamingResponse(parts(), answer.status_code, self.headers(answer, endpoint))

    async def job(self, name: str, job: str) -> tuple[Endpoint, dict[str, Any] | None]:
        """Where a job runs, and its call. One that is not in the books can only be the mock's."""
        endpoint = await self.endpoint(name)
        try:
            rows = await self.books.rows(JOB, job)
            if rows:
                return await self.books.endpoint(f"{rows[0]['endpoint']}@{rows[0]['pin']}") or endpoint, rows[0]
        except DOWN:
            return endpoint, None
        if not self.config.has_mock:
            raise RefusedError("unknown_job")
        return mock(endpoint), None

    async def endpoint(self, name: str) -> Endpoint:
        found = await self.books.endpoint(name)
        if found is None:
            known = sorted(self.config.endpoints)
            raise RefusedError("unknown_pin" if name.partition("@")[0] in known else "unknown_endpoint", known=known)
        return found

    def passed_on(self, answer: httpx.Response, endpoint: Endpoint) -> Response:
        return Response(answer.content, answer.status_code, self.headers(answer, endpoint))

    def headers(self, answer: httpx.Response, endpoint: Endpoint) -> dict[str, str]:
        self.books.counts["answered_total", endpoint.name, endpoint.provider, ""] += 1
        kept = {name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers}
        told = {name: getattr(endpoint, name) for name in ("provider", "model", "pin")}
        return {**kept, "x-ml-endpoint": endpoint.name, **{f"x-ml-{name}": value for name, value in told.items()}}


def mock(endpoint: Endpoint) -> Endpoint:
    """What stands in for an endpoint."""
    return replace(endpoint, id=endpoint.name, provider="mock", model="mock", pin="")
