"""Databases of a Postgres cluster of the tests' own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.postgres import server


@dataclass(frozen=True)
class Database:
    """One database of the cluster."""

    port: int
    name: str

    @property
    def url(self) -> str:
        return f"postgresql://gateway@127.0.0.1:{self.port}/{self.name}"

    def rows(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        return _ask(self.url, query, *parameters)

    def cut(self) -> int:
        """Cut every connection to it, as a network or a failover does. How many there were."""
        ours = "pid <> pg_backend_pid() and datname = %s"
        return len(_ask(self._other, f"select pg_terminate_backend(pid) from pg_stat_activity where {ours}", self.name))

    def go_down(self) -> None:
        _ask(self._other, f'alter database "{self.name}" allow_connections false')
        self.cut()

    def come_up(self) -> None:
        _ask(self._other, f'alter database "{self.name}" allow_connections true')

    @property
    def _other(self) -> str:
        return f"postgresql://gateway@127.0.0.1:{self.port}/postgres"


class Cluster:
    def __init__(self, port: int) -> None:
        self.port, self.made = port, 0

    @contextmanager
    def database(self) -> Iterator[Database]:
        self.made += 1
        database = Database(self.port, f"books_{self.made}")
        _ask(database._other, f'create database "{database.name}"')
        try:
            yield database
        finally:
            _ask(database._other, f'drop database "{database.name}" with (force)')


@contextmanager
def cluster(*settings: str) -> Iterator[Cluster]:
    """See tests/postgres.py."""
    with server("gateway", "max_connections=200", *settings) as port:
        yield Cluster(port)


def _ask(url: str, query: str, *parameters: object) -> list[dict[str, Any]]:
    with psycopg.connect(url, autocommit=True, row_factory=psycopg.rows.dict_row) as connection:
        cursor = connection.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []
