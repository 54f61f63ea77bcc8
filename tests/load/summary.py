"""One screen that says how a run went."""

from __future__ import annotations

import time

from tests.load.report import Report

_SHOWN_FAILURES = 12


def summarize(report: Report) -> str:
    lines = [f"{'stream':<10} {'sent':>7} {'ok':>7} {'failed':>7} {'p50 ms':>9} {'p99 ms':>9} {'max ms':>9}"]
    for name, stream in report.by_stream.items():
        counts = f"{stream.sent:>7} {stream.ok:>7} {stream.failed:>7}"
        lines.append(f"{name:<10} {counts} {stream.p50_ms:>9.1f} {stream.p99_ms:>9.1f} {stream.max_ms:>9.1f}")
    lines.append(f"{'all':<10} {report.sent:>7} {report.ok:>7} {report.failed:>7}")
    for name, seen in sorted(report.by_release.items(), key=lambda item: item[1].first):
        lines.append(
            f"release {name}: {seen.answers} answers, {_clock(seen.first)} to {_clock(seen.last)} {' '.join(seen.replicas)}"
        )
    lines.append(
        f"{report.seconds:.1f} s, ended by {report.ended_by}; generator: {report.cpu_seconds:.1f} s of CPU, at most"
        f" {report.max_lag_ms:.0f} ms late; closed cleanly by the server: {report.ws_reconnects} WebSockets,"
        f" {report.idle_closed} idle connections"
    )
    if report.by_kind:
        lines.append("failures: " + ", ".join(f"{count} {kind}" for kind, count in sorted(report.by_kind.items())))
    for failure in report.failures[:_SHOWN_FAILURES]:
        lines.append(f"  {_clock(failure.time)} {failure.stream} {failure.kind} {failure.request}: {failure.detail[:150]}")
    return "\n".join([*lines, verdict(report)])


def verdict(report: Report) -> str:
    if report.failed or report.unfinished:
        return f"FAILED: {report.failed} of {report.sent} requests, {report.unfinished} left unfinished"
    if report.silent_streams:
        return f"FAILED: no answer to any request of {', '.join(report.silent_streams)}"
    return f"ok: {report.ok} of {report.sent} requests answered as expected"


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds)) + f".{int(seconds % 1 * 1000):03}"
