"""What a service logs: lines of JSON on standard output, each with the request that it is about, and without secrets.

`uvicorn logs:app` serves app.main:app and logs its requests. Who calls another service takes the request's id along (`hand_on`).
"""

import json
import logging
import os
import re
import socket
import sys
import time
import uuid
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "x-request-id"
WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{8,64}")
# Asked again and again by programs; a good answer is no news.
DULL = ("/health", "/healthz", "/metrics")
ABOUT = {
    "service": os.environ.get("SERVICE", ""),
    "environment": os.environ.get("APP_ENVIRONMENT", "development"),
    "release": os.environ.get("RELEASE", "0.0.0-dev"),
    "replica": socket.gethostname(),
}
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
# A file that may change while this runs: debug, info, warning or error.
LEVEL_FILE = os.environ.get("LOG_LEVEL_FILE", "")
LOOKS_EVERY_SECONDS = 1.0
SECRET = re.compile(r"(?i)pass|secret|token|key|credential|private")
SHORTEST_SECRET = 8
SECRETS = Path("/run/secrets")
request_id: ContextVar[str] = ContextVar("request_id", default="")
log = logging.getLogger("requests")


def known_secrets() -> list[str]:
    """What this process has been given to keep to itself, the longest first."""
    found = {value for name, value in os.environ.items() if SECRET.search(name)}
    found |= {password for value in os.environ.values() if (password := password_of(value))}
    found |= {unquote(one) for one in found}
    if SECRETS.is_dir():
        found |= {path.read_text(errors="replace").strip() for path in SECRETS.iterdir() if os.access(path, os.R_OK)}
    return sorted((one for one in found if len(one) >= SHORTEST_SECRET), key=len, reverse=True)


def password_of(value: str) -> str:
    try:
        return urlsplit(value).password or ""
    except ValueError:
        return ""


class Lines(logging.Formatter):
    def __init__(self) -> None:
        super().__init__()
        self.secrets = known_secrets()

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        line = {"time": at, "level": record.levelname.lower(), **ABOUT, "request_id": request_id.get()}
        line |= {"logger": record.name, "message": record.getMessage(), **getattr(record, "details", {})}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps({name: self.scrubbed(value) for name, value in line.items()})

    def scrubbed(self, value: object) -> object:
        if isinstance(value, str):
            for secret in self.secrets:
                value = value.replace(secret, "***")
        return value


class Level(logging.Filter):
    """Lets pass what is at least as grave as the file says, else LOG_LEVEL. A word that is no level changes nothing."""

    def __init__(self, file: str = LEVEL_FILE) -> None:
        super().__init__()
        self.file = file
        self.least = LEVELS.get(os.environ.get("LOG_LEVEL", "info"), logging.INFO)
        self.look_at = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        if self.file and time.monotonic() >= self.look_at:
            self.look_at = time.monotonic() + LOOKS_EVERY_SECONDS
            self.least = LEVELS.get(self.word(), self.least)
        return record.levelno >= self.least

    def word(self) -> str:
        try:
            return Path(self.file).read_text()[:20].strip()
        except (OSError, ValueError):
            return ""


def begin() -> None:
    """All loggers of this process, uvicorn's too, write such lines. What cannot be written is not worth an answer."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Lines())
    handler.addFilter(Level())
    logging.raiseExceptions = False
    logging.basicConfig(handlers=[handler], level=logging.DEBUG, force=True)
    # uvicorn's own lines about requests would have their queries.
    for name, is_ours in (("uvicorn", True), ("uvicorn.error", True), ("uvicorn.access", False)):
        logging.getLogger(name).handlers, logging.getLogger(name).propagate = [], is_ours
    # Each of their requests would be told at every level below warning.
    for name in ("httpx", "httpcore", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)


async def hand_on(request: Any) -> None:
    """For an httpx client: event_hooks={"request": [logs.hand_on]}."""
    if request_id.get():
        request.headers[HEADER] = request_id.get()


class Requests:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == HEADER.encode()]
        request_id.set(given[0] if len(given) == 1 and WELL_FORMED.fullmatch(given[0]) else str(uuid.uuid4()))
        status, began = 500 if scope["type"] == "http" else 101, time.monotonic()

        async def sending(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except Exception:
            log.exception("request failed", extra={"details": self.details(scope, status, began)})
            raise
        level = logging.DEBUG if scope["path"] in DULL and status < 500 else logging.INFO
        log.log(level, "request", extra={"details": self.details(scope, status, began)})

    def details(self, scope: Scope, status: int, began: float) -> dict[str, Any]:
        """Without the query, which may hold what is nobody else's business."""
        ms = round((time.monotonic() - began) * 1000)
        return {"method": scope.get("method", "WEBSOCKET"), "path": scope["path"], "status": status, "total_ms": ms}


def __getattr__(name: str) -> ASGIApp:
    """`app`, made when a server asks for it: whoever only hands ids on imports no application."""
    if name != "app":
        raise AttributeError(name)
    begin()
    from app.main import app

    return Requests(app)
