"""gRPC in plain on port 9000, health by HTTP/1.1 on port 8000. Told to end, it takes no new call and lets those that run end."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc

RELEASE = os.environ["RELEASE"]
# Longer than any stop_grace_period.
GRACE_SECONDS = 3600


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"status": "ok", "version": RELEASE}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


def hello(request: bytes, _: Any) -> bytes:
    return RELEASE.encode()


def follow(request: bytes, _: Any) -> Iterator[bytes]:
    """As many messages as asked for, one a second."""
    for _number in range(int(request)):
        yield RELEASE.encode()
        time.sleep(1)


class Greeter(grpc.GenericRpcHandler):  # type: ignore[misc]
    def service(self, called: Any) -> Any:
        known = {
            "/greet.Greeter/Hello": grpc.unary_unary_rpc_method_handler(hello),
            "/greet.Greeter/Follow": grpc.unary_stream_rpc_method_handler(follow),
        }
        return known.get(called.method)


def main() -> None:
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    health = ThreadingHTTPServer(("", 8000), Health)
    threading.Thread(target=health.serve_forever, daemon=True).start()
    server = grpc.server(ThreadPoolExecutor(64))
    server.add_generic_rpc_handlers((Greeter(),))
    server.add_insecure_port("0.0.0.0:9000")
    server.start()
    over.wait()
    server.stop(GRACE_SECONDS).wait()


if __name__ == "__main__":
    main()
