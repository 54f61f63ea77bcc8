"""The provider's side: RunPod's serverless API with its key, and what its answers mean for the books."""

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import logs

from .books import DUE, Books
from .config import SHORTEST_SECONDS, Config, Endpoint
from .refusal import DOWN

ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")
# So long a /runsync is held at the provider. Then its job's id is known, and any gateway can ask what became of it.
FIRST_WAIT = "?wait=1000"
ANSWER_SECONDS = 30
# It was not sent. All other errors leave open whether it arrived.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Provider:
    def __init__(self, config: Config, key: str, books: Books) -> None:
        self.config, self.key, self.books = config, key, books
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=200)
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        self.client = httpx.AsyncClient(headers=headers, limits=limits, event_hooks={"request": [logs.hand_on]})

    def request(self, method: str, endpoint: Endpoint, path: str, seconds: float = ANSWER_SECONDS, **more: Any) -> httpx.Request:
        """To the endpoint under the id that its provider knows. A mock is told the name, and no key."""
        is_mock, timeout = endpoint.provider == "mock", httpx.Timeout(seconds, connect=10, pool=10)
        url = f"{self.config.urls[endpoint.provider]}/{endpoint.name if is_mock else endpoint.id}/{path}"
        request = self.client.build_request(method, url, timeout=timeout, **more)
        if not is_mock:
            request.headers["authorization"] = f"Bearer {self.key}"
        return request

    async def submit(self, operation: str, endpoint: Endpoint, body: dict[str, Any], call: UUID) -> httpx.Response:
        """Start a job. The provider stops it when its time is over, whatever the caller asked for."""
        # A mock draws while it is asked.
        query, seconds = "", endpoint.timeout_seconds
        if endpoint.provider != "mock":
            body = {**body, "policy": bounded(body.get("policy"), endpoint.timeout_seconds)}
            query, seconds = FIRST_WAIT if operation == "runsync" else "", ANSWER_SECONDS
        # In ASCII, which carries whatever the caller's JSON held.
        content, headers = json.dumps(body).encode(), {"content-type": "application/json", "x-request-id": str(call)}
        request = self.request("POST", endpoint, operation + query, seconds, content=content, headers=headers)
        return await self.client.send(request)

    async def follow(self, endpoint: Endpoint, job: str, answer: httpx.Response, seconds: float) -> httpx.Response:
        """Ask for the job until it has ended or the time is over. The last good answer."""
        clock = asyncio.get_running_loop().time
        started = clock()
        while (left := started + seconds - clock()) > 0 and not has_ended(answer):
            await asyncio.sleep(min(left, 1.0, max(0.2, (clock() - started) / 10)))
            with suppress(httpx.HTTPError):
                found = await self.client.send(self.request("GET", endpoint, f"status/{job}"))
                answer = found if found.status_code == 200 else answer
        return answer

    async def note(self, call: UUID, endpoint: Endpoint, answer: httpx.Response, at: datetime) -> str | None:
        """Write what an answer says about a job: its id at once, since another gateway may be asked for it; its price in time."""
        said = mapping(answer.content, parse_float=Decimal)
        job = said["id"] if isinstance(said.get("id"), str) else None
        if said.get("status") in ENDED:
            cost = endpoint.price_per_request + endpoint.price_per_second * executed(said, endpoint, at)
            self.books.settle(call, job, "settled", cost)
        else:
            await asyncio.wait({self.books.settle(call, job, "open")}, timeout=2)
        return job

    async def look_after(self) -> None:
        """Settle what nobody waits for: jobs of /run, and calls whose gateway was killed."""
        while True:
            with suppress(*DOWN):
                for row in await self.books.rows(DUE):
                    with suppress(httpx.HTTPError):
                        await self.look_at(row)
            await asyncio.sleep(1)

    async def look_at(self, row: dict[str, Any]) -> None:
        endpoint, is_gone = await self.books.endpoint(f"{row['endpoint']}@{row['pin']}"), True
        if row["job"] and endpoint:
            answer = await self.client.send(self.request("GET", endpoint, f"status/{row['job']}"))
            is_gone = answer.status_code == 404
            if answer.status_code == 200 and has_ended(answer):
                await self.note(row["id"], endpoint, answer, row["at"])
        if is_gone and row["is_over"]:
            self.books.settle(row["id"], None, "unknown")


def bounded(policy: object, seconds: int) -> dict[str, Any]:
    """The execution policy with a time limit that the price of the reservation covers."""
    given = policy if isinstance(policy, dict) else {}
    asked, most = given.get("executionTimeout"), seconds * 1000
    is_time = isinstance(asked, int | float) and SHORTEST_SECONDS * 1000 <= asked <= most
    return {**given, "executionTimeout": asked if is_time else most}


def mapping(raw: bytes | bytearray, **how: Any) -> dict[str, Any]:
    """What a body says; nothing, if it is no JSON object."""
    try:
        said = json.loads(raw, **how)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def has_ended(answer: httpx.Response) -> bool:
    return mapping(answer.content).get("status") in ENDED


def executed(said: dict[str, Any], endpoint: Endpoint, at: datetime) -> Decimal:
    """The seconds that count. Where the provider does not say them, as many as there can have been."""
    milliseconds = said.get("executionTime")
    if isinstance(milliseconds, int | Decimal) and milliseconds >= 0:
        return Decimal(milliseconds) / 1000
    return min(Decimal(str(max(0.0, (datetime.now(UTC) - at).total_seconds()))), Decimal(endpoint.timeout_seconds))
