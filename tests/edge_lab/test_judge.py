"""What the judge makes of an answer that a user has brought about."""

from __future__ import annotations

import pytest

from tests.edge_lab.examples import Release, Service
from tests.edge_lab.judge import SEND_SECONDS, Judge, Span
from tests.edge_lab.load import Place, Request
from tests.templates.test_edge_templates import render

RELEASE = Release("1", (Service("api", (("", "/"),)),))


@pytest.mark.parametrize(
    ("sent", "status", "said", "excused"),
    [
        pytest.param(100.0 + SEND_SECONDS + 0.1, 408, {}, True, id="the user sent it too late"),
        pytest.param(100.1, 408, {}, False, id="the user sent it at once"),
        pytest.param(0.0, 408, {}, False, id="nobody knows when it was sent"),
        pytest.param(100.0 + SEND_SECONDS + 0.1, 408, {"service": "jobs", "version": "1"}, False, id="a replica said so"),
        pytest.param(100.0 + SEND_SECONDS + 0.1, 503, {}, False, id="another answer"),
    ],
)
def test_who_takes_longer_to_send_than_the_edge_waits_was_not_hurt(
    sent: float, status: int, said: dict[str, str], excused: bool
) -> None:
    request = Request(1, Place("", "/"), "POST", False, False, 100.0, 130.0, 100.0, sent, status, said=said)
    judge = Judge([Span(0.0, 1000.0, (RELEASE,))])
    assert (judge.violation(request, []) == "") is excused


def test_the_edge_waits_as_long_as_the_judge_believes() -> None:
    assert f"timeout http-request {SEND_SECONDS:g}s\n" in render("haproxy.cfg.j2")
