"""What a run has seen so far: plain data that crosses a process boundary as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Failure:
    time: float
    stream: str
    kind: str
    request: str
    detail: str
    release: str | None = None
    replica: str | None = None


@dataclass(frozen=True, kw_only=True)
class StreamReport:
    sent: int = 0
    ok: int = 0
    failed: int = 0
    p50_ms: float = 0
    p99_ms: float = 0
    max_ms: float = 0
    kinds: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ReleaseSeen:
    """The answers that named a release. Times are seconds since the epoch, as in logs."""

    answers: int
    first: float
    last: float
    replicas: list[str]


@dataclass(frozen=True, kw_only=True)
class Report:
    started: float
    seconds: float
    sent: int
    ok: int
    failed: int
    failures: list[Failure]
    """The first ones; `failed` and `by_kind` count all."""
    by_kind: Mapping[str, int]
    by_stream: Mapping[str, StreamReport]
    by_release: Mapping[str, ReleaseSeen]
    ws_reconnects: int
    idle_closed: int
    """Pooled connections found closed by the server before they were used again: no failure, but a price."""
    max_lag_ms: float
    """How late the generator itself ever was; when it is large, latencies say little about the server."""
    cpu_seconds: float
    ended_by: str | None
    """None while the run goes on."""

    @property
    def unfinished(self) -> int:
        return self.sent - self.ok - self.failed

    @property
    def silent_streams(self) -> list[str]:
        return [name for name, stream in self.by_stream.items() if not stream.ok]

    @property
    def is_clean(self) -> bool:
        """Nothing failed, nothing was left open, and every stream has really been answered."""
        return not (self.failed or self.unfinished or self.silent_streams)

    def as_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Report:
        data: dict[str, Any] = json.loads(text)
        data["failures"] = [Failure(**failure) for failure in data["failures"]]
        data["by_stream"] = {name: StreamReport(**stream) for name, stream in data["by_stream"].items()}
        data["by_release"] = {name: ReleaseSeen(**seen) for name, seen in data["by_release"].items()}
        return cls(**data)
