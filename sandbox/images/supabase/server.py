"""Supabase, as its published APIs describe it: the Management API, and for each project auth and storage.

SUPABASE_WORLD is a JSON object: organization, projects (reference -> name, url, database, keys, jwt_secret), tokens of the
Management API (token -> references of projects, null for an account-wide one). Databases of branches are made and destroyed with
them where branches says it (host: the name where they listen; directory); else they are those of spare (logins of databases that
are there), each after branch_seconds.

Whoever comes to <reference>.supabase.co meets the project; to any other name, the Management API below /v1/, and projects below
/<reference>/. GET /<reference>/mails lists what the auth service would have sent, GET /log what reached the Management API and
whose token it was, POST /drift {"ref", "section", "values"} changes settings as a person would by hand, and POST /clock
{"at"} says when it is, in seconds since 1970: Supabase has none of the four.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from sandbox.images.supabase import auth, management, storage
    from sandbox.images.supabase.state import LOCK, TOLD, RefusedError, World
else:
    # In its image the files lie side by side.
    import auth
    import management
    import storage
    from state import LOCK, TOLD, RefusedError, World

WORLD = World.of(json.loads(os.environ["SUPABASE_WORLD"]))
LOG: list[dict[str, Any]] = []
_ALLOWED = "authorization, apikey, content-type, x-client-info, x-supabase-api-version, x-upsert"


class Supabase(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def do_OPTIONS(self) -> None:
        """Browsers ask before they send a token to another origin."""
        self._answer(204, None)

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            with LOCK:
                status, body = self._routed(raw)
        except RefusedError as error:
            status, body = error.status, error.body
        except (KeyError, TypeError, ValueError) as error:
            status, body = 400, {"message": f"invalid request: {type(error).__name__}"}
        self._answer(status, body)

    def _routed(self, raw: bytes) -> tuple[int, Any]:
        url = urlsplit(self.path)
        path, query = unquote(url.path), dict(parse_qsl(url.query))
        host = re.fullmatch(r"([a-z]{20})\.supabase\.co(:\d+)?", self.headers.get("Host") or "")
        if host:
            path = f"/{host[1]}{path}"
        bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if path == "/log":
            return 200, LOG
        if path == "/drift":
            given = json.loads(raw)
            WORLD.projects[given["ref"]].settings[given["section"]].update(given["values"])
            return 200, {}
        if path == "/clock":
            TOLD.append(float(json.loads(raw)["at"]))
            return 200, {}
        if path.startswith("/v1/"):
            return self._managed(path, bearer, {**query, **json.loads(raw or b"{}")})
        return self._of_project(path, query, bearer, raw)

    def _managed(self, path: str, token: str, body: Any) -> tuple[int, Any]:
        line = {"method": self.command, "path": path, "token": hashlib.sha256(token.encode()).hexdigest()[:16], "status": 0}
        LOG.append(line)
        try:
            status, found = management.answer(WORLD, self.command, path, token, body)
        except RefusedError as error:
            line["status"] = error.status
            raise
        line["status"] = status
        return status, found

    def _of_project(self, path: str, query: dict[str, str], bearer: str, raw: bytes) -> tuple[int, Any]:
        parts = re.fullmatch(r"/(?P<ref>[a-z]{20})/(?P<service>auth/v1|storage/v1|mails)(?P<rest>/.*)?", path)
        project = WORLD.projects.get(parts["ref"]) if parts else None
        if project is None or parts is None:
            raise RefusedError(404, "not found")
        if parts["service"] == "mails":
            return 200, project.mails
        key = self.headers.get("apikey") or bearer
        if parts["service"] == "auth/v1":
            body = json.loads(raw or b"{}")
            return auth.answer(project, self.command, parts["rest"] or "/", query, key, bearer, body)
        role = project.role_of(bearer) or project.role_of(key)
        kind, replaces = self.headers.get("Content-Type") or "", self.headers.get("x-upsert") == "true"
        return storage.answer(project, self.command, parts["rest"] or "/", role, raw, kind, replaces=replaces)

    def _answer(self, status: int, body: Any) -> None:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        if status == 303:
            self.send_header("Location", str(body))
        self.send_header("Content-Type", body.type if isinstance(body, storage.Raw) else "application/json")
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", _ALLOWED)
        self.send_header("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:
        """GET /log says more."""


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


def main() -> None:
    server = Server((os.environ.get("SUPABASE_ADDRESS", ""), int(os.environ.get("SUPABASE_PORT", "80"))), Supabase)
    print(server.server_address[1], flush=True)
    # Databases of branches end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        server.serve_forever()
    finally:
        WORLD.databases.end()


if __name__ == "__main__":
    main()
