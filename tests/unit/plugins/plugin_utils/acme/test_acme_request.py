"""Thumbprints as the standard has them, and what HAProxy starts with."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.acme import request
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import certificate
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

PEM, FORM, OLD_FORM = (
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.PrivateFormat.TraditionalOpenSSL,
)
OPEN = serialization.NoEncryption()
PUBLIC = serialization.PublicFormat.SubjectPublicKeyInfo


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.private_bytes(PEM, FORM, OPEN).decode()


@pytest.mark.parametrize("key", [ec.derive_private_key(1, curve()) for curve in (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)])
def test_a_thumbprint_is_that_of_the_public_key_alone(key: ec.EllipticCurvePrivateKey) -> None:
    found = request.thumbprint(pem(key))
    assert len(found) == 43
    assert found == request.thumbprint(key.private_bytes(PEM, OLD_FORM, OPEN).decode())


def test_the_thumbprint_of_an_rsa_key_is_another_one() -> None:
    key = rsa.generate_private_key(65537, 2048)
    assert len({request.thumbprint(pem(one)) for one in (key, ec.derive_private_key(1, ec.SECP256R1()))}) == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "canary",
        pem(ed25519.Ed25519PrivateKey.generate()),
        pem(ec.generate_private_key(ec.SECP256K1())),
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode(),
        ec.generate_private_key(ec.SECP256R1()).private_bytes(PEM, FORM, serialization.BestAvailableEncryption(b"word")).decode(),
    ],
    ids=["empty", "words", "ed25519", "secp256k1", "public", "passphrase"],
)
def test_what_no_authority_takes_for_an_account_is_told_without_a_part_of_it(text: str) -> None:
    assert "is not a private key" in request.key_problem(text)
    assert "canary" not in request.key_problem(text)


def test_each_request_has_a_key_of_its_own_and_all_names() -> None:
    first, second = (request.make(["www.example.com", "*.example.com"]) for _ in range(2))
    assert first.key != second.key
    csr = x509.load_pem_x509_csr(first.csr.encode())
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    assert names == ["www.example.com", "*.example.com"]
    assert serialization.load_pem_private_key(first.key.encode(), None).public_key() == csr.public_key()


def test_a_placeholder_has_ended_and_is_for_nobody() -> None:
    now = datetime.now(UTC)
    text = request.placeholder(now)
    found = certificate.read(text)
    assert found.expires < now
    assert found.names == ()
    assert text.count("PRIVATE KEY") == 2
