"""Calls without end, or streams of some length, as one line of JSON on the standard input says. Ends when that is closed.

Prints a line once it has begun, and a last one with what came of everything. Nothing is tried again but what the server says it
never saw, which is gRPC's own way to leave a connection.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

_LIMIT_SECONDS = 600


def channel(given: dict[str, Any]) -> Any:
    """A connection of its own."""
    options = [
        ("grpc.ssl_target_name_override", given["authority"]),
        ("grpc.default_authority", given["authority"]),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
    ]
    trusted = grpc.ssl_channel_credentials(given["ca"].encode())
    return grpc.secure_channel(given["target"], trusted, options)


class Users:
    def __init__(self, given: dict[str, Any]) -> None:
        self.given = given
        self.over = threading.Event()
        self.answers: Counter[str] = Counter()
        self.streams: list[list[str]] = [[] for _ in range(given["streams"])]
        self.failures: list[str] = []

    def call(self) -> None:
        with channel(self.given) as connection:
            hello = connection.unary_unary("/greet.Greeter/Hello")
            while not self.over.is_set():
                try:
                    self.answers[hello(b"", timeout=_LIMIT_SECONDS).decode()] += 1
                except grpc.RpcError as exc:
                    self.failures.append(f"a call: {exc.code()} {exc.details()}")

    def follow(self, heard: list[str]) -> None:
        with channel(self.given) as connection:
            try:
                asked = str(self.given["seconds"]).encode()
                for message in connection.unary_stream("/greet.Greeter/Follow")(asked, timeout=_LIMIT_SECONDS):
                    heard.append(message.decode())
            except grpc.RpcError as exc:
                self.failures.append(f"a stream after {len(heard)} messages: {exc.code()} {exc.details()}")

    @property
    def begun(self) -> bool:
        return bool(self.failures) or (all(self.streams) and bool(self.answers or not self.given["calls"]))


def main() -> None:
    users = Users(json.loads(sys.stdin.readline()))
    with ThreadPoolExecutor(users.given["calls"] + len(users.streams)) as pool:
        for _ in range(users.given["calls"]):
            pool.submit(users.call)
        for heard in users.streams:
            pool.submit(users.follow, heard)
        while not users.begun:
            users.over.wait(0.05)
        print("begun", flush=True)
        sys.stdin.read()
        users.over.set()
    print(json.dumps({"answers": users.answers, "streams": users.streams, "failures": users.failures}), flush=True)


if __name__ == "__main__":
    main()
