"""Counts what happens. Every request that begins ends here as exactly one success or one failure."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.load.failures import WrongAnswerError, classify, describe
from tests.load.report import Failure, ReleaseSeen, Report, StreamReport

KEPT_FAILURES = 50
_STEP = math.log(1.02)


class Latencies:
    """A histogram with buckets two per cent wide, so that memory does not grow with the run."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.max_ms = 0.0

    def add(self, ms: float) -> None:
        self._buckets[math.ceil(math.log(max(ms, 0.01)) / _STEP)] += 1
        self.max_ms = max(self.max_ms, ms)

    def quantile(self, share: float) -> float:
        rank, seen = share * self._buckets.total(), 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= rank:
                return round(min(math.exp((bucket - 0.5) * _STEP), self.max_ms), 2)
        return 0.0


@dataclass
class _Stream:
    sent: int = 0
    ok: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    latencies: Latencies = field(default_factory=Latencies)

    def report(self) -> StreamReport:
        return StreamReport(
            sent=self.sent,
            ok=self.ok,
            failed=self.kinds.total(),
            p50_ms=self.latencies.quantile(0.5),
            p99_ms=self.latencies.quantile(0.99),
            max_ms=round(self.latencies.max_ms, 2),
            kinds=dict(self.kinds),
        )


@dataclass
class _Release:
    first: float
    answers: int = 0
    last: float = 0
    replicas: set[str] = field(default_factory=set)


class Recorder:
    def __init__(self, streams: Iterable[str]) -> None:
        self._streams = {name: _Stream() for name in streams}
        self._releases: dict[str, _Release] = {}
        self._failures: list[Failure] = []
        self._started, self._begin = time.time(), time.monotonic()
        self.sent = 0
        self.ws_reconnects = 0
        self.idle_closed = 0
        self.max_lag = 0.0
        self.ended_by: str | None = None

    def begin(self, stream: str) -> None:
        self.sent += 1
        self._streams[stream].sent += 1

    def ok(self, stream: str, seconds: float, release: str | None = None, replica: str | None = None) -> None:
        counts = self._streams[stream]
        counts.ok += 1
        counts.latencies.add(seconds * 1000)
        if release is None:
            return
        now = time.time()
        seen = self._releases.setdefault(release, _Release(now))
        seen.answers += 1
        seen.last = now
        if replica is not None:
            seen.replicas.add(replica)

    def failed(self, stream: str, request: str, error: BaseException, where: object = "") -> None:
        kind = classify(error)
        self._streams[stream].kinds[kind] += 1
        if len(self._failures) >= KEPT_FAILURES:
            return
        release, replica = (error.release, error.replica) if isinstance(error, WrongAnswerError) else (None, None)
        detail = f"{describe(error)} {where}".strip()[:500]
        failure = Failure(
            time=time.time(), stream=stream, kind=kind, request=request, detail=detail, release=release, replica=replica
        )
        self._failures.append(failure)

    def idle_close(self) -> None:
        self.idle_closed += 1

    def report(self) -> Report:
        streams = {name: stream.report() for name, stream in self._streams.items()}
        kinds = sum((stream.kinds for stream in self._streams.values()), Counter[str]())
        releases = {
            name: ReleaseSeen(answers=seen.answers, first=seen.first, last=seen.last, replicas=sorted(seen.replicas))
            for name, seen in self._releases.items()
        }
        return Report(
            started=self._started,
            seconds=round(time.monotonic() - self._begin, 3),
            sent=self.sent,
            ok=sum(stream.ok for stream in streams.values()),
            failed=kinds.total(),
            failures=list(self._failures),
            by_kind=dict(kinds),
            by_stream=streams,
            by_release=releases,
            ws_reconnects=self.ws_reconnects,
            idle_closed=self.idle_closed,
            max_lag_ms=round(self.max_lag * 1000, 1),
            cpu_seconds=round(time.process_time(), 2),
            ended_by=self.ended_by,
        )
