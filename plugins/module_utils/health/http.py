# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One bounded HTTP request: a total deadline, a limit on the body, TLS verified, no redirect followed, no retry."""

from __future__ import annotations

import functools
import http.client
import io
import socket
import ssl
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.morpheus.deploy.plugins.module_utils.base import deadline
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import Endpoint
from ansible_collections.morpheus.deploy.plugins.module_utils.health.seen import Answer
from ansible_collections.morpheus.deploy.plugins.module_utils.words import said

BODY_LIMIT_BYTES = 65536
ANSWER_LIMIT_BYTES = 1 << 20
_WORDS_CHARACTERS = 200
# An address of this kind is a socket's path on this host.
UNIX = "unix:"


class HttpProbe:
    """Callable as ``gate.Fetch``. ``ca_path`` is a PEM file for private CAs; without it the system's trust store counts.

    A class of its own may read more or less of an answer.
    """

    body_limit = BODY_LIMIT_BYTES
    answer_limit = ANSWER_LIMIT_BYTES

    def __init__(self, ca_path: str = "") -> None:
        self._ca_path = ca_path

    def __call__(self, endpoint: Endpoint, timeout: float) -> Answer:
        start = time.monotonic()
        status, body, error = 0, b"", ""
        try:
            status, body = self._get(endpoint, timeout)
        except ssl.SSLCertVerificationError as exc:
            error = f"the certificate is not accepted: {exc.verify_message}"
        except (OSError, http.client.HTTPException, ValueError) as exc:
            error = _words(exc)
        seconds = time.monotonic() - start
        if seconds >= timeout:
            return Answer(seconds, error=f"no complete answer within {timeout:.1f} s")
        return Answer(seconds, status, body, error)

    def _get(self, endpoint: Endpoint, timeout: float) -> tuple[int, bytes]:
        url = urlsplit(endpoint.url)
        host = url.hostname or ""
        port = url.port or (443 if url.scheme == "https" else 80)
        start = time.monotonic()
        raw = _connected(endpoint.address, host, port, timeout)
        connection = http.client.HTTPConnection(host, port)
        try:
            with deadline.cut_off(raw, max(0.0, timeout - (time.monotonic() - start))):
                connection.sock = self._tls(raw, host) if url.scheme == "https" else raw
                path = (url.path or "/") + (f"?{url.query}" if url.query else "")
                connection.response_class = functools.partial(_Bounded, self.answer_limit)  # type: ignore[assignment]
                connection.request("GET", path, headers=_headers(url.netloc, endpoint.headers))
                response = connection.getresponse()
                return response.status, self._body(response)
        finally:
            connection.close()
            raw.close()

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        body = response.read(self.body_limit)
        if response.length and len(body) < self.body_limit:
            raise http.client.IncompleteRead(body, response.length)
        return body

    def _tls(self, raw: socket.socket, host: str) -> socket.socket:
        context = ssl.create_default_context(cafile=self._ca_path or None)
        return context.wrap_socket(raw, server_hostname=host)


class _Few(io.RawIOBase):
    """At most so many bytes of an answer, headers included; what comes after them is its end."""

    def __init__(self, source: io.BufferedReader, limit: int) -> None:
        self._source = source
        self._left = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self._source.read1(min(len(buffer), self._left))
        self._left -= len(found)
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        self._source.close()
        super().close()


class _Bounded(http.client.HTTPResponse):
    """A chunk may say that its length is below zero, and would be read to an end that never comes."""

    def __init__(self, limit: int, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fp = io.BufferedReader(_Few(self.fp, limit))


def _headers(netloc: str, given: Sequence[tuple[str, str]]) -> dict[str, str]:
    """However it is spelled, what is given takes the place of our own: two lines of Host are a bad request."""
    own = {"Host": netloc, "Connection": "close"}
    named = {name.lower() for name, _ in given}
    return {**{name: value for name, value in own.items() if name.lower() not in named}, **dict(given)}


def _connected(address: str, host: str, port: int, timeout: float) -> socket.socket:
    if not address.startswith(UNIX):
        return socket.create_connection(_target(address, host, port), timeout=timeout)
    raw = socket.socket(socket.AF_UNIX)
    raw.settimeout(timeout)
    try:
        raw.connect(address.removeprefix(UNIX))
    except OSError as exc:
        raw.close()
        if isinstance(exc, FileNotFoundError):
            # An edge that an older version has set up.
            raise OSError(f"{address.removeprefix(UNIX)} does not exist; run playbooks/provision.yml --tags edge") from exc
        raise
    return raw


def _target(address: str, host: str, port: int) -> tuple[str, int]:
    if not address:
        return host, port
    if address.startswith("["):
        name, _, number = address[1:].partition("]")
        return name, int(number.lstrip(":") or port)
    name, _, number = address.rpartition(":")
    # More than one colon and no bracket: an IPv6 address without a port.
    return (name, int(number)) if name and ":" not in name and number.isdigit() else (address, port)


def _words(exc: Exception) -> str:
    if isinstance(exc, ConnectionRefusedError):
        return "connection refused"
    if isinstance(exc, socket.gaierror):
        return "the name does not resolve"
    if isinstance(exc, http.client.RemoteDisconnected):
        return "the connection was closed without an answer"
    if isinstance(exc, http.client.IncompleteRead):
        return f"the answer was cut off with {exc.expected or 'more'} bytes to come"
    if isinstance(exc, OSError) and exc.errno is None:
        return str(exc)
    # The server's own words may be in it.
    return f"{type(exc).__name__}: {said.beginning(str(exc), _WORDS_CHARACTERS)}"
