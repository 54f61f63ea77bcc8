"""The books: every call is a row in the environment's Postgres before it leaves the gateway."""

import asyncio
import json
import logging
import os
from collections import defaultdict
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, LiteralString, cast
from uuid import UUID

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from .config import Config, Endpoint
from .refusal import DOWN

# Connection errors may quote parts of the URL, the password among them.
logging.getLogger("psycopg.pool").disabled = True

SCHEMA = cast(LiteralString, Path(__file__).with_name("books.sql").read_text())
LONGEST_WAIT_SECONDS = 60
BOUNDS = ("0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "60", "120", "300", "+Inf")
# No prepared statements: a pooler between gateway and database may not keep them.
OPTIONS: dict[str, Any] = {"autocommit": True, "client_encoding": "utf8", "connect_timeout": 2, "prepare_threshold": None}

RESERVE: LiteralString = "select * from ml_gateway.reserve_2(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
SETTLE: LiteralString = "select ml_gateway.settle_1(%s, %s, %s, %s) as is_known"
MODE: LiteralString = "select mode from ml_gateway.state"
KEEP: LiteralString = """
    insert into ml_gateway.pins (endpoint, pin, told) values (%s, %s, %s)
    on conflict (endpoint, pin) do update set told = excluded.told
"""
COUNT: LiteralString = """
    insert into ml_gateway.counted as here (metric, endpoint, label, le, value) values (%s, %s, %s, %s, %s)
    on conflict (metric, endpoint, label, le) do update set value = here.value + excluded.value
"""
PINNED: LiteralString = "select told from ml_gateway.pins where endpoint = %s and pin = %s"
# Each gateway takes its share; what another one looks at is passed over.
DUE: LiteralString = """
    update ml_gateway.calls c
    set look_at = clock_timestamp() + least(interval '30 seconds', greatest(interval '2 seconds', (clock_timestamp() - at) / 4))
    from (select id from ml_gateway.calls where state = 'open' and look_at < clock_timestamp()
        order by look_at limit 20 for update skip locked) due
    where c.id = due.id returning c.id, c.endpoint, c.pin, c.job, c.at, c.ends_by < clock_timestamp() as is_over
"""


class Books:
    def __init__(self, config: Config) -> None:
        # The mode as it was last read, half a second ago while the database answers.
        self.config, self.mode, self.is_up = config, "live", False
        # What has been answered and refused, and is not in the books yet: by metric, endpoint, label, and bound of a bucket.
        self.counts: defaultdict[tuple[str, str, str, str], float] = defaultdict(float)
        self.later: set[asyncio.Task[None]] = set()
        self.url, self.options = os.environ["DATABASE_URL"], {**OPTIONS, "tcp_user_timeout": 5000, "row_factory": dict_row}
        check = AsyncConnectionPool.check_connection
        self.pool: AsyncConnectionPool[psycopg.AsyncConnection[DictRow]] = AsyncConnectionPool(
            self.url, kwargs=self.options, min_size=2, max_size=8, open=False, check=check, reconnect_timeout=2
        )

    async def rows(self, query: LiteralString, *parameters: object) -> list[dict[str, Any]]:
        """Many calls at once wait for a connection; for a database that is down nobody waits."""
        for _ in range(LONGEST_WAIT_SECONDS):
            with suppress(PoolTimeout):
                async with self.pool.connection(timeout=1) as connection:
                    return await (await connection.execute(query, parameters)).fetchall()
            if not self.is_up:
                break
        raise PoolTimeout

    async def endpoint(self, name: str) -> Endpoint | None:
        """The endpoint of a name, or of <name>@<pin> as the configuration had it that first named the pin."""
        name, _, pin = name.partition("@")
        own = self.config.endpoints.get(name)
        if not pin or (own and own.pin == pin):
            return own
        for row in await self.rows(PINNED, name, pin):
            kept = Endpoint.model_validate({**row["told"], "name": name})
            return kept if self.config.lets_pass(kept) else None
        return None

    def took(self, endpoint: str, operation: str, seconds: float) -> None:
        for bound in BOUNDS:
            self.counts["seconds_bucket", endpoint, operation, bound] += seconds <= float(bound)

    async def reserve(self, call: UUID, caller: str, endpoint: Endpoint) -> tuple[str, datetime | None]:
        """What reserve_2 of books.sql says of a call. When it says "granted", that is durable."""
        told = (call, caller, endpoint.name, endpoint.provider, endpoint.runs, endpoint.pin, endpoint.most)
        limits = json.dumps(self.config.limits, default=str)
        try:
            # A minute more than it may run: so long it may wait for a worker without being given up.
            [row] = await self.rows(RESERVE, *told, endpoint.timeout_seconds + 60, endpoint.concurrency, limits)
        except DOWN:
            # The row may be there all the same. The call does not go out, so it is taken back as soon as that can be asked.
            self.settle(call, None, "released", tries=20)
            raise
        return row["verdict"], row["until"]

    def settle(
        self, call: UUID, job: str | None, state: str, cost: Decimal | None = None, tries: int = 720
    ) -> asyncio.Task[None]:
        """Write what became of a call for certain, now or when the database is there again. Who waits for it must not cancel."""

        async def trying() -> None:
            for number in range(tries):
                with suppress(*DOWN):
                    if (await self.rows(SETTLE, call, job, state, cost))[0]["is_known"]:
                        return
                await asyncio.sleep(min(5.0, 0.1 * 2**number))

        task = asyncio.create_task(trying())
        self.later.add(task)
        task.add_done_callback(self.later.discard)
        return task

    async def watch(self) -> None:
        """Make the tables, then keep up with the mode, by a connection of its own: calls that wait for one do not delay it."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self.url, **self.options) as connection:
                    # All of it is one transaction.
                    await connection.execute(SCHEMA)
                    told = [(each.name, each.pin, each.model_dump_json()) for each in self.config.endpoints.values()]
                    await connection.cursor().executemany(KEEP, told)
                    while True:
                        [state] = await (await connection.execute(MODE)).fetchall()
                        self.mode, self.is_up = state["mode"], True
                        await self.count(connection)
                        await asyncio.sleep(0.5)
            except DOWN:
                self.is_up = False
                await asyncio.sleep(0.1)

    async def count(self, connection: psycopg.AsyncConnection[DictRow]) -> None:
        """Add what is new to the environment's counts. What is not known to have arrived counts as added: none counts twice."""
        # In one order, so that no gateway waits for another that waits for it.
        new = sorted((*name, value) for name, value in self.counts.items() if value)
        self.counts.clear()
        if new:
            await connection.cursor().executemany(COUNT, new)
