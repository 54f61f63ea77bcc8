"""Stands in for every program of the strangers' projects.

All web services answer with their release, and with what they echo. What is kept goes where the real one keeps it: a vote into
the cache and from there, by the worker, into the database; an order into the database; a letter's picture into the uploads, too.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import redis

ROLE, RELEASE = os.environ["ROLE"], os.environ["RELEASE"]
PORTS = {"ballot": 80, "tally": 80, "front": 80, "adminer": 8080, "api": 8000, "letters": 9000}
UPLOADS = Path("/letters/uploads")
VOTES, COUNTED = "votes", "being-counted"
TABLE = "create table if not exists kept (word text primary key)"
INSERT = "insert into kept values (%s) on conflict do nothing"


def database() -> psycopg.Connection:
    """As each of the real ones has it: written into the program, composed by Compose, or put together from variables."""
    if ROLE in ("ballot", "tally", "counter"):
        return psycopg.connect("host=database user=ballots password=ballots-password dbname=ballots", connect_timeout=3)
    if ROLE == "letters":
        names = {"host": "host", "port": "port", "user": "user", "password": "password", "database": "dbname"}
        given = {name: os.environ[f"LETTERS_db__{key}"] for key, name in names.items()}
        return psycopg.connect(**given, connect_timeout=3)
    return psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=3)


def cache() -> redis.Redis:
    return redis.Redis(host="cache", decode_responses=True, socket_timeout=3)


def keep(word: str) -> dict[str, object]:
    if ROLE == "ballot":
        cache().rpush(VOTES, word)
        return {}
    if ROLE == "letters":
        UPLOADS.joinpath(word).write_text(word)
    with database() as connection:
        connection.execute(INSERT, (word,))
    return {}


def kept() -> dict[str, object]:
    with database() as connection:
        words = {str(row[0]) for row in connection.execute("select word from kept")}
    return {"kept": sorted(words & {path.name for path in UPLOADS.iterdir()} if ROLE == "letters" else words)}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = parse_qs(url.query)
        if url.path == "/digest":
            value = os.environ.get(asked["name"][0], "")
            self._answer({"sha256": hashlib.sha256(value.encode()).hexdigest()})
        elif url.path == "/kept":
            self._careful(kept)
        else:
            time.sleep(float(asked.get("seconds", ["0"])[0]))
            self._answer({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if urlsplit(self.path).path == "/keep":
            self._careful(lambda: keep(body.decode()))
        else:
            self._answer({"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)})

    def _careful(self, do: Callable[[], dict[str, object]]) -> None:
        try:
            found = do()
        except (psycopg.Error, redis.RedisError, OSError) as exc:
            self._answer({"error": f"{exc}"}, 503)
        else:
            self._answer(found)

    def _answer(self, more: dict[str, object], status: int = 200) -> None:
        body = json.dumps({"release": f"{ROLE}-{RELEASE}", "replica": socket.gethostname(), **more}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nobody reads it."""


class Server(ThreadingHTTPServer):
    request_queue_size = 128


def serve() -> None:
    server = Server(("", PORTS[ROLE]), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()


def count() -> None:
    """Take votes out of the cache; one is gone from there when it is in the database."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    while not over.is_set():
        try:
            count_once(over)
        except (psycopg.Error, redis.RedisError) as exc:
            print(f"not counted: {exc}", flush=True)
            over.wait(0.5)


def count_once(over: threading.Event) -> None:
    votes = cache()
    with database() as connection:
        connection.execute(TABLE)
        connection.commit()
        while not over.is_set():
            left = votes.lrange(COUNTED, 0, -1)
            vote = left[0] if left else votes.blmove(VOTES, COUNTED, 1)
            if vote:
                connection.execute(INSERT, (vote,))
                connection.commit()
                votes.lrem(COUNTED, 1, vote)


def make_tables() -> None:
    with database() as connection:
        connection.execute(TABLE)
        connection.execute("create table if not exists run (release text)")
        connection.execute("insert into run values (%s)", (RELEASE,))


def prestart() -> None:
    """Wait for the database, as the real one does, and bring it up to date."""
    for _ in range(60):
        try:
            make_tables()
        except psycopg.OperationalError as exc:
            print(f"the database is not there: {exc}", flush=True)
            time.sleep(1)
        else:
            return
    sys.exit(1)


if __name__ == "__main__":
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    if first == "prestart":
        prestart()
    elif first == "--install":
        make_tables()
    elif first != "--upgrade":
        count() if ROLE == "counter" else serve()
