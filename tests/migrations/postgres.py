"""Databases of a Postgres cluster of the tests' own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2  # type: ignore[import-untyped,unused-ignore] # the stubs are not needed here

from tests.postgres import server

# Nothing here takes as long on a machine that has something else to do.
PATIENCE_SECONDS = 600.0


@dataclass(frozen=True)
class Database:
    """One database of the cluster."""

    port: int
    name: str

    @property
    def url(self) -> str:
        return f"postgresql://postgres:canary@127.0.0.1:{self.port}/{self.name}"

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """In a transaction of its own."""
        with self.session() as session:
            session.execute(query, parameters or None)
            return list(session.fetchall()) if session.description else []

    def value(self, query: str, *parameters: object) -> Any:
        return self.rows(query, *parameters)[0][0]

    @contextmanager
    def session(self) -> Iterator[Any]:
        """A cursor that commits each statement."""
        connection = psycopg2.connect(self.url)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def until(self, query: str, *parameters: object) -> None:
        """Wait for the query's value to be true."""
        with self.session() as session:

            def is_true() -> bool:
                session.execute(query, parameters or None)
                return bool(session.fetchone()[0])

            eventually(is_true, query)


class Cluster:
    def __init__(self, port: int) -> None:
        self.port, self.made = port, 0

    @contextmanager
    def database(self) -> Iterator[Database]:
        self.made += 1
        database, own = Database(self.port, f"shop_{self.made}"), Database(self.port, "postgres")
        own.rows(f'create database "{database.name}"')
        try:
            yield database
        finally:
            own.rows(f'drop database "{database.name}" with (force)')


@contextmanager
def cluster(*settings: str) -> Iterator[Cluster]:
    """See tests/postgres.py."""
    with server("postgres", "fsync=off", *settings) as port:
        yield Cluster(port)


def eventually(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(0.02)
