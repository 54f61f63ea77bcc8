# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a Postgres server talks to this address at all: the beginning of a connection, up to where it asks for a password.

A hosted database refuses addresses in two ways: nothing is connected, or the pooler answers with an error before it asks.
"""

from __future__ import annotations

import socket
import ssl
import struct
from dataclasses import dataclass

from ansible_collections.morpheus.deploy.plugins.module_utils.words import said

ASKED, REFUSED, UNKNOWN = "asked", "refused", "unknown"
_TLS_CODE, _PROTOCOL = 80877103, 196608
# "no pg_hba.conf entry", and what Supabase's pooler says of an address that its project does not let in.
_OF_ADDRESS = ("pg_hba.conf", "not in tenant allow_list", "address not allowed", "not allowed to connect")
_LARGEST = 16384


@dataclass(frozen=True)
class Greeting:
    """``outcome``: ASKED for a password, REFUSED this address, or UNKNOWN."""

    outcome: str
    detail: str


def greet(host: str, port: int, user: str, timeout: float) -> Greeting:
    try:
        with socket.create_connection((host, port), timeout=timeout) as raw:
            return _talk(raw, user)
    except socket.gaierror:
        return Greeting(UNKNOWN, f"the name {host} does not resolve")
    except TimeoutError:
        return Greeting(REFUSED, f"no connection within {timeout:g} s")
    except ssl.SSLError as exc:
        return Greeting(UNKNOWN, f"TLS failed: {exc.reason or type(exc).__name__}")
    except OSError as exc:
        return Greeting(REFUSED, f"no connection: {exc.strerror or type(exc).__name__}")


def _talk(raw: socket.socket, user: str) -> Greeting:
    raw.sendall(struct.pack("!ii", 8, _TLS_CODE))
    answer = raw.recv(1)
    if not answer:
        return Greeting(REFUSED, "the connection was closed at once")
    if answer == b"S":
        # Nothing secret is sent, and who answers is what is asked.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return _start(context.wrap_socket(raw), user)
    return _start(raw, user)


def _start(stream: socket.socket, user: str) -> Greeting:
    words = b"".join(part.encode() + b"\0" for part in ("user", user, "database", "postgres")) + b"\0"
    stream.sendall(struct.pack("!ii", len(words) + 8, _PROTOCOL) + words)
    head = _exactly(stream, 5)
    if len(head) < 5:
        return Greeting(REFUSED, "the connection was closed without an answer")
    kind, length = head[:1], struct.unpack("!i", head[1:])[0]
    if kind == b"R":
        is_open = _exactly(stream, 4) == b"\0\0\0\0"
        return Greeting(ASKED, "it asks for no password" if is_open else "it asks for a password")
    if kind != b"E":
        return Greeting(UNKNOWN, "the answer is not one of Postgres")
    message = _message(_exactly(stream, min(length - 4, _LARGEST)))
    is_of_address = any(part in message.lower() for part in _OF_ADDRESS)
    return Greeting(REFUSED if is_of_address else UNKNOWN, f'it says "{message}"')


def _exactly(stream: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size and (part := stream.recv(size - len(found))):
        found += part
    return found


def _message(fields: bytes) -> str:
    found = next((part[1:] for part in fields.split(b"\0") if part[:1] == b"M"), b"")
    return said.beginning(found.decode("utf-8", "replace"), 200)
