"""The Postgres database: a pool that outlives the server's restarts, and one question about its health."""

import asyncio
import logging
import os
from typing import Any, LiteralString

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

# Connection errors may quote parts of the URL, the password among them; /health names their class.
logging.getLogger("psycopg.pool").disabled = True

URL = os.environ["DATABASE_URL"]
# Without client_encoding a SQL_ASCII database would answer in bytes.
OPTIONS: dict[str, Any] = {"autocommit": True, "client_encoding": "utf8", "connect_timeout": 2, "tcp_user_timeout": 5000}


# Of this replica, as the inventory says it for the environment (stack.pools).
POOL_SIZE = int(os.environ.get("DATABASE_POOL_SIZE", "4"))


class Database:
    def __init__(self) -> None:
        options = {**OPTIONS, "row_factory": dict_row}
        check = AsyncConnectionPool.check_connection
        # The short reconnect_timeout keeps the pool's back-off from sleeping on when the server is back.
        self.pool: AsyncConnectionPool[psycopg.AsyncConnection[DictRow]] = AsyncConnectionPool(
            URL,
            kwargs=options,
            min_size=min(POOL_SIZE, 4),
            max_size=POOL_SIZE,
            open=False,
            check=check,
            timeout=5,
            reconnect_timeout=2,
        )

    async def rows(self, query: LiteralString, *parameters: object) -> list[dict[str, Any]]:
        async with self.pool.connection() as connection:
            return await (await connection.execute(query, parameters)).fetchall()

    async def probe(self) -> tuple[str, str | None]:
        """The state of the database, and the head of its schema ledger if it has one, within 1.5 s."""
        question = asyncio.create_task(self.ask())
        # Not wait_for: psycopg obeys a cancellation only when the server answers it.
        answered, _ = await asyncio.wait({question}, timeout=1.5)
        return question.result() if answered else ("down: TimeoutError", None)

    async def ask(self) -> tuple[str, str | None]:
        try:
            rows = await self.rows("select max(version) as head from supabase_migrations.schema_migrations")
        except psycopg.errors.UndefinedTable:
            return "ok", None
        except psycopg.Error as error:
            return f"down: {type(error).__name__}", None
        return "ok", rows[0]["head"]
