# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a TLS server shows and accepts: its certificate, and which protocol versions.

Old versions are asked for with a greeting made by hand: a host's own TLS library refuses to speak them, and would take its own
refusal for the server's.
"""

from __future__ import annotations

import os
import socket
import ssl
import struct
from collections.abc import Mapping

ACCEPTED, REFUSED, UNKNOWN = "accepted", "refused", "unknown"
VERSIONS: Mapping[str, int] = {"TLSv1.0": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303}
_ALERT, _HANDSHAKE = 21, 22
_SERVER_HELLO = 2
# RSA and ECDSA, with SHA-1 for the old versions and AES-GCM for TLS 1.2.
_SUITES = (0xC02F, 0xC02B, 0xC030, 0xC02C, 0xC013, 0xC009, 0xC014, 0xC00A, 0x009C, 0x002F, 0x0035)
_GROUPS = (29, 23, 24)
_SIGNATURES = (0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0603, 0x0203, 0x0201)


def client_hello(version: int, name: str, random: bytes) -> bytes:
    """The first message of a client that speaks ``version`` and no other; ``random`` has 32 bytes."""
    server_name = name.encode("idna")
    extensions = [
        (0, _sized(struct.pack("!BH", 0, len(server_name)) + server_name)),
        (10, _sized(_numbers(_GROUPS))),
        (11, b"\1\0"),
        (13, _sized(_numbers(_SIGNATURES))),
    ]
    packed = b"".join(struct.pack("!HH", kind, len(body)) + body for kind, body in extensions)
    body = struct.pack("!H", version) + random + b"\0" + _sized(_numbers(_SUITES)) + b"\1\0" + _sized(packed)
    handshake = b"\1" + len(body).to_bytes(3, "big") + body
    return struct.pack("!BHH", _HANDSHAKE, 0x0301, len(handshake)) + handshake


def judge(answer: bytes, version: int) -> str:
    """Whether the first bytes of a server's answer mean that it speaks ``version``; a server that hangs up does not."""
    if not answer or answer[0] == _ALERT:
        return REFUSED
    if answer[0] == _HANDSHAKE and len(answer) >= 11 and answer[5] == _SERVER_HELLO:
        return ACCEPTED if struct.unpack("!H", answer[9:11])[0] == version else REFUSED
    return UNKNOWN


def protocols(address: str, port: int, name: str, timeout: float) -> dict[str, str]:
    """Version -> accepted, refused or unknown."""
    found = {label: _greet(address, port, name, version, timeout) for label, version in VERSIONS.items()}
    return {**found, "TLSv1.3": _speaks_newest(address, port, name, timeout)}


def certificate(address: str, port: int, name: str, timeout: float) -> str:
    """The server's own certificate as PEM. Raises OSError (an ssl.SSLError is one) when it shows none."""
    context = _context()
    with (
        socket.create_connection((address, port), timeout) as plain,
        context.wrap_socket(plain, server_hostname=name) as secured,
    ):
        return ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True) or b"")


def _greet(address: str, port: int, name: str, version: int, timeout: float) -> str:
    try:
        with socket.create_connection((address, port), timeout) as connection:
            connection.sendall(client_hello(version, name, os.urandom(32)))
            answer = b""
            while len(answer) < 11 and (chunk := connection.recv(64)):
                answer += chunk
    except ConnectionResetError:
        return REFUSED
    except OSError:
        return UNKNOWN
    return judge(answer, version)


def _speaks_newest(address: str, port: int, name: str, timeout: float) -> str:
    context = _context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        with socket.create_connection((address, port), timeout) as plain, context.wrap_socket(plain, server_hostname=name):
            return ACCEPTED
    except ssl.SSLError:
        return REFUSED
    except OSError:
        return UNKNOWN


def _context() -> ssl.SSLContext:
    """Verifies nothing: an expired certificate is to be looked at, and nothing is sent to its holder."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _numbers(values: tuple[int, ...]) -> bytes:
    return b"".join(struct.pack("!H", value) for value in values)


def _sized(content: bytes) -> bytes:
    return struct.pack("!H", len(content)) + content
