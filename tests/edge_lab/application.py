"""The server of toy applications behind a HAProxy."""

from __future__ import annotations

from http.server import ThreadingHTTPServer


class Application(ThreadingHTTPServer):
    """Python's own lets five connections wait, so on a busy machine the kernel drops those of users: no real server does."""

    daemon_threads = True
    request_queue_size = 1024
