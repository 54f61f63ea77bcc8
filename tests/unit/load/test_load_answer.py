from __future__ import annotations

import asyncio

import pytest

from tests.load.answer import Answer, read_answer
from tests.load.failures import EndedError, Kind, ProtocolError, classify


def read(data: bytes) -> Answer:
    async def feed() -> Answer:
        reader = asyncio.StreamReader(limit=1024)
        reader.feed_data(data)
        reader.feed_eof()
        return await read_answer(reader)

    return asyncio.run(feed())


@pytest.mark.parametrize(
    ("data", "body", "is_last"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi", False),
        (b"HTTP/1.1 200\r\ncontent-length:2\r\n\r\nhi", b"hi", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: Close\r\n\r\nhi", b"hi", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhi\r\n1\r\n!\r\n0\r\nTrailer: x\r\n\r\n", b"hi!", False),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", b"", False),
    ],
)
def test_complete(data: bytes, body: bytes, is_last: bool) -> None:
    answer = read(data)
    assert (answer.body, answer.is_last) == (body, is_last)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
    ],
)
def test_cut_short(data: bytes) -> None:
    with pytest.raises(EOFError) as caught:
        read(data)
    assert classify(caught.value) is Kind.EOF


def test_cut_short_says_how_far_it_came() -> None:
    with pytest.raises(EndedError, match="after 2 of 3 bytes"):
        read(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi")


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
    ],
)
def test_not_http(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        read(data)
