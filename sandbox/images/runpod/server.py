"""RunPod's serverless API, as its documentation says it: operations, states, times, keys, and an endpoint's queue (jobs.py).
Beside it what keeps endpoints, which RunPod has at api.runpod.io (rest.py).

RUNPOD_API_KEYS is a JSON object {key: environment}. What reached an endpoint is written to the file RUNPOD_LOG, one JSON line
each, before it is answered, and nothing takes a line away: GET /log gives it back. It says the key by its fingerprint.
GET /calls is a shorter list of the same, by environment; DELETE /calls forgets that one, so that a test begins with none.

RUNPOD_ADMIN_KEYS is another one. With such a key in the Authorization header, POST /keys makes an API key of its environment,
for the same "id" the same one, and DELETE /keys takes "key" away. RunPod itself has no such thing; rotations are tried with it.

POST /faults {"endpoint", "kind", "count"} lets the next calls that start a job fail: with an HTTP status as kind, or with "drop",
which takes the job and closes the connection without an answer.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from sandbox.images.runpod import rest
    from sandbox.images.runpod.jobs import BadRequestError, Job, Queue
else:
    # In its image the files lie side by side.
    import rest
    from jobs import BadRequestError, Job, Queue

ENVIRONMENT_BY_KEY: dict[str, str] = json.loads(os.environ["RUNPOD_API_KEYS"])
ENVIRONMENT_BY_ADMIN_KEY: dict[str, str] = json.loads(os.environ.get("RUNPOD_ADMIN_KEYS", "{}"))
LOG = Path(os.environ.get("RUNPOD_LOG", "/var/lib/runpod.jsonl"))
ROUTE = re.compile(r"/v2/(?P<endpoint>[\w.-]+)/(?P<verb>[a-z-]+)(?:/(?P<job>[\w-]+))?")
METHODS = {
    **dict.fromkeys(("run", "runsync", "cancel", "retry", "purge-queue"), ("POST",)),
    "status": ("GET", "POST"),
    "stream": ("GET", "POST"),
    "health": ("GET",),
}
OF_JOB = ("status", "stream", "cancel", "retry")
LARGEST = {"run": 10_000_000, "runsync": 20_000_000}
# Milliseconds.
WAIT, SHORTEST_WAIT, LONGEST_WAIT = 90_000, 1_000, 300_000

CALLS: list[dict[str, str]] = []
FAULTS: list[dict[str, Any]] = []
KEY_BY_ID: dict[str, str] = {}
ACCOUNTS: dict[str, rest.Account] = defaultdict(rest.Account)
LOCK = threading.Lock()
QUEUE = Queue()


class RunPod(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Small parts of a stream go out at once.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._serve({"/calls": lambda _: CALLS, "/log": lambda _: log_lines()})

    def do_POST(self) -> None:
        self._serve({"/keys": self._make_key, "/faults": self._add_fault})

    def do_PATCH(self) -> None:
        self._serve({})

    def do_DELETE(self) -> None:
        self._serve({"/keys": self._remove_key, "/calls": lambda _: CALLS.clear()})

    def _serve(self, own: dict[str, Callable[[Any], object]]) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        act = own.get(self.path)
        if act is None:
            return self._routed(body)
        if self.path == "/keys" and self._administered() is None:
            return self._answer(403, {"error": "forbidden"})
        with LOCK:
            return self._answer(200, act(json.loads(body or "{}")) or {})

    def _bearer(self) -> str:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def _administered(self) -> str | None:
        return ENVIRONMENT_BY_ADMIN_KEY.get(self._bearer())

    def _make_key(self, given: dict[str, str]) -> object:
        environment = self._administered()
        key = KEY_BY_ID.setdefault(given["id"], f"{environment}-runpod-{uuid.uuid4().hex}")
        ENVIRONMENT_BY_KEY[key] = str(environment)
        return {"key": key}

    def _remove_key(self, given: dict[str, str]) -> object:
        if ENVIRONMENT_BY_KEY.get(given["key"]) == self._administered():
            del ENVIRONMENT_BY_KEY[given["key"]]
        return {}

    def _add_fault(self, given: dict[str, Any]) -> object:
        FAULTS.extend([{"endpoint": given["endpoint"], "kind": given["kind"]}] * int(given.get("count", 1)))
        return {}

    def _routed(self, body: bytes) -> None:
        url = urlsplit(self.path)
        kept = rest.PATH.fullmatch(url.path)
        if kept is not None:
            return self._keep(kept, body)
        route = ROUTE.fullmatch(url.path)
        if route is None or self.command not in METHODS.get(route["verb"], ()) or (route["verb"] in OF_JOB) != bool(route["job"]):
            return self._answer(404, {"error": "not found"})
        endpoint, verb = route["endpoint"], route["verb"]
        environment = ENVIRONMENT_BY_KEY.get(self._bearer())
        with LOCK:
            CALLS.append({"environment": environment or "unauthorized", "endpoint": endpoint, "verb": verb})
        if environment is None:
            self._log(endpoint, verb, 401, route["job"])
            return self._answer(401, {"error": "unauthorized"})
        if verb in LARGEST:
            return self._start(endpoint, verb, body, parse_qs(url.query))
        self._log(endpoint, verb, 200, route["job"])
        if verb == "health":
            return self._answer(200, QUEUE.health(endpoint))
        if verb == "purge-queue":
            return self._answer(200, {"removed": QUEUE.purge(endpoint), "status": "completed"})
        job = QUEUE.find(endpoint, route["job"])
        if job is None:
            return self._answer(404, {"error": "job not found"})
        return self._of_job(verb, job)

    def _keep(self, path: re.Match[str], body: bytes) -> None:
        """Serverless endpoints themselves, of the account whose key it is."""
        environment = ENVIRONMENT_BY_KEY.get(self._bearer())
        self._log(path["id"] or "", f"{self.command} {path['kind'] or path['catalog']}", 200 if environment else 401)
        try:
            if environment is None:
                raise rest.ProblemError(401, "missing or invalid bearer token")
            with LOCK:
                status, answer = ACCOUNTS[environment].answer(self.command, path, body)
        except rest.ProblemError as problem:
            return self._answer(problem.status, problem.body, "application/problem+json")
        return self._answer(status, answer)

    def _start(self, endpoint: str, verb: str, body: bytes, query: dict[str, list[str]]) -> None:
        fault = take_fault(endpoint)
        if fault.isdecimal():
            self._log(endpoint, verb, int(fault))
            return self._answer(int(fault), {"error": f"fault {fault}"})
        try:
            if len(body) > LARGEST[verb]:
                raise BadRequestError(f"the body is larger than {LARGEST[verb]} bytes")
            wait = int(query.get("wait", [str(WAIT)])[0])
            if not SHORTEST_WAIT <= wait <= LONGEST_WAIT:
                raise BadRequestError(f"wait must be from {SHORTEST_WAIT} to {LONGEST_WAIT}")
            job = QUEUE.add(endpoint, verb, json.loads(body))
        except (ValueError, BadRequestError) as error:
            self._log(endpoint, verb, 400)
            return self._answer(400, {"error": str(error)})
        self._log(endpoint, verb, 200, job.id, job)
        if fault == "drop":
            self.close_connection = True
            self.connection.close()
            return None
        if verb == "run":
            return self._answer(200, {"id": job.id, "status": "IN_QUEUE"})
        QUEUE.wait(job, wait / 1000)
        return self._answer(200, job.told_as(time.monotonic()))

    def _of_job(self, verb: str, job: Job) -> None:
        if verb == "cancel":
            QUEUE.cancel(job)
            return self._answer(200, {"id": job.id, "status": job.status(time.monotonic())})
        if verb == "retry":
            is_queued = QUEUE.retry(job)
            answer = {"id": job.id, "status": "IN_QUEUE"} if is_queued else {"error": "only a failed or timed out job is retried"}
            return self._answer(200 if is_queued else 400, answer)
        if verb == "status":
            return self._answer(200, job.told_as(time.monotonic()))
        if not job.input.get("hold_stream"):
            now = time.monotonic()
            return self._answer(200, {**job.told_as(now), "stream": job.new_parts(now)})
        return self._hold_stream(job)

    def _hold_stream(self, job: Job) -> None:
        """The same answer, of which each part goes out when the worker has yielded it."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._part('{"stream": [')
        separator = ""
        while True:
            now = time.monotonic()
            for part in job.new_parts(now):
                self._part(f"{separator}{json.dumps(part)}")
                separator = ", "
            if now >= job.ended_at:
                break
            time.sleep(0.01)
        self._part(f"], {json.dumps(job.told_as(time.monotonic()))[1:]}")
        self.wfile.write(b"0\r\n\r\n")

    def _part(self, text: str) -> None:
        self.wfile.write(f"{len(text.encode()):x}\r\n{text}\r\n".encode())

    def _log(self, endpoint: str, verb: str, status: int, job_id: str | None = None, job: Job | None = None) -> None:
        """One write, so that lines of threads do not mix, and before the answer, so that it is there whatever is killed."""
        key = self._bearer()
        line = {
            "at": datetime.now(UTC).isoformat(),
            "key": hashlib.sha256(key.encode()).hexdigest()[:16] if key else "",
            "environment": ENVIRONMENT_BY_KEY.get(key),
            "endpoint": endpoint,
            "verb": verb,
            "status": status,
            "request": self.headers.get("X-Request-Id"),
            "job": job_id,
        }
        if job:
            line["executes_milliseconds"] = job.execution_milliseconds
            line["timeout_milliseconds"] = round(job.timeout_seconds * 1000)
        with LOCK, LOG.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def _answer(self, status: int, answer: object, content_type: str = "application/json") -> None:
        raw = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:
        """The log says more."""


class Server(ThreadingHTTPServer):
    # Hundreds of calls come at once in tests of caps.
    request_queue_size = 1024
    daemon_threads = True


def take_fault(endpoint: str) -> str:
    with LOCK:
        for number, fault in enumerate(FAULTS):
            if fault["endpoint"] == endpoint:
                return str(FAULTS.pop(number)["kind"])
    return ""


def log_lines() -> list[object]:
    return [json.loads(line) for line in LOG.read_text().splitlines()] if LOG.exists() else []


def main() -> None:
    Server(("", int(os.environ.get("RUNPOD_PORT", "80"))), RunPod).serve_forever()


if __name__ == "__main__":
    main()
