"""The program as a process of its own: it reads a log over the engine's API, with the real client, and sends it to rsyslog."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from ansible_collections.morpheus.deploy.plugins.module_utils.logs import program

from tests.edge_lab.namespace import end_with_parent
from tests.logs.test_shipping import syslog_config
from tests.logs.world import Engine, Rsyslog, wait_for


@contextmanager
def served(engine: Engine) -> Iterator[str]:
    """The engine's API over HTTP, as far as logs need it: chunks of frames, each with its stream and its length."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            options = {name: values[0] for name, values in parse_qs(url.query).items()}
            _, *words = url.path.strip("/").split("/") if url.path.startswith("/v1") else ["", *url.path.strip("/").split("/")]
            if words[0] == "version":
                self.answer({"ApiVersion": "1.45"})
            elif words == ["containers", "json"]:
                self.answer(engine.containers(all=options.get("all") == "1"))
            elif words[-1] == "json":
                self.answer({"Id": words[1], **engine.inspect_container(words[1])})
            else:
                self.follow(words[1], options)

        def follow(self, identity: str, options: dict[str, str]) -> None:
            assert (options["follow"], options["timestamps"], options["stdout"], options["stderr"]) == ("1", "1", "1", "1")
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.docker.multiplexed-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in engine.logs(identity, stream=True, follow=True, timestamps=True, since=int(options["since"])):
                frame = struct.pack(">BxxxL", 1, len(piece)) + piece
                self.wfile.write(b"%x\r\n%s\r\n" % (len(frame), frame))

        def answer(self, found: object) -> None:
            body = json.dumps(found).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"tcp://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def test_the_program_reads_the_engine_and_outlives_its_server(engine: Engine, server: Rsyslog, tmp_path: Path) -> None:
    root = tmp_path / "logs"
    root.mkdir()
    (root / "shipper.pyz").write_bytes(program.archive())
    (root / "config.json").write_text(json.dumps(syslog_config(server)))
    server.start()

    def said(text: str) -> bool:
        return any(one["line"] == text for one in server.lines())

    with served(engine) as url:
        command = [sys.executable, "-I", str(root / "shipper.pyz"), str(root)]
        process = subprocess.Popen(command, env={"DOCKER_HOST": url}, stderr=subprocess.PIPE, preexec_fn=end_with_parent)
        try:
            api = engine.run("shop", "api", 3, ("API_KEY=not-known-to-be-one",))

            def first() -> bool:
                engine.say(api, "first")
                return said("first")

            wait_for(first, "a line that was said while it ran")
            server.kill()
            engine.say(api, "while the server is away", "x" * 100_000)
            server.start()
            wait_for(lambda: said("while the server is away"), "what was said meanwhile")
            engine.say(api, "\u2603 and the end")
            wait_for(lambda: said("\u2603 and the end"), "what was said afterwards")
        finally:
            process.kill()
            _, complaint = process.communicate()
    assert {(one["replica"], one["release"]) for one in server.lines()} == {("shop-api-3", "1.2.0")}
    assert b"Traceback" not in complaint
