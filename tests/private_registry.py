"""A registry on this machine that lets nobody in without a login: Basic, or a token for it. It speaks as much of the published
registry API as an engine needs to pull, and holds images of a few bytes, or hands on what another registry has.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.client
import io
import json
import secrets
import ssl
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
_FORWARDED = ("Accept", "Range")
# Content-Length of a HEAD, which has no body.
_ANSWERED = ("Docker-Content-Digest", "Content-Length")


@dataclass
class Registry:
    """``way``: basic or token; ``upstream``: host:port of a registry without a login whose content it gives."""

    username: str
    password: str
    way: str = "basic"
    upstream: str = ""
    # /v2/... -> (media type, content)
    content: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    # Method and path of each request, with the name that it was let in by.
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    address: str = ""
    scheme: str = "http"

    @property
    def _bearer(self) -> str:
        return hashlib.sha256(f"{self.username}:{self.password}".encode()).hexdigest()

    def challenge(self) -> str:
        if self.way == "basic":
            return 'Basic realm="private"'
        return f'Bearer realm="{self.scheme}://{self.address}/token",service="private"'

    def user(self, header: str) -> str:
        """Whom ``header`` (Authorization) names; empty for nobody that this registry knows."""
        way, _, value = header.partition(" ")
        if self.way == "token":
            return self.username if (way, value) == ("Bearer", self._bearer) else ""
        return self._basic(way, value)

    def _basic(self, way: str, value: str) -> str:
        wanted = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return self.username if (way, value) == ("Basic", wanted) else ""

    def token(self, header: str, form: Mapping[str, list[str]]) -> str:
        """For a login, or for an identity token; empty for anybody else."""
        if form.get("grant_type") == ["refresh_token"]:
            return self._bearer if form.get("refresh_token") == [self.password] else ""
        way, _, value = header.partition(" ")
        return self._bearer if self._basic(way, value) else ""

    def put(self, name: str, tag: str, architecture: str = "amd64", *, listed: bool = False) -> str:
        """An image of one file; its digest. ``listed``: in a list of one platform, as builders for several push it."""
        # No engine has it already, whatever was pulled before.
        layer = _layer(f"{name}:{tag} {secrets.token_hex(8)}\n")
        packed = gzip.compress(layer, mtime=0)
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["/hello"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
        texts = {"config": json.dumps(config).encode(), "layer": packed}
        for text in texts.values():
            self.content[f"/v2/{name}/blobs/{_digest(text)}"] = ("application/octet-stream", text)
        types = {"config": "application/vnd.docker.container.image.v1+json"}
        layers = {"layer": "application/vnd.docker.image.rootfs.diff.tar.gzip"}
        parts = {key: _part(kind, texts[key]) for key, kind in {**types, **layers}.items()}
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": parts["config"], "layers": [parts["layer"]]}
        found = self._manifest(name, MANIFEST, json.dumps(manifest).encode(), "" if listed else tag)
        if not listed:
            return found
        size = len(json.dumps(manifest))
        one = {"mediaType": MANIFEST, "size": size, "digest": found, "platform": {"architecture": architecture, "os": "linux"}}
        listing = json.dumps({"schemaVersion": 2, "mediaType": LIST, "manifests": [one]}).encode()
        return self._manifest(name, LIST, listing, tag)

    def _manifest(self, name: str, kind: str, text: bytes, tag: str) -> str:
        for reference in (_digest(text), tag):
            if reference:
                self.content[f"/v2/{name}/manifests/{reference}"] = (kind, text)
        return _digest(text)


@contextmanager
def running(registry: Registry, address: str = "127.0.0.1", certificate: Path | None = None) -> Iterator[Registry]:
    """``certificate``: with its key in one file; without it the registry speaks plain HTTP, which engines do with 127.0.0.1."""
    server = _Server(address, registry)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        registry.scheme = "https"
        server.socket = context.wrap_socket(server.socket, server_side=True)
    registry.address = f"{address}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    def __init__(self, address: str, registry: Registry) -> None:
        super().__init__((address, 0), _Handler)
        self.registry = registry


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._respond()

    def do_HEAD(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""

    def _respond(self) -> None:
        registry, path, header = self.server.registry, urlsplit(self.path).path, self.headers.get("Authorization", "")
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        user = registry.user(header)
        registry.asked.append((self.command, path, user))
        if path == "/token":
            self._token(registry.token(header, form))
        elif not user:
            self._denied({"WWW-Authenticate": registry.challenge()})
        elif registry.upstream and path != "/v2/":
            self._forward(registry.upstream)
        else:
            self._own(registry, path)

    def _token(self, found: str) -> None:
        if found:
            self._json(200, {"token": found, "access_token": found})
        else:
            self._denied({})

    def _own(self, registry: Registry, path: str) -> None:
        if path == "/v2/":
            self._json(200, {})
        elif path in registry.content:
            kind, text = registry.content[path]
            self._answer(200, kind, text, {"Docker-Content-Digest": _digest(text)})
        else:
            self._json(404, {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]})

    def _denied(self, more: Mapping[str, str]) -> None:
        self._json(401, {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}, more)

    def _forward(self, upstream: str) -> None:
        asked = http.client.HTTPConnection(upstream, timeout=60)
        # An engine says what it takes in several headers of one name.
        said = {one: ", ".join(self.headers.get_all(one, [])) for one in _FORWARDED}
        asked.request(self.command, self.path, headers={name: value for name, value in said.items() if value})
        got = asked.getresponse()
        text = got.read()
        more = {name: got.headers[name] for name in _ANSWERED if got.headers[name]}
        self._answer(got.status, got.headers.get("Content-Type", ""), text, more)

    def _json(self, status: int, body: object, more: Mapping[str, str] | None = None) -> None:
        self._answer(status, "application/json", json.dumps(body).encode(), more)

    def _answer(self, status: int, kind: str, text: bytes, more: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(text)), **(more or {})}
        for name, value in {"Docker-Distribution-Api-Version": "registry/2.0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)


def _layer(text: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("hello")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def _part(kind: str, text: bytes) -> dict[str, object]:
    return {"mediaType": kind, "size": len(text), "digest": _digest(text)}


def _digest(text: bytes) -> str:
    return f"sha256:{hashlib.sha256(text).hexdigest()}"
