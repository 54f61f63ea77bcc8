"""The queue of a serverless endpoint: jobs that run by the clock, with the states and times of RunPod's documentation.

What a job's worker does is in its input, beside "prompt" or "story":

    seconds       how long it executes (0.05)
    queue_seconds how long it waits for a worker (0.005)
    fail          it ends as FAILED, with this error
    chunks        it yields this many parts, evenly over its time, for /stream
"""

from __future__ import annotations

import re
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

MOST_PANELS = 12
# Milliseconds, as RunPod's: when nobody says otherwise, and between which bounds.
EXECUTION_TIMEOUT, SHORTEST_EXECUTION, LONGEST = 600_000, 5_000, 604_800_000
TTL, SHORTEST_TTL = 86_400_000, 10_000
# So long results can be asked for, in seconds.
RETENTION = {"run": 1800.0, "runsync": 60.0}


class BadRequestError(Exception):
    """What the provider answers with 400."""


def _number(given: dict[str, Any], name: str, default: float, least: float, most: float) -> float:
    value = given.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise BadRequestError(f"{name} must be a number from {least:g} to {most:g}")
    return float(value)


@dataclass
class Job:
    """One job. Its state follows from the time that has passed, so nothing has to run for it."""

    id: str
    kind: str
    input: dict[str, Any]
    timeout_seconds: float
    ttl_seconds: float
    queue_seconds: float
    seconds: float
    created_at: float = field(default_factory=time.monotonic)
    cancelled_at: float | None = None
    told: int = 0

    @property
    def started_at(self) -> float:
        return self.created_at + self.queue_seconds

    @property
    def ended_at(self) -> float:
        by_itself = self.started_at + min(self.seconds, self.timeout_seconds)
        return by_itself if self.cancelled_at is None else min(by_itself, self.cancelled_at)

    def is_gone(self, now: float) -> bool:
        """Results are kept for a while; a job whose time to live is over is taken away even while it runs."""
        dies_at = self.created_at + self.ttl_seconds
        return now > self.ended_at + RETENTION[self.kind] or dies_at < min(now, self.ended_at)

    def status(self, now: float) -> str:
        if now < self.ended_at:
            return "IN_QUEUE" if now < self.started_at else "IN_PROGRESS"
        if self.cancelled_at is not None and self.ended_at == self.cancelled_at:
            return "CANCELLED"
        if self.seconds > self.timeout_seconds:
            return "TIMED_OUT"
        return "FAILED" if self.input.get("fail") else "COMPLETED"

    @property
    def execution_milliseconds(self) -> int:
        return max(0, round((self.ended_at - self.started_at) * 1000))

    def told_as(self, now: float) -> dict[str, Any]:
        status = self.status(now)
        told: dict[str, Any] = {"id": self.id, "status": status}
        if now >= self.started_at and (self.cancelled_at is None or self.cancelled_at > self.started_at):
            told["delayTime"] = round(self.queue_seconds * 1000)
            if now >= self.ended_at:
                told["executionTime"] = self.execution_milliseconds
        if status == "COMPLETED":
            told["output"] = self.parts(now) if "chunks" in self.input else {"panels": panels(self.text)}
        elif status == "FAILED":
            told["error"] = str(self.input["fail"])
        return told

    @property
    def text(self) -> str:
        return str(self.input.get("prompt") or self.input.get("story"))

    def parts(self, now: float) -> list[dict[str, Any]]:
        """What the worker has yielded until now."""
        number = int(self.input.get("chunks", 0))
        share = min(1.0, max(0.0, (now - self.started_at) / self.seconds)) if self.seconds else 1.0
        return [{"part": part, "text": self.text} for part in range(int(number * share))]

    def new_parts(self, now: float) -> list[dict[str, Any]]:
        parts = self.parts(now)[self.told :]
        self.told += len(parts)
        return [{"output": part} for part in parts]


class Queue:
    """All jobs of all endpoints."""

    def __init__(self) -> None:
        self.jobs: dict[tuple[str, str], Job] = {}
        self.changed = threading.Condition()

    def add(self, endpoint: str, kind: str, body: object) -> Job:
        given = body.get("input") if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(given, dict):
            raise BadRequestError('the body must have an "input"')
        if not isinstance(given.get("prompt") or given.get("story"), str):
            raise BadRequestError('input must have a "prompt" or a "story"')
        policy = body.get("policy") or {}
        job = Job(
            id=f"sync-{uuid.uuid4()}" if kind == "runsync" else f"{uuid.uuid4()}-u1",
            kind=kind,
            input=given,
            timeout_seconds=_number(policy, "executionTimeout", EXECUTION_TIMEOUT, SHORTEST_EXECUTION, LONGEST) / 1000,
            ttl_seconds=_number(policy, "ttl", TTL, SHORTEST_TTL, LONGEST) / 1000,
            queue_seconds=_number(given, "queue_seconds", 0.005, 0, 3600),
            seconds=_number(given, "seconds", 0.05, 0, 86_400),
        )
        with self.changed:
            self.jobs[endpoint, job.id] = job
        return job

    def find(self, endpoint: str, job_id: str) -> Job | None:
        with self.changed:
            job = self.jobs.get((endpoint, job_id))
        return None if job is None or job.is_gone(time.monotonic()) else job

    def wait(self, job: Job, seconds: float) -> None:
        """Until the job has ended, or the time is over."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while (now := time.monotonic()) < min(deadline, job.ended_at):
                self.changed.wait(min(deadline, job.ended_at) - now)

    def cancel(self, job: Job) -> None:
        with self.changed:
            if time.monotonic() < job.ended_at:
                job.cancelled_at = time.monotonic()
            self.changed.notify_all()

    def retry(self, job: Job) -> bool:
        """Queue it again under the same id, without its output. Only what failed or timed out may be."""
        with self.changed:
            if job.status(time.monotonic()) not in ("FAILED", "TIMED_OUT"):
                return False
            job.created_at, job.told = time.monotonic(), 0
            return True

    def purge(self, endpoint: str) -> int:
        """Take away what waits. What is in progress runs on."""
        now = time.monotonic()
        with self.changed:
            waiting = [key for key, job in self.jobs.items() if key[0] == endpoint and job.status(now) == "IN_QUEUE"]
            for key in waiting:
                del self.jobs[key]
        return len(waiting)

    def health(self, endpoint: str) -> dict[str, dict[str, int]]:
        now = time.monotonic()
        with self.changed:
            states = [job.status(now) for (of, _), job in self.jobs.items() if of == endpoint]
        running = states.count("IN_PROGRESS")
        jobs = {
            "completed": states.count("COMPLETED"),
            "failed": states.count("FAILED") + states.count("TIMED_OUT"),
            "inProgress": running,
            "inQueue": states.count("IN_QUEUE"),
            "retried": 0,
        }
        return {"jobs": jobs, "workers": {"idle": int(not running), "initializing": 0, "running": running, "throttled": 0}}


def panels(text: str) -> list[dict[str, str]]:
    """One panel a sentence, with the sentence as it stands below it."""
    sentences = [sentence.strip() for sentence in re.split(r"(?<=[.!?…])\s+|\n+", text) if sentence.strip()][:MOST_PANELS]
    # JSON can hold half a character, which no name is made of.
    names = [uuid.uuid5(uuid.NAMESPACE_URL, sentence.encode("utf-8", "replace").decode()) for sentence in sentences]
    return [
        {"caption": sentence, "image_url": f"https://images.runpod.ai/{name}.png"}
        for sentence, name in zip(sentences, names, strict=True)
    ]
