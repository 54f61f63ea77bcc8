"""A webhook receiver: keeps what is posted, as one JSON line each, and gives it back on GET; DELETE forgets it.

Any path is a mailbox of its own: POST /a/b is read back by GET /a/b, and GET / reads all of them.
"""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ALERTS = Path("/var/lib/alerts.jsonl")
LOCK = threading.Lock()


class AlertSink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode(errors="replace")
        try:
            body: object = json.loads(raw)
        except ValueError:
            body = raw
        alert = {"at": datetime.now(UTC).isoformat(), "from": self.client_address[0], "path": self.path, "body": body}
        with LOCK, ALERTS.open("a") as file:
            file.write(json.dumps(alert) + "\n")
        self._answer(202, b'{"accepted": true}\n')

    def do_GET(self) -> None:
        with LOCK:
            lines = ALERTS.read_text().splitlines(keepends=True) if ALERTS.exists() else []
        mine = [line for line in lines if self.path == "/" or json.loads(line)["path"] == self.path]
        self._answer(200, "".join(mine).encode())

    def do_DELETE(self) -> None:
        with LOCK:
            ALERTS.unlink(missing_ok=True)
        self._answer(200, b'{"forgotten": true}\n')

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("", 80), AlertSink).serve_forever()
