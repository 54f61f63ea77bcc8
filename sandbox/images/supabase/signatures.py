"""Signatures of tokens, by a secret (HS256) and by a key on the curve P-256 (ES256), with nothing but Python.

Not in constant time: it is for a stand-in.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any

# The curve P-256 of FIPS 186-4.
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_Point = tuple[int, int] | None


def _sum(one: _Point, other: _Point) -> _Point:
    if one is None or other is None:
        return one or other
    if one[0] == other[0]:
        if (one[1] + other[1]) % _P == 0:
            return None
        slope = (3 * one[0] * one[0] - 3) * pow(2 * one[1], -1, _P) % _P
    else:
        slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, _P) % _P
    x = (slope * slope - one[0] - other[0]) % _P
    return x, (slope * (one[0] - x) - one[1]) % _P


def _times(number: int, point: _Point) -> _Point:
    found: _Point = None
    while number:
        found = _sum(found, point) if number & 1 else found
        point, number = _sum(point, point), number >> 1
    return found


def new_private() -> int:
    return secrets.randbelow(_N - 1) + 1


def public_jwk(private: int, kid: str) -> dict[str, Any]:
    x, y = _times(private, _G) or (0, 0)
    point = {"x": encoded(x.to_bytes(32, "big")), "y": encoded(y.to_bytes(32, "big"))}
    return {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "key_ops": ["verify"], "kid": kid, **point}


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def part(token: str, number: int) -> dict[str, Any]:
    """Header (0) or claims (1), whoever has signed them. Raises ValueError when it is no token."""
    found = json.loads(base64.urlsafe_b64decode(token.split(".")[number] + "=="))
    if not isinstance(found, dict):
        raise ValueError("no token")
    return found


def signed(claims: Mapping[str, Any], secret: str | int, kid: str = "") -> str:
    """``secret``: a text for HS256, a private key for ES256."""
    header = {"alg": "HS256" if isinstance(secret, str) else "ES256", "typ": "JWT", **({"kid": kid} if kid else {})}
    head = ".".join(encoded(json.dumps(one).encode()) for one in (header, claims))
    return f"{head}.{encoded(_signature(head, secret))}"


def is_signed(token: str, secret: str | int) -> bool:
    head, _, signature = token.rpartition(".")
    given = base64.urlsafe_b64decode(signature + "==")
    if isinstance(secret, str):
        return hmac.compare_digest(given, _signature(head, secret))
    r, s = int.from_bytes(given[:32], "big"), int.from_bytes(given[32:], "big")
    if len(given) != 64 or not (0 < r < _N and 0 < s < _N):
        return False
    inverse = pow(s, -1, _N)
    point = _sum(_times(_digest(head) * inverse % _N, _G), _times(r * inverse % _N, _times(secret, _G)))
    return point is not None and point[0] % _N == r


def _digest(head: str) -> int:
    return int.from_bytes(hashlib.sha256(head.encode()).digest(), "big")


def _signature(head: str, secret: str | int) -> bytes:
    if isinstance(secret, str):
        return hmac.digest(secret.encode(), head.encode(), "sha256")
    while True:
        k = new_private()
        point = _times(k, _G)
        r = point[0] % _N if point else 0
        s = pow(k, -1, _N) * (_digest(head) + r * secret) % _N
        if r and s:
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
