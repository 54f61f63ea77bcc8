"""Against real sockets: every server here is a thread on 127.0.0.1 that misbehaves in its own way."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import Endpoint
from ansible_collections.morpheus.deploy.plugins.module_utils.health.http import ANSWER_LIMIT_BYTES, BODY_LIMIT_BYTES, HttpProbe
from ansible_collections.morpheus.deploy.plugins.module_utils.health.seen import Answer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# What a probe may take beyond its timeout on a slow machine, and in how many attempts one has to.
SLACK_SECONDS = 0.5
ATTEMPTS = 5
PATIENCE_SECONDS = 10.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"

Handler = Callable[[socket.socket, threading.Event], None]


class Server:
    """Gives each connection to ``handler`` in a thread of its own; ``over`` is set when the test has ended."""

    def __init__(self, handler: Handler, backlog: int = 16) -> None:
        self.over = threading.Event()
        self._handler = handler
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self._listening.settimeout(0.05)
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while not self.over.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listening.accept()
                thread = threading.Thread(target=self._handle, args=[connection], daemon=True)
                self._threads.append(thread)
                thread.start()

    def _handle(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self._handler(connection, self.over)

    def close(self) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join(5)
        self._listening.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Handler], Server]]:
    servers: list[Server] = []

    def start(handler: Handler) -> Server:
        servers.append(Server(handler))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def answering(*parts: bytes) -> Handler:
    """Reads the request, then sends the answer as it stands."""

    def handle(connection: socket.socket, over: threading.Event) -> None:
        _read_request(connection)
        for part in parts:
            connection.sendall(part)

    return handle


def dripping(beginning: bytes, part: bytes, every_seconds: float = 0.05) -> Handler:
    """Never falls silent for long, and ends long after everybody should have lost patience."""

    def handle(connection: socket.socket, over: threading.Event) -> None:
        _read_request(connection)
        connection.sendall(beginning)
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end and not over.wait(every_seconds):
            connection.sendall(part)

    return handle


def hanging(connection: socket.socket, over: threading.Event) -> None:
    over.wait(PATIENCE_SECONDS)


def closing(connection: socket.socket, over: threading.Event) -> None:
    _read_request(connection)


def resetting(connection: socket.socket, over: threading.Event) -> None:
    _read_request(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data and (chunk := connection.recv(4096)):
        data += chunk
    return data


def probe(port: int, timeout: float = 5.0, path: str = "/health", **endpoint: str) -> Answer:
    return HttpProbe()(Endpoint("api-1", f"http://127.0.0.1:{port}{path}", **endpoint), timeout)  # type: ignore[arg-type]


def test_a_good_answer_has_status_body_and_seconds(serve: Callable[[Handler], Server]) -> None:
    answer = probe(serve(answering(OK)).port)
    assert (answer.status, answer.body, answer.error) == (200, b"ok", "")
    assert 0 < answer.seconds < 5


def test_a_status_other_than_200_is_an_answer_like_any_other(serve: Callable[[Handler], Server]) -> None:
    answer = probe(serve(answering(b"HTTP/1.1 503 No\r\nContent-Length: 9\r\n\r\nmigrating")).port)
    assert (answer.status, answer.body, answer.error) == (503, b"migrating", "")


def test_a_chunked_body_is_put_together(serve: Callable[[Handler], Server]) -> None:
    parts = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\n{}\r\n", b"1\r\n \r\n0\r\n\r\n")
    assert probe(serve(answering(*parts)).port).body == b"{} "


def test_a_body_that_ends_with_the_connection_is_read_to_its_end(serve: Callable[[Handler], Server]) -> None:
    assert probe(serve(answering(b"HTTP/1.0 200 OK\r\n\r\n", b"until ", b"the end")).port).body == b"until the end"


def test_a_redirect_is_seen_and_not_followed(serve: Callable[[Handler], Server]) -> None:
    elsewhere = serve(answering(OK))
    location = f"http://127.0.0.1:{elsewhere.port}/".encode()
    answer = probe(serve(answering(b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n")).port)
    assert (answer.status, answer.error) == (302, "")


def test_a_huge_body_is_read_only_up_to_the_limit(serve: Callable[[Handler], Server]) -> None:
    length = 50_000_000
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length
    answer = probe(serve(answering(head, b"x" * length)).port)
    assert (answer.status, len(answer.body), answer.error) == (200, BODY_LIMIT_BYTES, "")


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "a body": (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
    "a chunk of a negative length": (CHUNKED + b"-1\r\n", b"x" * 65536),
    "a chunk that is longer than anything": (CHUNKED + b"f" * 4000 + b"\r\n", b"x" * 65536),
    "chunks": (CHUNKED, b"1\r\nx\r\n" * 1000),
    "trailers": (CHUNKED + b"0\r\n", b"X: y\r\n" * 1000),
    "a header": (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65536),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000),
    "answers before the answer": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "a status line": (b"HTTP/1.1 200 ", b"x" * 65536),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_of_an_answer_without_end_little_is_read(serve: Callable[[Handler], Server], name: str) -> None:
    """Whatever the protocol lets a server send on and on: root's memory is not the application's."""
    beginning, part = ENDLESS[name]
    sent = 0

    def handle(connection: socket.socket, over: threading.Event) -> None:
        nonlocal sent
        _read_request(connection)
        # What the kernel holds for both ends is not read.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        connection.sendall(beginning)
        while not over.is_set():
            connection.sendall(part)
            sent += len(part)

    answer = probe(serve(handle).port, timeout=2.0)
    assert len(answer.body) <= BODY_LIMIT_BYTES
    assert sent < 32 * ANSWER_LIMIT_BYTES
    assert len(answer.error) < 300


def test_what_a_server_says_instead_of_a_status_is_short_and_steers_no_terminal(serve: Callable[[Handler], Server]) -> None:
    answer = probe(serve(answering(b"HTTP/1.1 \x1b]0;owned\x07" + b"A" * 60000 + b"\r\n\r\n")).port)
    assert answer.error.startswith("BadStatusLine: HTTP/1.1 \\x1b]0;owned\\x07AAA")
    assert len(answer.error) < 300


def test_a_refused_connection_is_said_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert probe(port).error == "connection refused"


SILENT = [
    pytest.param(closing, "the connection was closed without an answer", id="closed"),
    pytest.param(resetting, "ConnectionResetError: [Errno 104] Connection reset by peer", id="reset"),
    pytest.param(answering(b"SSH-2.0-OpenSSH_9.2\r\n"), "BadStatusLine: SSH-2.0-OpenSSH_9.2", id="not HTTP"),
]


@pytest.mark.parametrize(("handler", "error"), SILENT)
def test_what_is_no_answer_is_an_error_in_words(serve: Callable[[Handler], Server], handler: Handler, error: str) -> None:
    answer = probe(serve(handler).port)
    assert (answer.status, answer.body) == (0, b"")
    assert answer.error.strip() == error.strip()


TRUNCATED = [
    pytest.param(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"), id="shorter than its Content-Length"),
    pytest.param(
        answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nonly this"), id="in the middle of a chunk"
    ),
]


@pytest.mark.parametrize("handler", TRUNCATED)
def test_an_answer_that_was_cut_off_is_no_good_answer(serve: Callable[[Handler], Server], handler: Handler) -> None:
    assert probe(serve(handler).port).error


SLOW = [
    pytest.param(hanging, id="accepts and never answers"),
    pytest.param(dripping(b"HTTP/1.1 200 OK\r\nX-Drip: ", b"x"), id="drips its header"),
    pytest.param(dripping(b"HTTP/1.1 200 OK\r\n", b"X-Drip: x\r\n"), id="drips header after header"),
    pytest.param(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"), id="drips its body"),
    pytest.param(dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), id="drips its chunks"),
    pytest.param(dripping(b"HTTP/1.0 200 OK\r\n\r\n", b"x"), id="drips a body without an end"),
    pytest.param(dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="says for ever that it will continue"),
]


def assert_in_time(answer: Answer, took: float, timeout: float) -> None:
    assert answer.error == f"no complete answer within {timeout:.1f} s"
    assert (answer.status, answer.body) == (0, b"")
    assert timeout <= took < timeout + SLACK_SECONDS


def assert_cut_off(asks: Callable[[], Answer], timeout: float) -> None:
    """A machine that does other work may keep the processor from one attempt; a probe that takes too long does so in each."""
    for _ in range(ATTEMPTS):
        start = time.monotonic()
        answer, took = asks(), time.monotonic() - start
        if took < timeout + SLACK_SECONDS:
            break
    assert_in_time(answer, took, timeout)


@pytest.mark.parametrize("handler", SLOW)
def test_no_answer_takes_longer_than_its_timeout(serve: Callable[[Handler], Server], handler: Handler) -> None:
    server = serve(handler)
    assert_cut_off(lambda: probe(server.port, 0.3), 0.3)


def test_the_time_to_connect_counts_too() -> None:
    """A listening socket whose queue is full leaves the connection waiting for the kernel's next try after a second."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = listening.getsockname()[1]
        full = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        accepting = threading.Timer(0.5, lambda: stack.enter_context(listening.accept()[0]))
        accepting.start()
        start = time.monotonic()
        answer = probe(port, 1.3)
        took = time.monotonic() - start
        accepting.join()
        full.close()
    assert_in_time(answer, took, 1.3)


def test_it_asks_once_with_get_and_closes(serve: Callable[[Handler], Server]) -> None:
    seen: list[bytes] = []

    def handle(connection: socket.socket, over: threading.Event) -> None:
        seen.append(_read_request(connection))

    server = serve(handle)
    endpoint = Endpoint("api-1", f"http://127.0.0.1:{server.port}/health?deep=1", (("X-Probe", "gate"),))
    HttpProbe()(endpoint, 5)
    [request] = seen
    lines = request.decode().split("\r\n")
    assert lines[0] == "GET /health?deep=1 HTTP/1.1"
    assert {f"Host: 127.0.0.1:{server.port}", "Connection: close", "X-Probe: gate"} <= set(lines)


HOSTS = [
    pytest.param("http://www.example.com/", (), "Host: www.example.com", id="the port of the scheme is left out"),
    pytest.param("http://www.example.com:8080/", (), "Host: www.example.com:8080", id="another port is said"),
    pytest.param("http://www.example.com/", (("Host", "other"),), "Host: other", id="a given header counts"),
]


@pytest.mark.parametrize(("url", "headers", "line"), HOSTS)
def test_an_address_overrides_where_the_connection_goes_but_not_who_is_asked_for(
    serve: Callable[[Handler], Server], url: str, headers: tuple[tuple[str, str], ...], line: str
) -> None:
    seen: list[bytes] = []

    def handle(connection: socket.socket, over: threading.Event) -> None:
        seen.append(_read_request(connection))
        connection.sendall(OK)

    address = f"127.0.0.1:{serve(handle).port}"
    assert HttpProbe()(Endpoint("edge", url, headers, address), 5).status == 200
    hosts = [header for header in seen[0].decode().split("\r\n") if header.lower().startswith("host:")]
    assert hosts == [line]


def test_an_ipv6_address_is_understood_with_and_without_a_port() -> None:
    try:
        listening = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    port = listening.getsockname()[1]
    listening.close()
    for url, address in ((f"http://www.example.com:{port}/", "::1"), ("http://www.example.com/", f"[::1]:{port}")):
        assert HttpProbe()(Endpoint("edge", url, address=address), 5).error == "connection refused"


UNUSABLE = [
    pytest.param("http://127.0.0.1:99999/", (), id="a port that is none"),
    pytest.param("http://127.0.0.1:http/", (), id="a port that is a word"),
    pytest.param("http://a..b/", (), id="a host with an empty label"),
    pytest.param(f"http://{'a' * 64}.example/", (), id="a label that is too long"),
    pytest.param("http://[::1/", (), id="an open bracket"),
    pytest.param("http://127.0.0.1:PORT/h\u00e9alth", (), id="a path that is not ASCII"),
    pytest.param("http://127.0.0.1:PORT/with space", (), id="a path with a space"),
    pytest.param("http://127.0.0.1:PORT/", (("X-Bad", "a\r\nb: c"),), id="a header with a line break"),
    pytest.param("http:///health", (), id="no host"),
]


@pytest.mark.parametrize(("url", "headers"), UNUSABLE)
def test_a_url_that_cannot_be_asked_is_an_error_and_never_an_exception(
    serve: Callable[[Handler], Server], url: str, headers: tuple[tuple[str, str], ...]
) -> None:
    port = serve(answering(OK)).port
    answer = HttpProbe()(Endpoint("api-1", url.replace("PORT", str(port)), headers), 5)
    assert answer.error
    assert answer.status == 0


@dataclass(frozen=True)
class Certificates:
    """A private CA, and a certificate and key that it signed for 127.0.0.1 and www.example.com."""

    ca: Path
    chain: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    directory = tmp_path_factory.mktemp("pki")
    now = datetime.datetime.now(datetime.UTC)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name, name = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in ("test CA", "test server"))

    def certificate(subject: x509.Name, public: ec.EllipticCurvePublicKey, *extensions: x509.ExtensionType) -> bytes:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(ca_name).public_key(public)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    paths = Certificates(directory / "ca.pem", directory / "server.pem", directory / "server.key")
    # Python 3.13 insists on both identifiers and on what an authority's key may be used for.
    subject_key = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    paths.ca.write_bytes(certificate(ca_name, ca_key.public_key(), x509.BasicConstraints(True, None), subject_key, usage))
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject_key)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("www.example.com")])
    paths.chain.write_bytes(certificate(name, key.public_key(), names, issuer))
    paths.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def encrypted(certificates: Certificates, handler: Handler) -> Handler:
    context = certificates.server_context()

    def handle(connection: socket.socket, over: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True) as stream:
            handler(stream, over)

    return handle


def test_https_is_asked_with_the_name_in_the_url_wherever_the_connection_goes(
    serve: Callable[[Handler], Server], certificates: Certificates
) -> None:
    seen: list[bytes] = []

    def handle(connection: socket.socket, over: threading.Event) -> None:
        seen.append(_read_request(connection))
        connection.sendall(OK)

    address = f"127.0.0.1:{serve(encrypted(certificates, handle)).port}"
    answer = HttpProbe(str(certificates.ca))(Endpoint("edge", "https://www.example.com/", address=address), 5)
    assert (answer.status, answer.body, answer.error) == (200, b"ok", "")
    hosts = [line for line in seen[0].decode().split("\r\n") if line.lower().startswith("host:")]
    assert hosts == ["Host: www.example.com"]


def test_a_certificate_of_an_unknown_ca_is_not_accepted(serve: Callable[[Handler], Server], certificates: Certificates) -> None:
    port = serve(encrypted(certificates, answering(OK))).port
    answer = HttpProbe()(Endpoint("edge", f"https://127.0.0.1:{port}/"), 5)
    assert answer.error == "the certificate is not accepted: unable to get local issuer certificate"
    assert answer.status == 0


def test_a_certificate_for_another_name_is_not_accepted(serve: Callable[[Handler], Server], certificates: Certificates) -> None:
    address = f"127.0.0.1:{serve(encrypted(certificates, answering(OK))).port}"
    answer = HttpProbe(str(certificates.ca))(Endpoint("edge", "https://other.example.com/", address=address), 5)
    assert answer.error == (
        "the certificate is not accepted: Hostname mismatch, certificate is not valid for 'other.example.com'."
    )


def test_a_ca_file_that_does_not_exist_is_an_error_in_words(serve: Callable[[Handler], Server], tmp_path: Path) -> None:
    port = serve(hanging).port
    answer = HttpProbe(str(tmp_path / "none.pem"))(Endpoint("edge", f"https://127.0.0.1:{port}/"), 5)
    assert "No such file or directory" in answer.error


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(hanging, id="never answers"),
        pytest.param(dripping(b"HTTP/1.1 200 OK\r\nX-Drip: ", b"x"), id="drips its header"),
        pytest.param(dripping(b"HTTP/1.0 200 OK\r\n\r\n", b"x"), id="drips its body"),
    ],
)
def test_tls_does_not_give_an_answer_more_time(
    serve: Callable[[Handler], Server], certificates: Certificates, handler: Handler
) -> None:
    port = serve(encrypted(certificates, handler)).port
    assert_cut_off(lambda: HttpProbe(str(certificates.ca))(Endpoint("edge", f"https://127.0.0.1:{port}/"), 0.4), 0.4)


def test_a_tls_handshake_that_never_ends_is_cut_off(serve: Callable[[Handler], Server]) -> None:
    port = serve(hanging).port
    assert_cut_off(lambda: HttpProbe()(Endpoint("edge", f"https://127.0.0.1:{port}/"), 0.3), 0.3)
