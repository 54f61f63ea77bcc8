from __future__ import annotations

import asyncio
import re

import pytest

from tests.load import paths, streams
from tests.load.paths import Asked
from tests.load.report import Report
from tests.load.settings import Settings, parse
from tests.unit.load.server import Handler, answer, good, read_request, run_against, saying, serving

LINE = "/shop/cart=cart/1,cart/2 /shop/help=help/1,none"


def report_of(handler: Handler, asked: str, write: bool = False) -> Report:
    """Of one request."""

    async def scenario() -> Report:
        async with serving(handler) as port:
            run = run_against(port)
            known = paths.parse(asked)
            call = next((paths.writes if write else paths.reads)(known))
            await run.attempt("new", run.now(), call, lambda trace: streams._once(run, call, 0, trace))
            return run.recorder.report()

    return asyncio.run(scenario())


def test_a_line_says_who_may_answer_what() -> None:
    asked = paths.parse(LINE)
    assert asked == [Asked("/shop/cart", ("cart/1", "cart/2")), Asked("/shop/help", ("help/1", "none"))]
    assert paths.written(asked) == LINE
    settings = Settings(url="https://app.test", connect="127.0.0.1:1", paths=LINE, websockets=0, uploads=0)
    assert parse(settings.as_arguments()) == settings


@pytest.mark.parametrize("entry", ["shop=cart", "/shop", "/shop=", "/shop=cart,"])
def test_a_line_that_says_nothing_is_refused(entry: str) -> None:
    expected = re.escape(f"paths: {entry!r} is not /<path>=<who may answer>[,<who>]")
    with pytest.raises(ValueError, match=expected):
        Settings(url="https://app.test", connect="127.0.0.1:1", paths=entry, websockets=0, uploads=0)


def test_streams_of_the_example_are_refused_beside_other_paths() -> None:
    with pytest.raises(ValueError, match="paths: websockets and uploads ask the example's own API; set both to 0"):
        Settings(url="https://app.test", connect="127.0.0.1:1", paths=LINE, uploads=0)


@pytest.mark.parametrize("write", [False, True])
def test_an_answer_is_known_by_its_path_and_by_who_gave_it(write: bool) -> None:
    report = report_of(good, "/shop=1.0.0,2.0.0", write)
    assert (report.ok, list(report.by_release)) == (1, ["/shop 1.0.0"])


@pytest.mark.parametrize("write", [False, True])
def test_an_answer_of_a_service_that_the_route_does_not_mean_is_a_failure(write: bool) -> None:
    report = report_of(good, "/shop=2.0.0,none", write)
    [failure] = report.failures
    assert (failure.kind, failure.release) == ("bad_body", "/shop 1.0.0")
    assert failure.detail.startswith("answered by 1.0.0, not by 2.0.0 or none")


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize(("asked", "seen", "kinds"), [("/s=a,none", ["/s none"], {}), ("/s=a", [], {"status_4xx": 1})])
def test_a_404_is_good_only_where_no_service_may_be_reached(
    write: bool, asked: str, seen: list[str], kinds: dict[str, int]
) -> None:
    report = report_of(saying(answer(b"No service is reached by this address.", 404)), asked, write)
    assert (list(report.by_release), report.by_kind) == (seen, kinds)


def test_a_503_is_a_failure_even_where_no_service_may_be_reached() -> None:
    assert report_of(saying(answer(b"", 503)), "/s=none").by_kind == {"status_5xx": 1}


def test_an_answer_to_another_body_than_the_one_that_was_sent_is_a_failure() -> None:
    async def mixed_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer({"release": "1.0.0", "sha256": "0"}))

    report = report_of(mixed_up, "/s=1.0.0", write=True)
    assert report.by_kind == {"bad_body": 1}


def test_all_paths_are_asked_in_turn() -> None:
    calls = paths.reads(paths.parse(LINE))
    assert [str(next(calls)) for _ in range(3)] == ["GET /shop/cart", "GET /shop/help", "GET /shop/cart"]
    assert str(next(paths.slow_reads(paths.parse(LINE), 1.5))) == "GET /shop/cart?seconds=1.5"
