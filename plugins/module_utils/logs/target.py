# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where lines go: a syslog server over TCP or TLS, or Loki. OSError says that it is away; what it refuses is said and left."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.morpheus.deploy.plugins.module_utils.logs import entry as entries
from ansible_collections.morpheus.deploy.plugins.module_utils.logs.entry import Entry

_SECONDS = 20.0
# A server that wants TLS, or a certificate, closes a connection that brings none as soon as it has read something.
_SETTLES_SECONDS = 1.0
_PUSH = "/loki/api/v1/push"
# Loki asks for less, or for the same once more; every other 4xx would be answered the same for ever.
_AGAIN = (408, 429)

Send = Callable[[Sequence[Entry]], str]


def of(config: Mapping[str, Any]) -> Send:
    """What sends lines, and returns why some were refused; empty when none was."""
    return Loki(config) if config["target"] == "loki" else Syslog(config)


def _context(config: Mapping[str, Any]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=config.get("ca_path") or None)


@contextmanager
def _by_tls(place: str) -> Iterator[None]:
    """OpenSSL's words for what is wrong name neither the server nor what to do."""
    try:
        yield
    except ssl.SSLCertVerificationError as exc:
        why = exc.verify_message.rstrip(".")
        raise OSError(f"the certificate of {place} is not trusted: {why}; logs_ca_path names who signed it") from exc
    except ssl.SSLError as exc:
        raise OSError(f"{place} speaks no TLS, or none that this host does: {exc}") from exc


class Syslog:
    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._socket: socket.socket | None = None
        # A server of syslog confirms nothing: what was sent before a connection was lost may be lost with it.
        self._unsure: Sequence[Entry] = ()

    def __call__(self, lines: Sequence[Entry]) -> str:
        try:
            if self._socket is None or self._end(self._socket, within=0.0):
                self._close()
                self._socket = self._connect()
                self._write(self._socket, [*self._unsure, *lines])
                if end := self._end(self._socket, _SETTLES_SECONDS):
                    place = self._config["address"]
                    wants = "a certificate of this host" if self._config["tls"] else "TLS, which is logs_tls"
                    raise OSError(f"{place} takes a connection and {end}: perhaps it wants {wants}")
            else:
                self._write(self._socket, lines)
        except OSError:
            self._close()
            raise
        self._unsure = tuple(lines)
        return ""

    def _write(self, connection: socket.socket, lines: Sequence[Entry]) -> None:
        connection.sendall(b"".join(entries.syslog(line, self._config["about"]) for line in lines))

    def _connect(self) -> socket.socket:
        place = (self._config["host"], int(self._config["port"]))
        connection = socket.create_connection(place, timeout=_SECONDS)
        if not self._config["tls"]:
            return connection
        try:
            with _by_tls(self._config["address"]):
                return _context(self._config).wrap_socket(connection, server_hostname=place[0])
        except TimeoutError as exc:
            raise OSError(f"{self._config['address']} takes a connection and answers no TLS within {_SECONDS:g} s") from exc

    def _end(self, connection: socket.socket, within: float) -> str:
        """How the server has ended the connection; empty while it has not. It says nothing, so what can be read is its end."""
        connection.settimeout(within)
        try:
            return "" if connection.recv(1) else "closes it"
        except (BlockingIOError, TimeoutError, ssl.SSLWantReadError):
            return ""
        except OSError as exc:
            return f"ends it ({exc})"
        finally:
            connection.settimeout(_SECONDS)

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Loki:
    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._url = urlsplit(config["url"])
        self._headers = {"Content-Type": "application/json"}
        if config.get("tenant"):
            self._headers["X-Scope-OrgID"] = config["tenant"]
        if config.get("user"):
            login = f"{config['user']}:{config.get('password', '')}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(login).decode()}"

    def __call__(self, lines: Sequence[Entry]) -> str:
        connection = self._connection()
        try:
            body = entries.loki(lines, self._config["about"])
            with _by_tls(self._url.netloc):
                connection.request("POST", self._url.path.rstrip("/") + _PUSH, body, self._headers)
            answer = connection.getresponse()
            said = answer.read(500).decode(errors="replace").strip()
        except http.client.HTTPException as exc:
            raise OSError(f"it does not speak HTTP: {type(exc).__name__}") from exc
        finally:
            connection.close()
        if 200 <= answer.status < 300:
            return ""
        # Neither a login that is not right yet nor a wrong address is the line's fault.
        if answer.status in _AGAIN or answer.status >= 500 or answer.status in (301, 302, 307, 308, 401, 403, 404):
            raise OSError(f"it answers HTTP {answer.status}: {said}")
        return f"it refuses {len(lines)} lines with HTTP {answer.status}: {said}"

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=_SECONDS, context=_context(self._config))
        return http.client.HTTPConnection(host, port, timeout=_SECONDS)
