from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import tls as tls_probe
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.tls import judge
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import certificate

from tests.unit import certificates

Serve = Callable[[ssl.TLSVersion, ssl.TLSVersion], int]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a real TLS server that speaks these versions; gives its port."""
    chain, key = certificates.make(["site.example"])
    (tmp_path / "site.pem").write_text(chain + key)
    servers = []

    def start(lowest: ssl.TLSVersion, highest: ssl.TLSVersion) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "site.pem")
        # Without this OpenSSL speaks no old version, whatever is asked for.
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = lowest, highest
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    connection.close()

        threading.Thread(target=answer, daemon=True).start()
        return int(server.getsockname()[1])

    yield start
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize(
    ("lowest", "highest", "accepted"),
    [
        (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3, ["TLSv1.2", "TLSv1.3"]),
        (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_2, ["TLSv1.0", "TLSv1.1", "TLSv1.2"]),
        (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1, ["TLSv1.1"]),
        (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3, ["TLSv1.3"]),
    ],
    ids=["new ones", "old ones too", "an old one only", "the newest only"],
)
def test_a_server_speaks_exactly_what_it_was_told(
    serve: Serve, lowest: ssl.TLSVersion, highest: ssl.TLSVersion, accepted: list[str]
) -> None:
    found = tls_probe.protocols("127.0.0.1", serve(lowest, highest), "site.example", 5.0)
    assert [version for version, answer in found.items() if answer == "accepted"] == accepted
    assert set(found.values()) <= {"accepted", "refused"}


def test_the_certificate_is_shown_whoever_signed_it(serve: Serve) -> None:
    port = serve(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    shown = certificate.read(tls_probe.certificate("127.0.0.1", port, "site.example", 5.0))
    assert shown.names == ("site.example",)
    assert shown.subject == "CN=test"


def test_nobody_at_the_port_is_neither_yes_nor_no() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert set(tls_probe.protocols("127.0.0.1", port, "site.example", 1.0).values()) == {"unknown"}
    with pytest.raises(OSError, match="refused"):
        tls_probe.certificate("127.0.0.1", port, "site.example", 1.0)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (b"", "refused"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "refused"),
        (b"\x16\x03\x01\x00\x31\x02\x00\x00\x2d\x03\x01", "accepted"),
        (b"\x16\x03\x01\x00\x31\x02\x00\x00\x2d\x03\x03", "refused"),
        (b"HTTP/1.1 400", "unknown"),
        (b"\x16\x03\x01", "unknown"),
    ],
)
def test_the_first_bytes_of_an_answer_are_judged(answer: bytes, verdict: str) -> None:
    assert judge(answer, 0x0301) == verdict


@pytest.mark.parametrize(
    ("names", "site", "good"),
    [
        (["a.example"], "A.example", True),
        (["*.example.org"], "a.example.org", True),
        (["*.example.org"], "a.b.example.org", False),
        (["*.example.org"], "example.org", False),
        ([], "a.example", False),
    ],
)
def test_a_certificate_is_for_the_sites_that_it_names(names: list[str], site: str, good: bool) -> None:
    assert certificate.read(certificates.make(names)[0]).is_for(site) is good


def test_what_is_no_certificate_is_refused() -> None:
    with pytest.raises(ValueError, match="PEM"):
        certificate.read("nothing")
