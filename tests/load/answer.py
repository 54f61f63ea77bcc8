"""Reads one HTTP/1.1 answer, strictly: whatever is cut short or malformed is an error."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from tests.load.failures import EndedError, ProtocolError

_MAX_BODY_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    is_last: bool
    """The connection ends with this answer, as announced."""


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    while True:
        version, status, headers = _parse_head(await _read_head(reader))
        if status >= 200:
            break
    words = {word.strip().lower() for word in headers.get("connection", "").split(",")}
    is_last = "close" in words or (version == "HTTP/1.0" and "keep-alive" not in words)
    if status in (204, 304):
        return Answer(status, headers, b"", is_last)
    if "transfer-encoding" in headers:
        return Answer(status, headers, await _read_chunks(reader, headers["transfer-encoding"]), is_last)
    if "content-length" in headers:
        size = _size(headers["content-length"], 10)
        return Answer(status, headers, await _read_body(reader, size), is_last)
    return Answer(status, headers, await _read_to_end(reader), True)


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise ProtocolError("the head of the answer has no end") from None


def _parse_head(head: bytes) -> tuple[str, int, dict[str, str]]:
    status_line, *lines = head[:-4].decode("latin-1").split("\r\n")
    version, _, rest = status_line.partition(" ")
    status = rest[:3]
    if version not in ("HTTP/1.1", "HTTP/1.0") or not (status.isascii() and status.isdigit()) or rest[3:4] not in ("", " "):
        raise ProtocolError(f"not a status line: {status_line[:80]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ProtocolError(f"not a header: {line[:80]!r}")
        headers[name.strip().lower()] = value.strip()
    return version, int(status), headers


async def _read_to_end(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while part := await reader.read(65_536):
        body += part
        if len(body) > _MAX_BODY_BYTES:
            raise ProtocolError(f"a body of more than {_MAX_BODY_BYTES} bytes")
    return body


async def _read_chunks(reader: asyncio.StreamReader, coding: str) -> bytes:
    if coding.lower() != "chunked":
        raise ProtocolError(f"unknown transfer coding: {coding[:80]!r}")
    parts: list[bytes] = []
    total = 0
    while size := _size((await _read_line(reader)).partition(b";")[0].decode("latin-1").strip(), 16):
        total += size
        parts.append(await _read_body(reader, size, total))
        if await _read_line(reader):
            raise ProtocolError("a chunk is longer than announced")
    while await _read_line(reader):
        pass
    return b"".join(parts)


async def _read_line(reader: asyncio.StreamReader) -> bytes:
    try:
        return (await reader.readuntil(b"\r\n"))[:-2]
    except asyncio.LimitOverrunError:
        raise ProtocolError("a line of the body has no end") from None
    except asyncio.IncompleteReadError:
        raise EndedError("the server closed in the middle of a chunked body") from None


async def _read_body(reader: asyncio.StreamReader, size: int, total: int = 0) -> bytes:
    if max(size, total) > _MAX_BODY_BYTES:
        raise ProtocolError(f"a body of more than {_MAX_BODY_BYTES} bytes")
    try:
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError as error:
        raise EndedError(f"the server closed after {len(error.partial)} of {size} bytes of the body") from None


def _size(text: str, base: int) -> int:
    try:
        size = int(text, base)
    except ValueError:
        size = -1
    if size < 0:
        raise ProtocolError(f"not a size: {text[:80]!r}")
    return size
