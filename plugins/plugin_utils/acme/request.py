# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and what is made of them. Needs ``cryptography``, which the controller has from ansible-core."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


@dataclass(frozen=True)
class Request:
    """A key of its own for each certificate, and what an authority is asked to sign, in PEM."""

    key: str
    csr: str


def make(names: Sequence[str]) -> Request:
    key = ec.generate_private_key(ec.SECP256R1())
    wanted = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(wanted, critical=True)
    csr = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    return Request(_private(key), csr)


def placeholder(now: datetime) -> str:
    """A certificate with its key that no browser takes and that has ended: HAProxy starts with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "no certificate was issued yet")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=2)).not_valid_after(now - timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode() + _private(key)


def key_problem(text: object) -> str:
    """Why ``text`` is no account's key, without a part of it; empty when it is one."""
    try:
        _loaded(str(text))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "is not a private key in PEM without a passphrase, of RSA or on the curve P-256, P-384 or P-521"
    return ""


def thumbprint(text: str) -> str:
    """RFC 7638, of the public key that belongs to a private one."""
    public = _loaded(text).public_key()
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        words = {"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}
    else:
        point, size = public.public_numbers(), (public.key_size + 7) // 8
        words = {"crv": _CURVES[public.curve.name], "kty": "EC", "x": _number(point.x, size), "y": _number(point.y, size)}
    return _base64(hashlib.sha256(json.dumps(words, sort_keys=True, separators=(",", ":")).encode()).digest())


def _loaded(text: str) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(text.encode(), password=None)
    if isinstance(key, rsa.RSAPrivateKey) or (isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES):
        return key
    raise ValueError("another kind of key")


def _private(key: ec.EllipticCurvePrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def _number(value: int, size: int = 0) -> str:
    return _base64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
