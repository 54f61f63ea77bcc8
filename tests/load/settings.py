"""What to send where. Each field is also an option of the command line, so that there is one list of them."""

from __future__ import annotations

import argparse
import dataclasses
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.load.paths import parse as parse_paths

LOOPBACK = "127.0.0.1"
HARD_MAXIMUM = {
    "seconds": 3600,
    "max_requests": 500_000,
    "rate_keepalive": 500,
    "rate_new": 100,
    "rate_slow": 100,
    "timeout": 120,
}
HARD_MAXIMUM |= {"connections": 200, "websockets": 20, "uploads": 4, "upload_bytes": 64_000_000}


def _option(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, kw_only=True)
class Settings:
    url: str = field(metadata={"help": "the scheme and name users see: https://staging.morpheus.app"})
    connect: str = field(metadata={"help": "where to connect instead of asking DNS: 127.0.0.1:<port>, and nothing else"})
    ca: str | None = _option(None, "file with the CA to trust; default: the system's")
    seconds: float = _option(3600.0, "end after so many seconds")
    rate_keepalive: float = _option(100.0, "requests a second over pooled connections; 0: none")
    connections: int = _option(20, "size of that pool")
    rate_new: float = _option(5.0, "POSTs a second, each on a connection of its own; 0: none")
    rate_slow: float = _option(2.0, "slow requests a second; 0: none")
    slow_seconds: float = _option(3.0, "how long such a request takes")
    websockets: int = _option(1, "WebSocket connections; 0: none")
    ws_interval: float = _option(0.2, "seconds between two messages on each of them")
    ws_timeout: float = _option(5.0, "seconds in which the echo must come")
    uploads: int = _option(1, "uploads at the same time; 0: none")
    upload_bytes: int = _option(8_000_000, "size of an upload")
    upload_seconds: float = _option(2.0, "over how long it is spread")
    upload_pause: float = _option(1.0, "seconds between two uploads")
    timeout: float = _option(30.0, "seconds in which an answer must be complete, from when its request was due")
    max_requests: int = _option(500_000, "end after so many requests")
    paths: str = _option("", "ask these instead of the example's API, and know who may answer: '/a=x,y /b=z'; see paths.py")

    def __post_init__(self) -> None:
        url = urlsplit(self.url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError(f"url: {self.url!r} is not http(s)://<name>")
        host, _, port = self.connect.rpartition(":")
        if host != LOOPBACK:
            raise ValueError(f"connect: load goes to {LOOPBACK} only, not to {self.connect!r}")
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError(f"connect: {self.connect!r} is not {LOOPBACK}:<port>")
        for option in dataclasses.fields(self):
            value = getattr(self, option.name)
            if isinstance(value, int | float) and not 0 <= value <= HARD_MAXIMUM.get(option.name, 3600):
                raise ValueError(f"{option.name}: {value} is not within 0 and {HARD_MAXIMUM.get(option.name, 3600)}")
        if self.rate_keepalive and not self.connections:
            raise ValueError("connections: rate_keepalive needs at least one")
        if self.websockets and self.ws_interval < 0.01:
            raise ValueError("ws_interval: at least 0.01")
        if not self.streams:
            raise ValueError("every stream is switched off")
        self._check_paths()

    def _check_paths(self) -> None:
        if parse_paths(self.paths) and (self.websockets or self.uploads):
            raise ValueError("paths: websockets and uploads ask the example's own API; set both to 0")

    @property
    def streams(self) -> list[str]:
        """The names of the streams that are switched on."""
        switches = {"keepalive": self.rate_keepalive, "new": self.rate_new, "slow": self.rate_slow}
        switches |= {"websocket": self.websockets, "upload": self.uploads}
        return [name for name, switch in switches.items() if switch]

    @property
    def port(self) -> int:
        return int(self.connect.rpartition(":")[2])

    @property
    def server_name(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def authority(self) -> str:
        """What the Host header says."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    def tls(self) -> ssl.SSLContext | None:
        if urlsplit(self.url).scheme == "http":
            return None
        context = ssl.create_default_context(cafile=self.ca)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def as_arguments(self) -> list[str]:
        """The command line that gives these settings again."""
        values = dataclasses.asdict(self)
        if self.ca is not None:
            values["ca"] = str(Path(self.ca).absolute())
        return [word for name, value in values.items() if value is not None for word in (_flag(name), str(value))]


def add_options(parser: argparse.ArgumentParser) -> None:
    kinds = {"int": int, "float": float}
    for option in dataclasses.fields(Settings):
        is_required = option.default is dataclasses.MISSING
        default = "" if is_required or option.default is None else f" (default: {option.default})"
        parser.add_argument(
            _flag(option.name),
            type=kinds.get(str(option.type), str),
            required=is_required,
            default=None if is_required else option.default,
            help=option.metadata["help"] + default,
        )


def from_options(options: argparse.Namespace) -> Settings:
    return Settings(**{option.name: getattr(options, option.name) for option in dataclasses.fields(Settings)})


def parse(arguments: Sequence[str]) -> Settings:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return from_options(parser.parse_args(arguments))


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
