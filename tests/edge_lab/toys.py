"""What the laboratory plays: applications in containers, Docker's DNS and the engine. All on loopback, on one event loop.

An address is given again as soon as it is free, the lowest first, as Docker does: whoever still points to a container that has
gone reaches another one.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, cast

from docker.errors import ImageNotFound, NotFound

T = TypeVar("T")
EDGE_ADDRESS = "127.0.0.2"
DNS_ADDRESS = ("127.0.0.11", 53)
EDGE_NAME = "haproxy"
# How long a toy takes from the start of its container until it listens, at most.
START_SECONDS = 0.08
# All toys share one event loop with the load: where it gets no processor for ten seconds, the kernel keeps their connections
# as it does for servers that have a process of their own.
BACKLOG = 4096


class Loop:
    """An event loop in a thread of its own, for everything that answers requests."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """From any other thread: do ``work`` there and wait for its end."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def close(self) -> None:
        self.run(self._cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _cancel_all(self) -> None:
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


@dataclass(frozen=True)
class App:
    """What runs in a container. ``faults``, each of one word (examples.FAULTS), say what is wrong with it."""

    service: str
    version: str
    ports: tuple[int, ...]
    fault: str = ""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> App:
        ports = tuple(int(port) for port in environment["PORTS"].split())
        return cls(environment["SERVICE"], environment["VERSION"], ports, environment["FAULT"])


@dataclass
class Container:
    id: str
    name: str
    service: str
    number: int
    address: str
    labels: Mapping[str, str]
    image: tuple[str, str]
    app: App
    created: float = field(default_factory=time.time)
    state: str = "running"
    exit_code: int = 0
    # Monotonic time at which it ended without being told to.
    crashed_at: float | None = None
    stopping: bool = False
    log: list[str] = field(default_factory=list)
    servers: list[asyncio.Server] = field(default_factory=list)
    connections: set[Connection] = field(default_factory=set)
    life: asyncio.Task[None] | None = None


class Connection(asyncio.Protocol):
    """One connection to a toy: HTTP/1.1 with keep-alive, bodies of known length only."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._buffer = b""
        self.busy = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._container.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._container.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next()

    def close_if_idle(self) -> None:
        if not self.busy and not self._buffer and self._transport:
            self._transport.close()

    def abort(self) -> None:
        if self._transport:
            self._transport.abort()

    def _next(self) -> None:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if self.busy or not found:
            return
        request, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        body, self._buffer = rest[:length], rest[length:]
        self.busy = True
        asyncio.get_running_loop().create_task(self._answer(request, headers, body))

    async def _answer(self, request: str, headers: Mapping[str, str], body: bytes) -> None:
        method, target, _ = request.split(" ")
        path = target.partition("?")[0]
        status, document = self._health() if path == "/health" else self._work(method, target, headers, body)
        pause = float(headers.get("x-slow", 0)) + (0.4 if self._container.app.fault == "slow" and path != "/health" else 0.0)
        # Half of the slow ones are silent, the others have begun their answer.
        early = bool(pause) and headers.get("x-early") == "1"
        text = json.dumps(document).encode()
        close = self._container.stopping or headers.get("connection", "").lower() == "close"
        head = f"HTTP/1.1 {status} Toy\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n"
        head += f"Connection: {'close' if close else 'keep-alive'}\r\n\r\n"
        if pause and not early:
            await asyncio.sleep(pause)
        self._write(head.encode())
        if early:
            await asyncio.sleep(pause)
        self._write(text)
        self.busy = False
        if (close or self._container.stopping) and self._transport:
            self._transport.close()
        else:
            self._next()

    def _write(self, data: bytes) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(data)

    def _health(self) -> tuple[int, dict[str, Any]]:
        app = self._container.app
        if app.fault == "sick":
            return 503, {"status": "ill"}
        return 200, {"status": "ok", "version": "0.lie" if app.fault == "lies" else app.version}

    def _work(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        container = self._container
        said = {"service": container.service, "version": container.app.version, "container": container.name}
        said |= {"method": method, "path": target, "host": headers.get("host", ""), "body": body.decode()}
        return (500 if container.app.fault == "errors" else 200), said


class _Dns(asyncio.DatagramProtocol):
    """Docker's DNS: container name -> address while the container runs."""

    def __init__(self, toys: ToyDocker) -> None:
        self._toys = toys
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own transport of datagrams is no subclass of what it documents.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, source: Any) -> None:
        assert self._transport
        identity, labels, at = data[:2], [], 12
        while length := data[at]:
            labels.append(data[at + 1 : at + 1 + length].decode().lower())
            at += 1 + length
        (kind,) = struct.unpack("!H", data[at + 1 : at + 3])
        question = data[12 : at + 5]
        address = self._toys.address_of(".".join(labels))
        answers = b""
        if address and kind == 1:
            answers = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 600, 4) + socket.inet_aton(address)
        flags = 0x8180 if address else 0x8183
        header = identity + struct.pack("!HHHHH", flags, 1, 1 if answers else 0, 0, 0)
        answer = header + question + answers
        asyncio.get_running_loop().call_later(self._toys.dns_seconds, self._transport.sendto, answer, source)


class ToyDocker:
    """The engine's client, as far as engine.Engine asks it: containers are toys, images are names."""

    def __init__(self, loop: Loop, project: str, network: str = "127.1.0.") -> None:
        """``network``: the beginning of its containers' addresses."""
        self.api = self
        self._network = network
        # Other projects, whose containers this one's DNS knows, too.
        self.neighbours: list[ToyDocker] = []
        self.images = self
        self._loop = loop
        self._project = project
        self._lock = threading.RLock()
        self._containers: dict[str, Container] = {}
        # Also of containers that are gone: what they said of themselves is needed to judge answers.
        self.history: list[Container] = []
        self.known_images: dict[str, str] = {}
        self.dns_seconds = 0.0
        # Called with what is about to change; a controller that dies at this very moment raises here.
        self.before_change: Callable[[str], None] = lambda what: None
        self._serial = itertools.count(1)
        self._random = random.Random(1)
        self._dns: asyncio.DatagramTransport | None = None

    def open(self) -> None:
        async def bind() -> None:
            self._dns, _ = await self._loop.loop.create_datagram_endpoint(lambda: _Dns(self), local_addr=DNS_ADDRESS)

        self._loop.run(bind())

    def close(self) -> None:
        async def end() -> None:
            for container in list(self._containers.values()):
                self._kill(container)
            if self._dns:
                self._dns.close()

        self._loop.run(end())

    def address_of(self, name: str) -> str:
        if name == EDGE_NAME:
            return EDGE_ADDRESS
        found = (one.address for one in list(self._containers.values()) if one.name == name and one.state == "running")
        return next(found, "") or next((one for toys in self.neighbours if (one := toys.address_of(name))), "")

    # What the laboratory's Compose does

    def of_service(self, service: str) -> list[Container]:
        return [one for one in list(self._containers.values()) if one.service == service]

    def run(self, service: str, image: tuple[str, str], labels: Mapping[str, str], app: App) -> Container:
        """Create and start a container, numbered as Compose does."""
        self.before_change(f"start a container of {service}")
        with self._lock:
            number = max((one.number for one in self.of_service(service)), default=0) + 1
            identity = f"{next(self._serial):064x}"
            container = Container(
                identity, f"{self._project}-{service}-{number}", service, number, self._free_address(), labels, image, app
            )
            self._containers[identity] = container
            self.history.append(container)

        async def begin() -> None:
            container.life = asyncio.create_task(self._live(container))

        self._loop.run(begin())
        return container

    # What engine.Engine asks

    def containers(self, all: bool = False, filters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        return [
            {
                "Id": one.id,
                "Names": [f"/{one.name}"],
                "Labels": {
                    "com.docker.compose.project": self._project,
                    "com.docker.compose.service": one.service,
                    "com.docker.compose.container-number": str(one.number),
                    "com.docker.compose.oneoff": "False",
                    **one.labels,
                },
                "State": one.state,
                "Created": one.created,
                "Image": one.image[0],
                "ImageID": one.image[1],
            }
            for one in list(self._containers.values())
            if all or one.state == "running"
        ]

    def inspect_container(self, identity: str) -> dict[str, Any]:
        one = self._find(identity)
        running = one.state == "running"
        return {
            "Id": one.id,
            "Name": f"/{one.name}",
            "State": {
                "Running": running,
                "Restarting": False,
                "OOMKilled": False,
                "ExitCode": one.exit_code,
                "Status": one.state,
            },
            "RestartCount": 0,
            "NetworkSettings": {"Networks": {"edge": {"IPAddress": one.address if running else ""}}},
            "Mounts": [],
            "Config": {"Labels": dict(one.labels), "Image": one.image[0]},
            "Image": one.image[1],
        }

    def stop(self, identity: str, timeout: float) -> None:
        self.before_change(f"stop {self._find(identity).name}")
        self._loop.run(self._stop(self._find(identity), timeout))

    def remove_container(self, identity: str, v: bool = False, force: bool = False) -> None:
        one = self._find(identity)
        self.before_change(f"remove {one.name}")

        async def end() -> None:
            self._kill(one)

        self._loop.run(end())
        with self._lock:
            self._containers.pop(identity, None)

    def logs(self, identity: str, tail: int) -> bytes:
        return "\n".join(self._find(identity).log[-tail:]).encode()

    def inspect_network(self, name: str) -> dict[str, Any]:
        """All are on the laboratory's own, which the engine does not know."""
        raise NotFound(f"network {name} not found")

    def inspect_image(self, reference: str) -> dict[str, Any]:
        for name, identity in self.known_images.items():
            if reference in (name, identity):
                return {"Id": identity, "RepoTags": [name], "RepoDigests": [], "Size": 1, "Config": {}}
        raise ImageNotFound("no such image")

    def remove_image(self, name: str) -> None:
        self.known_images.pop(name, None)

    # Lives of containers

    def _connection(self, container: Container, port: int) -> Connection:
        return Connection(container)

    async def _live(self, container: Container) -> None:
        fault = container.app.fault
        await asyncio.sleep(self._random.uniform(0.0, START_SECONDS))
        container.log.append(f"{container.app.service} {container.app.version} starts")
        if fault == "crashes-at-start":
            self._crash(container)
            return
        loop = asyncio.get_running_loop()
        for port in container.app.ports:
            server = await loop.create_server(
                partial(self._connection, container, port), container.address, port, backlog=BACKLOG
            )
            container.servers.append(server)
        if fault == "crashes-later":
            await asyncio.sleep(0.35)
            self._crash(container)

    def _crash(self, container: Container) -> None:
        if container.state == "running":
            container.log.append("something went wrong")
            container.exit_code = 1
            container.crashed_at = time.monotonic()
            self._end(container)

    async def _stop(self, container: Container, timeout: float) -> None:
        """SIGTERM: no new connection, what was begun ends, at most for ``timeout``; then SIGKILL.

        Every other toy dies at once, as many applications do: it must not have been busy.
        """
        if container.number % 2:
            timeout = 0.0
        container.stopping = True
        for server in container.servers:
            server.close()
        for connection in list(container.connections):
            connection.close_if_idle()
        deadline = time.monotonic() + timeout
        while container.connections and time.monotonic() < deadline and container.state == "running":
            await asyncio.sleep(0.01)
        self._kill(container)

    def _kill(self, container: Container) -> None:
        if container.life:
            container.life.cancel()
        if container.state == "running":
            self._end(container)

    def _end(self, container: Container) -> None:
        container.state = "exited"
        for server in container.servers:
            server.close()
        for connection in list(container.connections):
            connection.abort()

    def _find(self, identity: str) -> Container:
        try:
            return self._containers[identity]
        except KeyError:
            raise NotFound("no such container") from None

    def _free_address(self) -> str:
        taken = {one.address for one in self._containers.values() if one.state == "running"}
        return next(address for number in range(1, 250) if (address := f"{self._network}{number}") not in taken)
