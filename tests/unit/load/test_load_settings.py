from __future__ import annotations

import random

import pytest

from tests.load.recorder import KEPT_FAILURES, Latencies, Recorder
from tests.load.settings import Settings, parse
from tests.load.summary import summarize


def test_command_line_and_settings_say_the_same() -> None:
    settings = Settings(url="https://app.test", connect="127.0.0.1:8443", ca="/ca.pem", rate_new=7.5, websockets=0)
    assert parse(settings.as_arguments()) == settings
    assert settings.streams == ["keepalive", "new", "slow", "upload"]


@pytest.mark.parametrize(
    "connect", ["10.77.1.11:443", "0.0.0.0:443", "localhost:443", "127.0.0.1", "127.0.0.1:0", "x@127.0.0.1:1"]
)
def test_goes_nowhere_else(connect: str) -> None:
    with pytest.raises(ValueError, match="connect"):
        Settings(url="https://app.test", connect=connect)


@pytest.mark.parametrize(
    "change",
    [
        {"seconds": 3601},
        {"seconds": float("nan")},
        {"max_requests": 10**9},
        {"rate_new": -1},
        {"connections": 0},
        {"ws_interval": 0},
    ],
)
def test_is_bounded(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        Settings(url="https://app.test", connect="127.0.0.1:443", **change)  # type: ignore[arg-type]


def test_quantiles() -> None:
    latencies, values = Latencies(), [random.Random(1).lognormvariate(1, 1) for _ in range(5000)]
    for value in values:
        latencies.add(value)
    for share in (0.5, 0.99):
        assert latencies.quantile(share) == pytest.approx(sorted(values)[int(share * 5000)], rel=0.03)
    assert latencies.max_ms == max(values)


def test_every_failure_counts_and_the_first_are_kept() -> None:
    recorder = Recorder(["new"])
    for number in range(KEPT_FAILURES + 10):
        recorder.begin("new")
        recorder.failed("new", f"GET /{number}", ConnectionResetError(104, "reset"))
    report = recorder.report()
    assert (report.failed, len(report.failures), report.failures[0].request) == (KEPT_FAILURES + 10, KEPT_FAILURES, "GET /0")
    assert summarize(report).endswith("FAILED: 60 of 60 requests, 0 left unfinished")


def test_silence_is_not_success() -> None:
    report = Recorder(["new", "slow"]).report()
    assert not report.is_clean
    assert summarize(report).endswith("FAILED: no answer to any request of new, slow")
