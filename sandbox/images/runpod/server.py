"""RunPod's serverless API as far as a client of it can tell: runsync and health, with keys and answer shapes.

RUNPOD_API_KEYS is a JSON object {key: environment}. GET /calls tells what was asked by which environment (never
the key), so that a test can show who paid for what; DELETE /calls forgets it.

RUNPOD_ADMIN_KEYS is another one. With such a key in the Authorization header, POST /keys makes an API key of its environment,
for the same "id" the same one, and DELETE /keys takes "key" away. RunPod itself has no such thing; rotations are tried with it.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ENVIRONMENT_BY_KEY: dict[str, str] = json.loads(os.environ["RUNPOD_API_KEYS"])
ENVIRONMENT_BY_ADMIN_KEY: dict[str, str] = json.loads(os.environ.get("RUNPOD_ADMIN_KEYS", "{}"))
ROUTE = re.compile(r"/v2/(?P<endpoint>[\w.-]+)/(?P<verb>runsync|health)")
EXECUTION_SECONDS = 0.05
MOST_PANELS = 12

CALLS: list[dict[str, str]] = []
KEY_BY_ID: dict[str, str] = {}
LOCK = threading.Lock()


def panels(text: str) -> list[dict[str, str]]:
    """One panel a sentence."""
    sentences = [sentence.strip() for sentence in re.split(r"[.!?\n]+", text) if sentence.strip()]
    return [
        {"caption": sentence, "image_url": f"https://images.runpod.ai/{uuid.uuid5(uuid.NAMESPACE_URL, sentence)}.png"}
        for sentence in sentences[:MOST_PANELS]
    ]


class RunPod(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/calls":
            with LOCK:
                return self._answer(200, CALLS)
        return self._routed("health")

    def do_POST(self) -> None:
        if self.path == "/keys":
            return self._administered(self._make_key)
        return self._routed("runsync")

    def do_DELETE(self) -> None:
        if self.path == "/keys":
            return self._administered(self._remove_key)
        with LOCK:
            CALLS.clear()
        return self._answer(200, {})

    def _administered(self, act: Callable[[str, dict[str, str]], object]) -> None:
        given = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
        environment = ENVIRONMENT_BY_ADMIN_KEY.get((self.headers.get("Authorization") or "").removeprefix("Bearer "))
        if environment is None:
            return self._answer(403, {"error": "forbidden"})
        with LOCK:
            return self._answer(200, act(environment, given))

    def _make_key(self, environment: str, given: dict[str, str]) -> object:
        key = KEY_BY_ID.setdefault(given["id"], f"{environment}-runpod-{uuid.uuid4().hex}")
        ENVIRONMENT_BY_KEY[key] = environment
        return {"key": key}

    def _remove_key(self, environment: str, given: dict[str, str]) -> object:
        if ENVIRONMENT_BY_KEY.get(given["key"]) == environment:
            del ENVIRONMENT_BY_KEY[given["key"]]
        return {}

    def _routed(self, verb: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        route = ROUTE.fullmatch(self.path)
        if route is None or route["verb"] != verb:
            return self._answer(404, {"error": "not found"})
        environment = ENVIRONMENT_BY_KEY.get((self.headers.get("Authorization") or "").removeprefix("Bearer "))
        with LOCK:
            CALLS.append({"environment": environment or "unauthorized", "endpoint": route["endpoint"], "verb": verb})
        if environment is None:
            return self._answer(401, {"error": "unauthorized"})
        if verb == "health":
            jobs = {"completed": len(CALLS), "failed": 0, "inProgress": 0, "inQueue": 0, "retried": 0}
            return self._answer(200, {"jobs": jobs, "workers": {"idle": 1, "running": 0}})
        return self._runsync(body)

    def _runsync(self, body: bytes) -> None:
        try:
            given = json.loads(body)["input"]
            text = given.get("prompt") or given.get("story")
        except (ValueError, KeyError, TypeError, AttributeError):
            text = None
        if not isinstance(text, str):
            return self._answer(400, {"error": 'input must have a "prompt" or a "story"'})
        time.sleep(EXECUTION_SECONDS)
        job = {
            "id": f"sync-{uuid.uuid4()}",
            "status": "COMPLETED",
            "delayTime": 5,
            "executionTime": int(EXECUTION_SECONDS * 1000),
            "output": {"panels": panels(text)},
        }
        return self._answer(200, job)

    def _answer(self, status: int, answer: object) -> None:
        raw = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


ThreadingHTTPServer(("", 80), RunPod).serve_forever()
