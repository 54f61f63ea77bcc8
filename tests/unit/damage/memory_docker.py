"""A Docker engine in memory, as far as the collection asks it: containers that answer HTTP, networks, images, volumes.

Whatever a hand can do to them is done here by the same words as on a host.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.settings import CPU_SHARES
from docker.errors import APIError, ImageNotFound, NotFound

PORT = 8000
# Another run of these tests on this machine has other addresses.
NETWORK = f"127.{os.getpid() // 250 % 100 + 100}.{os.getpid() % 250}"
Details = dict[str, Any]


# A label that stands for a network's being so.
INTERNAL = "internal"


@dataclass
class Box:
    """A container."""

    id: str
    name: str
    image: str
    labels: dict[str, str]
    networks: set[str]
    # The network that it was made with, as the engine goes on saying.
    mode: str
    volumes: dict[str, str] = field(default_factory=dict)
    state: str = "created"
    # Takes connections and answers none, as when it waits for a lock.
    hangs: bool = False
    address: str = ""
    # What an edge is made with.
    cpu_shares: int = CPU_SHARES
    created: float = field(default_factory=time.time)
    server: ThreadingHTTPServer | None = None

    @property
    def runs(self) -> bool:
        return self.state == "running"


class Networks(dict[str, dict[str, str]]):
    """Name -> labels; and the SDK's question for them."""

    def __call__(self, filters: Mapping[str, Any]) -> list[Details]:
        return [{"Name": name} for name, labels in self.items() if {*filters["label"]} <= {*labels}]


class Docker:
    """What the SDK calls ``api``; ``client`` is the rest of it."""

    def __init__(self, answer: Callable[[Box], Details]) -> None:
        """``answer``: what a container's application says of its health."""
        self.boxes: dict[str, Box] = {}
        self.networks = Networks()
        self.volumes: dict[str, dict[str, str]] = {}
        # id -> names, and what a registry has: name by digest -> id.
        self.images: dict[str, set[str]] = {}
        self.registry: dict[str, str] = {}
        self.dead = False
        # How many more changes are made before the engine stops; None for ever.
        self.fuse: int | None = None
        self.changes: list[str] = []
        self.answer = answer
        self._serial = itertools.count(1)

    # What a hand does

    def box(self, name: str) -> Box:
        found = self.boxes.get(name) or next((one for one in self.boxes.values() if one.name == name), None)
        if found is None:
            raise NotFound(f"No such container: {name}")
        return found

    def create(self, name: str, image: str, labels: Mapping[str, str], networks: Iterable[str] = ("bridge",)) -> Box:
        self._change(f"create {name}")
        for one in self.boxes.values():
            if one.name == name:
                raise self._refusal(
                    f'Conflict. The container name "/{name}" is already in use by container "{one.id}". You have to remove (or '
                    "rename) that container to be able to reuse that name."
                )
        for network in {*networks} - self.networks.keys() - {"bridge", "none"}:
            raise self._refusal(f"network {network} not found")
        number = next(self._serial)
        box = Box(
            f"{number:064x}",
            name,
            image,
            dict(labels),
            set(networks),
            next(iter(networks)),
            address=f"{NETWORK}.{number}",
        )
        self.boxes[box.id] = box
        return box

    def start(self, name: str) -> None:
        self._change(f"start {name}")
        box = self.box(name)
        box.state = "running"
        if "com.docker.compose.service" in box.labels and box.labels["com.docker.compose.service"] == "api":
            box.server = _serve(self, box)

    def pause(self, name: str) -> None:
        self.box(name).state = "paused"

    def hang(self, name: str) -> None:
        self.box(name).hangs = True

    def kill(self, name: str) -> None:
        self._end(self.box(name))

    def rm(self, name: str) -> None:
        box = self.box(name)
        self._end(box)
        del self.boxes[box.id]

    def rename(self, name: str, to: str) -> None:
        self.box(name).name = to

    def disconnect(self, network: str, name: str) -> None:
        self.box(name).networks.discard(network)

    def rm_network(self, name: str) -> None:
        """With ``docker network disconnect --force`` of everything on it before."""
        for box in self.boxes.values():
            box.networks.discard(name)
        del self.networks[name]

    def rmi(self, name: str) -> None:
        """``docker rmi --force``: every name goes, and with the last one an image that no container has."""
        identity = self._image(name)
        self.images[identity] = set()
        if not any(box.image == identity for box in self.boxes.values()):
            del self.images[identity]

    def close(self) -> None:
        for box in list(self.boxes.values()):
            self._end(box)

    # What the collection asks

    def containers(self, all: bool = False, filters: Mapping[str, Any] | None = None) -> list[Details]:
        self._ask()
        wanted = [one.partition("=") for one in (filters or {}).get("label", [])]
        return [
            {
                "Id": box.id,
                "Names": [f"/{box.name}"],
                "State": box.state,
                "Created": box.created,
                "Image": box.image,
                "ImageID": box.image,
                "Labels": dict(box.labels),
                "HostConfig": {"NetworkMode": box.mode},
                "NetworkSettings": {"Networks": {name: {} for name in box.networks}},
                "Mounts": [{"Type": "volume", "Name": name, "Destination": path} for name, path in box.volumes.items()],
            }
            for box in self.boxes.values()
            if (all or box.state in ("running", "paused", "restarting"))
            and not any(key not in box.labels or (equals and box.labels[key] != value) for key, equals, value in wanted)
        ]

    def inspect_container(self, identity: str) -> Details:
        self._ask()
        box = self.box(identity)
        return {
            "Id": box.id,
            "Name": f"/{box.name}",
            "State": {"Running": box.runs, "Restarting": False, "ExitCode": 0, "Health": {"Status": "healthy"}},
            "RestartCount": 0,
            "NetworkSettings": {"Networks": {name: {"IPAddress": box.address} for name in box.networks}},
            "Config": {"StopTimeout": 1},
            "HostConfig": {"CpuShares": box.cpu_shares},
            "Mounts": [{"Type": "volume", "Name": name, "Destination": path} for name, path in box.volumes.items()],
        }

    def stats(self, identity: str, *, stream: bool, one_shot: bool) -> Details:
        self._ask()
        return {"memory_stats": {"usage": 3_000_000, "stats": {"inactive_file": 1_000_000}}}

    def update_container(self, identity: str, cpu_shares: int) -> None:
        self._change(f"update {self.box(identity).name}")
        self.box(identity).cpu_shares = cpu_shares

    def stop(self, identity: str, timeout: int) -> None:
        self._change(f"stop {self.box(identity).name}")
        self._end(self.box(identity))

    def remove_container(self, identity: str, *, v: bool, force: bool) -> None:
        assert (v, force) == (False, True)
        self._change(f"remove {self.box(identity).name}")
        self.rm(identity)

    def logs(self, identity: str, tail: int) -> bytes:
        return b"the last words"

    def connect_container_to_network(self, identity: str, network: str) -> None:
        self._change(f"connect {self.box(identity).name} to {network}")
        self.box(identity).networks.add(network)

    def create_network(self, name: str, *, driver: str, internal: bool, labels: Mapping[str, str], check_duplicate: bool) -> None:
        assert (driver, internal, check_duplicate) == ("bridge", True, True)
        self._change(f"make the network {name}")
        if name in self.networks:
            raise self._refusal(f"network with name {name} already exists")
        self.networks[name] = {**labels, INTERNAL: "true"}

    def inspect_network(self, name: str) -> Details:
        self._ask()
        if name not in self.networks:
            raise NotFound("no such network")
        on_it = {box.id: {"Name": box.name} for box in self.boxes.values() if name in box.networks}
        internal = INTERNAL in self.networks[name]
        return {"Name": name, "Labels": self.networks[name], "Containers": on_it, "Driver": "bridge", "Internal": internal}

    def inspect_volume(self, name: str) -> Details:
        self._ask()
        if name not in self.volumes:
            raise NotFound("no such volume")
        return {"Name": name, "Labels": self.volumes[name], "Driver": "local"}

    def inspect_image(self, reference: str) -> Details:
        self._ask()
        identity = self._image(reference)
        names = self.images[identity]
        return {
            "Id": identity,
            "RepoTags": sorted(one for one in names if "@" not in one),
            "RepoDigests": sorted(one for one in names if "@" in one),
            "Config": {},
            "Size": 1,
        }

    def tag(self, image: str, repository: str, tag: str | None) -> None:
        self._change(f"tag {repository}:{tag}")
        self.images[self._image(image)].add(f"{repository}:{tag or 'latest'}")

    def remove_image(self, name: str) -> None:
        self._change(f"remove image {name}")
        self.images[self._image(name)].discard(name)

    def pull(self, reference: str, *, stream: bool, decode: bool) -> Iterator[Details]:
        assert stream
        assert decode
        self._change(f"pull {reference}")
        plain = without_tag(reference)
        if plain not in self.registry:
            yield {"error": "manifest unknown"}
            return
        identity = self.registry[plain]
        digest = next(one for one, found in self.registry.items() if found == identity and "@" in one)
        self.images.setdefault(identity, set()).update({digest} if "@" in reference else {digest, reference})

    def info(self) -> Details:
        return {"DockerRootDir": "/"}

    @property
    def client(self) -> Any:
        tool = SimpleNamespace(
            start=lambda: None, wait=lambda timeout: {"StatusCode": 0}, logs=lambda: b"", remove=lambda force: None
        )
        # Nobody is killed while one of them runs.
        tools = SimpleNamespace(create=lambda *unused, **options: tool, list=lambda **unused: [])
        return SimpleNamespace(api=self, containers=tools, info=self.info)

    def _image(self, reference: str) -> str:
        for identity, names in self.images.items():
            if reference == identity or without_tag(reference) in {without_tag(one) for one in names}:
                return identity
        raise ImageNotFound("no such image")

    def _ask(self) -> None:
        if self.dead:
            raise self._refusal("Cannot connect to the Docker daemon at unix:///var/run/docker.sock")

    def _change(self, what: str) -> None:
        if self.fuse is not None:
            self.dead = self.dead or self.fuse == 0
            self.fuse -= 1
        self._ask()
        self.changes.append(what)

    @staticmethod
    def _refusal(words: str) -> APIError:
        return APIError(words, explanation=words)

    def _end(self, box: Box) -> None:
        box.state = "exited"
        if box.server:
            box.server.shutdown()
            box.server.server_close()
            box.server = None


def without_tag(reference: str) -> str:
    """A reference by digest without the tag that it may have beside it."""
    name, at, digest = reference.partition("@")
    return f"{name.rpartition(':')[0] if ':' in name else name}@{digest}" if at else reference


class Server(ThreadingHTTPServer):
    """Silent, and gone with the process."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, *unused: Any) -> None: ...

    @classmethod
    def begun(cls, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> Server:
        server = cls(address, handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def serve_forever(self, poll_interval: float = 0.0) -> None:
        """Whose thread waits for a connection, and looks at no clock: there are some in each of some hundred tests."""
        with contextlib.suppress(OSError):
            while True:
                self.process_request(*self.get_request())

    def shutdown(self) -> None:
        """Who waits for a connection is woken by it."""
        self.socket.shutdown(socket.SHUT_RDWR)


def _serve(docker: Docker, box: Box) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if box.hangs or box.state == "paused":
                # Until who asked has gone.
                self.rfile.read(1)
                return
            body = json.dumps(docker.answer(box)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *unused: Any) -> None: ...

    return Server.begun((box.address, PORT), Handler)
