"""An answer that begins after 90 seconds, and events that come every 75, over a deploy and its rollback: nothing is cut."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from tests.acceptance.world import CA, STAGING, At, Environment, play

pytestmark = [pytest.mark.lane("staging"), pytest.mark.deep]

NAME, SITE = "talk", STAGING.site
SILENT_SECONDS, EVENT_SECONDS, PATIENT_SECONDS = 90, 75, 120
USERS = 3
PROGRAM = f"""
import http.server, json, os, signal, threading, time

over = threading.Event()

class Talk(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/talk/events"):
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            while not over.is_set():
                self.chunk(b"data: " + os.environ["RELEASE"].encode() + b"\\n\\n")
                over.wait({EVENT_SECONDS})
            self.chunk(b"")
            self.close_connection = True
            return
        if self.path.startswith("/talk/chat"):
            time.sleep({SILENT_SECONDS})
        body = json.dumps({{"version": os.environ["RELEASE"]}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def chunk(self, data):
        self.wfile.write(f"{{len(data):x}}\\r\\n".encode() + data + b"\\r\\n")

    def log_message(self, *_):
        pass

class Server(http.server.ThreadingHTTPServer):
    # What has begun is ended before the process is.
    daemon_threads = False

server = Server(("", 8000), Talk)

def stop(*_):
    over.set()
    threading.Thread(target=server.shutdown).start()

signal.signal(signal.SIGTERM, stop)
server.serve_forever()
server.server_close()
"""


def connection() -> At:
    return At(SITE, STAGING.port, ssl.create_default_context(cafile=str(CA)), timeout=PATIENT_SECONDS + 60)


def chat() -> tuple[int, str, float]:
    """Status, the release that answers, and after how many seconds."""
    begun = time.monotonic()
    with closing(connection()) as asked:
        asked.request("GET", "/talk/chat")
        answer = asked.getresponse()
        body = answer.read()
    return answer.status, json.loads(body).get("version", "") if answer.status == 200 else "", time.monotonic() - begun


def events() -> tuple[int, list[str]]:
    """Status and all that came until the service ended the stream. Raises IncompleteRead where it was cut."""
    with closing(connection()) as asked:
        asked.request("GET", "/talk/events")
        answer = asked.getresponse()
        return answer.status, answer.read().decode().replace("data: ", "").split()


@pytest.fixture
def inventory(staging: Environment, inventories: Path, tmp_path: Path) -> Iterator[Path]:
    """The example's, with another stack that talks."""
    source, inventory = tmp_path / NAME, inventories / "staging"
    source.mkdir()
    talk = {
        "image": "morpheus/api:${STACK_RELEASE:?}",
        "command": ["python3", "-c", PROGRAM],
        "environment": {"RELEASE": "${STACK_RELEASE}"},
        "stop_grace_period": "20s",
        "deploy": {"replicas": 2, "update_config": {"parallelism": 0, "order": "start-first"}},
    }
    (source / "compose.yml").write_text(yaml.safe_dump({"services": {NAME: talk}}))
    path = inventory / "group_vars" / "all" / "stack.yml"
    settings = yaml.safe_load(path.read_text())
    settings["stack_source"] = str(source)
    del settings["stack_flags"]
    routes = [
        {"host": SITE, "paths": ["/talk/chat"], "timeout_seconds": PATIENT_SECONDS},
        {"host": SITE, "paths": ["/talk/events"], "stream": True},
    ]
    service = {"name": NAME, "port": 8000, "routes": routes, "health": {"path": "/health", "version": "version"}}
    settings["stack"] = {
        "name": NAME,
        "compose_files": ["compose.yml"],
        "database": settings["stack"]["database"],
        "services": [service],
        "drain_seconds": PATIENT_SECONDS,
    }
    path.write_text(yaml.safe_dump(settings))
    yield inventory
    removed = staging.play("playbooks/remove_stack.yml", "-e", f"stack_name={NAME}", "-e", f"remove_data={NAME}")
    assert removed.code in (0, 2), removed.output


def runs(inventory: Path, playbook: str, *options: str) -> float:
    run = play(playbook, inventory, *options)
    assert run.code == 0, run.output
    return run.seconds


def test_what_is_silent_for_longer_than_a_minute_is_not_cut_and_a_stream_holds_nobody_up(inventory: Path) -> None:
    runs(inventory, "deploy.yml", "-e", "stack_release=1.0.0")
    for before, after, playbook, more in (
        ("1.0.0", "1.1.0", "deploy.yml", ("-e", "stack_release=1.1.0")),
        ("1.1.0", "1.0.0", "rollback.yml", ()),
    ):
        with ThreadPoolExecutor(2 * USERS) as users:
            streams = [users.submit(events) for _ in range(USERS)]
            chats: list[Future[tuple[int, str, float]]] = [users.submit(chat) for _ in range(USERS)]
            seconds = runs(inventory, playbook, *more)
            answers = [one.result() for one in chats]
            ended = [one.result() for one in streams]
        assert [(status, release) for status, release, _ in answers] == [(200, before)] * USERS
        assert min(silent for *_, silent in answers) >= SILENT_SECONDS
        # One event at once, one after 75 s of silence; then the last answer was out, and nobody waited for the streams.
        assert ended == [(200, [before] * 2)] * USERS
        assert chat()[:2] == (200, after)
        print(f"\n{playbook}: {seconds:.0f} s, {USERS} answers after {SILENT_SECONDS} s and {USERS} streams, none cut")
