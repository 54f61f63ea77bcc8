"""A private certificate authority and one certificate for each public name."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sandbox.files import write_file
from sandbox.shell import run, succeeds
from sandbox.world import HOSTS

_AUTHORITY_DAYS = 3650
_CERTIFICATE_DAYS = 825
_DAY_SECONDS = 86400
_KEY_OPTIONS = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-sha256")


def ensure_certificates(state: Path) -> str:
    """ca.pem and tls/<domain>.pem exist, belong together and are valid for at least another day."""
    authority, key = state / "ca.pem", state / "ca.key"
    if not (key.exists() and _is_valid(authority, authority)):
        _make_authority(authority, key)
    made = []
    for domain in dict.fromkeys(host.domain for host in HOSTS):
        bundle = state / "tls" / f"{domain}.pem"
        if not _is_valid(bundle, authority):
            hosts = [host for host in HOSTS if host.domain == domain]
            below = [f"*.{domain}"] if any(host.wildcard for host in hosts) else []
            _make_certificate(bundle, authority, key, [domain, *below, *(host.name for host in hosts)])
            made.append(domain)
    return f"made for {', '.join(made)}" if made else "reused"


def _is_valid(certificate: Path, authority: Path) -> bool:
    """`verify` reads the first certificate of a bundle: the leaf."""
    return succeeds("openssl", "verify", "-CAfile", authority, certificate) and succeeds(
        "openssl", "x509", "-in", certificate, "-noout", "-checkend", str(_DAY_SECONDS)
    )


def _make_authority(authority: Path, key: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        run(
            *("openssl", "req", "-x509", *_KEY_OPTIONS, "-days", str(_AUTHORITY_DAYS), "-subj", "/CN=Sandbox CA"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *("-keyout", directory / "key", "-out", directory / "certificate"),
            what="Making the certificate authority",
        )
        write_file(key, (directory / "key").read_text())
        write_file(authority, (directory / "certificate").read_text(), mode=0o644)


def _make_certificate(bundle: Path, authority: Path, authority_key: Path, names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        extensions = directory / "extensions"
        extensions.write_text(
            f"subjectAltName={','.join(f'DNS:{san}' for san in names)}\n"
            "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
        )
        what = f"Making the certificate of {names[0]}"
        run(
            *("openssl", "req", *_KEY_OPTIONS, "-subj", f"/CN={names[0]}"),
            *("-keyout", directory / "key", "-out", directory / "request"),
            what=what,
        )
        run(
            *("openssl", "x509", "-req", "-in", directory / "request", "-days", str(_CERTIFICATE_DAYS), "-sha256"),
            *("-CA", authority, "-CAkey", authority_key, "-extfile", extensions, "-out", directory / "certificate"),
            what=what,
        )
        parts = (directory / "certificate", authority, directory / "key")
        write_file(bundle, "".join(part.read_text() for part in parts))
