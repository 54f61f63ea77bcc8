"""An API that trickles holds no run: each request as a whole has an end. Servers are threads that misbehave in their own way."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.client import Api
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.objects import Objects, Stored
from ansible_collections.morpheus.deploy.plugins.plugin_utils.runpod import api as runpod

from tests.unit.plugins.module_utils.health.test_http_probe import SLOW, Handler, Server, answering, dripping, serve

__all__ = ["serve"]
Serve = Callable[[Handler], Server]
# Each read of these servers is answered at once, so a timeout of reads alone never ends.
SECONDS = 0.3
TOO_LONG = "there was no answer: it took too long"
REFUSED = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 1000\r\n\r\n"
ONE = Stored("panels", "a.png", 1000, "image/png")


def api(server: Server, seconds: float = SECONDS) -> Api:
    options = {"timeout_seconds": seconds, "ca_path": ""}
    return Api(f"http://127.0.0.1:{server.port}", {"Authorization": "Bearer x"}, options, pause=lambda seconds: None)


@pytest.mark.parametrize("handler", [*SLOW, pytest.param(dripping(REFUSED, b"x"), id="drips a refusal")])
def test_no_request_to_supabase_outlives_its_time(serve: Serve, handler: Handler) -> None:
    answer = api(serve(handler)).ask("GET", "/v1/projects")
    assert (answer.status, answer.body, answer.words) == (0, None, TOO_LONG)


# The first one falls silent, which a timeout of reads alone ends, too.
@pytest.mark.parametrize("handler", [*SLOW[1:], pytest.param(dripping(REFUSED, b"x"), id="drips a refusal")])
def test_no_request_to_runpod_outlives_its_time(serve: Serve, handler: Handler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runpod, "PATIENCE_SECONDS", SECONDS)
    url = f"http://127.0.0.1:{serve(handler).port}"
    with pytest.raises(DeployError) as caught:
        runpod.Api(url, "key").endpoints()
    assert str(caught.value) == f"RunPod does not answer at {url}: no whole answer within 0.3 s"


def packed(server: Server, seconds: float) -> bytes:
    """What tar does with an object."""
    found = b""
    with Objects(api(server, seconds)).read(ONE) as answer:
        assert answer is not None
        while chunk := answer.read(16):
            found += chunk
        if len(found) < ONE.size:
            raise OSError("unexpected end of data")
    return found


def test_an_object_that_trickles_is_given_up_when_its_size_and_the_slowest_line_say_so(serve: Serve) -> None:
    server = serve(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"))
    with pytest.raises(DeployError) as caught:
        packed(server, 1.0)
    words = f"GET http://127.0.0.1:{server.port}/object/panels/a.png: no whole answer within 1.06104 s; run this again"
    assert str(caught.value) == words


def test_an_object_that_comes_in_time_is_read_whole_and_what_ends_early_is_told_as_it_is(serve: Serve) -> None:
    beginning = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    assert packed(serve(answering(beginning, b"x" * 1000)), 60.0) == b"x" * 1000
    server = serve(answering(beginning, b"x" * 999))
    with pytest.raises(OSError, match="unexpected end of data"):
        packed(server, 60.0)


@pytest.mark.parametrize("handler", SLOW)
def test_no_object_that_is_sent_outlives_its_time(serve: Serve, handler: Handler) -> None:
    server = serve(handler)
    with pytest.raises(DeployError, match=f"/object/panels/a.png: {TOO_LONG}"):
        Objects(api(server)).write(ONE, io.BytesIO(b"x" * ONE.size))
