"""A service of the shop, all of it: any path is answered by name and edition. Runs as `python3 -c <this file>` in a container.

Variables: SERVICE, EDITION; PORT; READY_SECONDS until it is healthy; HEALTH, "never" or "late" (good answers come first); MENU, a
file that each answer quotes; LEDGER, a directory that only one process at a time may have.
"""

import fcntl
import hashlib
import json
import os
import signal
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn
from urllib.parse import parse_qs, urlsplit

GOOD_ANSWERS_OF_LATE = 8
EDITION = os.environ["EDITION"]
HEALTH = os.environ.get("HEALTH", "")
READY_AT = time.monotonic() + float(os.environ.get("READY_SECONDS", "1"))
looks = iter(range(1, 1_000_000))


def name() -> str:
    menu = os.environ.get("MENU")
    return "/".join([os.environ["SERVICE"], EDITION, *([Path(menu).read_text().strip()] if menu else [])])


def is_well() -> bool:
    if HEALTH == "never" or time.monotonic() < READY_AT:
        return False
    return HEALTH != "late" or next(looks) <= GOOD_ANSWERS_OF_LATE


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/health":
            self.say(200 if is_well() else 503, {"edition": EDITION})
            return
        time.sleep(min(10.0, float(parse_qs(url.query).get("seconds", ["0"])[0])))
        self.say(200, {"release": name(), "replica": socket.gethostname()})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        digest = hashlib.sha256(body).hexdigest()
        self.say(200, {"release": name(), "replica": socket.gethostname(), "bytes": len(body), "sha256": digest})

    def say(self, status: int, body: dict[str, object]) -> None:
        data = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        self.wfile.write(head.encode() + data)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingMixIn, HTTPServer):
    """Ends when every request that it has accepted is answered."""

    request_queue_size = 1024
    daemon_threads = False


def take_ledger(directory: Path) -> int:
    """Keeps the directory for this process; when another has it already, that is written down for good."""
    lock = os.open(directory / "lock", os.O_CREAT | os.O_RDWR, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with (directory / "overlaps").open("a") as overlaps:
            overlaps.write(f"{name()} came while another was there\n")
        # Whoever comes later finds this one here.
        threading.Thread(target=fcntl.flock, args=(lock, fcntl.LOCK_EX), daemon=True).start()
    with (directory / "entries").open("a") as entries:
        entries.write(f"{name()}\n")
    return lock


if __name__ == "__main__":
    held = take_ledger(Path(os.environ["LEDGER"])) if "LEDGER" in os.environ else None
    server = Server(("", int(os.environ.get("PORT", "8000"))), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.05)
    server.server_close()
