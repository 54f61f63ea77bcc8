"""Programs of their own in the laboratory's networks: users, and the engine's proxy. They need nothing but Python."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Thread

SITE = "shop.example"
TIMEOUT = 10.0


def proxy(here: str, outside: int, address: str, inside: int) -> None:
    """As the engine's own does it for connections to this host's loopback."""
    with socket.create_server((here, outside), backlog=128) as server:
        print("listens", flush=True)
        while True:
            one, _ = server.accept()
            try:
                other = socket.create_connection((address, inside), timeout=5)
            except OSError:
                one.close()
                continue
            other.settimeout(None)
            for source, target in ((one, other), (other, one)):
                Thread(target=pump, args=(source, target), daemon=True).start()


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class Users:
    """Ask until ``over`` is there. No request is ever asked twice."""

    def __init__(self, address: str, port: int, seen_as: str, over: Path) -> None:
        self._place = (address, port)
        self._seen_as = seen_as.encode()
        self._over = over
        self.counts: Counter[str] = Counter()
        self.failed: list[str] = []

    def ask(self, connection: HTTPConnection, kind: str, path: str, close: bool) -> None:
        self.counts[kind] += 1
        headers = {"Host": SITE, **({"Connection": "close"} if close else {})}
        try:
            connection.request("POST", path, b"x" * 100, headers)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException) as exc:
            self.failed.append(f"{kind}: {exc!r}")
            connection.close()
            return
        if answer.status != 200 or not body.endswith(b"end"):
            self.failed.append(f"{kind}: {answer.status} {body[-80:]!r}")
        elif self._seen_as not in body:
            self.failed.append(f"{kind}: the application saw {body!r}")

    def anew(self) -> None:
        while not self._over.exists():
            connection = HTTPConnection(*self._place, timeout=TIMEOUT)
            self.ask(connection, "new connection", "/", close=True)
            connection.close()
            time.sleep(0.002)

    def kept(self) -> None:
        """What says "Connection: close" in its answer is opened again by the library."""
        connection = HTTPConnection(*self._place, timeout=TIMEOUT)
        while not self._over.exists():
            self.ask(connection, "kept connection", "/", close=False)
            time.sleep(0.01)
        connection.close()

    def slow(self) -> None:
        while not self._over.exists():
            connection = HTTPConnection(*self._place, timeout=TIMEOUT)
            self.ask(connection, "slow answer", "/slow", close=True)
            connection.close()

    def run(self) -> None:
        work: list[Callable[[], None]] = [self.anew, self.anew, self.anew, self.kept, self.kept, self.slow, self.slow]
        threads = [Thread(target=one) for one in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    if what == "proxy":
        proxy(words[0], int(words[1]), words[2], int(words[3]))
    else:
        asked = Users(words[0], int(words[1]), words[2], Path(words[3]))
        asked.run()
        print(json.dumps({"counts": asked.counts, "failed": asked.failed}))
