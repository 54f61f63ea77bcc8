"""Each class of failure, as a real socket brings it about."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests.load import checks, streams
from tests.load.checks import Call
from tests.load.report import Failure, Report
from tests.unit.load.server import Handler, answer, free_port, good, read_request, reset, run_against, saying, serving


async def attempt(port: int, call: Call, *, upload_seconds: float = 0, **changes: object) -> Report:
    run = run_against(port, **changes)
    await run.attempt("new", run.now(), call, partial(streams._once, run, call, upload_seconds))
    return run.recorder.report()


def failure_of(handler: Handler, call: Call | None = None, **changes: float) -> Failure:
    async def scenario() -> Report:
        async with serving(handler) as port:
            return await attempt(port, call or checks.version(), **changes)

    report = asyncio.run(scenario())
    assert (report.sent, report.ok, report.failed) == (1, 0, 1)
    assert report.by_kind == {report.failures[0].kind: 1}
    return report.failures[0]


async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    reset(writer)


async def hanging(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(5)


@pytest.mark.parametrize("call", [checks.version(), checks.small_echo(), checks.page(), checks.slow(3)], ids=str)
def test_good(call: Call) -> None:
    async def scenario() -> Report:
        async with serving(good) as port:
            return await attempt(port, call)

    report = asyncio.run(scenario())
    assert (report.sent, report.ok, report.failed) == (1, 1, 0)
    assert set(report.by_release) == (set() if call.path == "/" else {"1.0.0"})


@pytest.mark.parametrize(
    ("handler", "kind", "detail"),
    [
        (resetting, "reset", "while waiting for the answer, request 1 of the connection from port"),
        (hanging, "timeout", "while waiting for the answer"),
        (saying(b""), "eof", "before the answer"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), "eof", "after 1 of 100 bytes"),
        (saying(answer({"detail": "fault"}, 500)), "status_5xx", "500 "),
        (saying(answer({}, 404)), "status_4xx", "404 "),
        (saying(answer({}, 302)), "status_other", "302 "),
        (saying(answer(b"<html>")), "bad_body", "<html>"),
        (saying(answer([1])), "bad_body", "[1]"),
        (saying(b"no HTTP\r\n\r\n"), "bad_protocol", "no HTTP"),
    ],
)
def test_failure(handler: Handler, kind: str, detail: str) -> None:
    failure = failure_of(handler, timeout=0.1 if handler is hanging else 5)
    assert failure.kind == kind
    assert detail in failure.detail
    assert failure.request == "GET /api/version"


def test_refused() -> None:
    assert asyncio.run(attempt(free_port(), checks.version())).failures[0].kind == "refused"


def test_another_body_than_what_was_sent() -> None:
    failure = failure_of(saying(answer({"sha256": "0", "bytes": 3, "release": "1.1.0"})), checks.small_echo())
    assert (failure.kind, failure.release) == ("bad_body", "1.1.0")


def test_empty_page() -> None:
    assert failure_of(saying(answer(b"")), checks.page()).kind == "bad_body"


def test_failure_names_who_answered() -> None:
    failure = failure_of(saying(answer({"release": "1.9.4", "replica": "b"}, 500)))
    assert (failure.release, failure.replica) == ("1.9.4", "b")


def test_upload_that_is_refused_half_way() -> None:
    async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(70_000)
        writer.write(answer({}, 503))
        while part := await reader.read(70_000):
            late.append(part)

    late: list[bytes] = []

    assert failure_of(refusing, checks.echo(bytes(1_000_000)), upload_seconds=2).kind == "status_5xx"
    assert sum(map(len, late)) < 200_000


def test_upload_that_is_cut() -> None:
    async def cutting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(70_000)
        reset(writer)

    assert failure_of(cutting, checks.echo(bytes(1_000_000)), upload_seconds=0.2).kind == "reset"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "app.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=app.test"
    command += f" -addext subjectAltName=DNS:app.test -keyout {path} -out {path}.crt"
    subprocess.run(command.split(), check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def over_tls(handler: Handler, certificate: Path, *, is_trusted: bool = True) -> Report:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)

    async def scenario() -> Report:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        ca = f"{certificate}.crt" if is_trusted else None
        async with serving(handler, tls) as port:
            return await attempt(port, checks.version(), url="https://app.test", ca=ca, timeout=0.2 if handler is hanging else 5)

    return asyncio.run(scenario())


def test_tls(certificate: Path) -> None:
    assert over_tls(good, certificate).ok == 1


@pytest.mark.parametrize(("handler", "kind"), [(resetting, "reset"), (saying(b""), "eof"), (hanging, "timeout")])
def test_failure_over_tls(handler: Handler, kind: str, certificate: Path) -> None:
    assert over_tls(handler, certificate).by_kind == {kind: 1}


def test_stranger(certificate: Path) -> None:
    assert over_tls(good, certificate, is_trusted=False).by_kind == {"bad_protocol": 1}


def test_closed_in_the_tls_handshake() -> None:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        await reader.read(10_000)

    async def scenario() -> Report:
        async with serving(closing) as port:
            return await attempt(port, checks.version(), url="https://app.test")

    assert asyncio.run(scenario()).by_kind == {"eof": 1}
