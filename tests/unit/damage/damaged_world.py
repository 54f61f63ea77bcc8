"""One host with the stack ``shop`` on it: the collection's own code over an engine, a HAProxy and users that exist only here.

What a person would type is done by ``obey``: so a test can do what a message says, and see whether it helps.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import served as served_module
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import sockets
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import state as edge_state
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container import setup as edge_setup_module
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.settings import EdgeSettings
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.setup import EdgeSetup
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import compose_command
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.engine import Engine
from ansible_collections.morpheus.deploy.plugins.module_utils.health.seen import Rules
from ansible_collections.morpheus.deploy.plugins.module_utils.host import host as host_module
from ansible_collections.morpheus.deploy.plugins.module_utils.host import host_gate as host_gate_module
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.fence import Fence
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Kind
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import status as status_module
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.migrations import Migrations
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.prepare import prepare
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.rollout import Rollout
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.switch import HostRollout
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.wanted import Wanted
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.host import HostIdentity, Owner
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout import ending
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import is_edges
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack
from docker.errors import APIError

from tests.unit.damage.memory_docker import PORT, Box, Docker, Server
from tests.unit.fake_haproxy import FakeHAProxy, Slot

STACK = "shop"
OLD, LIVE = "1.0", "1.1"
EDGE_IMAGE = "haproxy:3.0"
EDGE_BOX = "edge-haproxy-1"
PROVISION = "playbooks/provision.yml --tags edge"
EDGE_FILES = {"haproxy.cfg": "global\n"}
# How replicas are asked. What answers does so at once, but a busy machine may keep it waiting.
PATIENT = Rules(1, 0.02, 1.0, 1.2)
HEALTH = {
    "path": "/health",
    "status": 200,
    "expect": "",
    "version": "version",
    "successes": 1,
    "interval_seconds": 0.01,
    "timeout_seconds": 1.0,
    "deadline_seconds": 2.0,
}


def stack() -> dict[str, Any]:
    return {
        "name": STACK,
        "compose_files": ["compose.yml"],
        "files": [],
        "drain_seconds": 1.0,
        "public_check": None,
        "keep_free_mb": 0,
        "retention": {"releases": 5, "pinned": []},
        "services": [
            {"name": "api", "port": PORT, "routes": [{"host": "shop.example", "paths": ["/"]}], "health": HEALTH},
            {"name": "db", "port": 5432, "routes": [], "health": None},
        ],
    }


def files(release: str) -> dict[str, bytes]:
    update = {"parallelism": 1, "monitor": "0s", "failure_action": "rollback"}
    services: dict[str, Any] = {
        "api": {
            "image": f"shop/api:{release}",
            "deploy": {"replicas": 2, "update_config": update},
            "networks": {"default": None},
        },
        "db": {
            "image": "postgres:16",
            "networks": {"default": None},
            "volumes": [{"type": "volume", "source": "data", "target": "/data"}],
        },
    }
    networks = {"default": {"name": f"{STACK}_default"}}
    volumes = {"data": {"name": f"{STACK}_data"}}
    model = {"name": STACK, "services": services, "networks": networks, "volumes": volumes}
    return {"compose.yml": json.dumps(model).encode()}


@dataclass
class End:
    """How a command ended. ``word``: unchanged, changed, failed or refused; ``said``: all that a person reads."""

    word: str
    said: str
    plan: list[str] = field(default_factory=list)
    left: str = ""
    rollout: Rollout | None = field(default=None, repr=False)


class World:
    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.docker = Docker(self._health)
        self.haproxy = FakeHAProxy(root / "edge")
        self.haproxy.calls_down = lambda slot: bool(slot.fqdn) and slot.fqdn != "haproxy" and not self._reaches(slot)
        self.paths = EdgePaths(root / "edge")
        self.releases = Releases(STACK, root / "stacks")
        self._patch(monkeypatch)
        self._edge_server = self._listen()
        self.haproxy.__enter__()
        for name in ("shop/api:1.0", "shop/api:1.1", "postgres:16", EDGE_IMAGE):
            identity, digest = f"sha256:{name}", f"{name.rpartition(':')[0]}@sha256:d{name[-1] * 4}"
            self.docker.images[identity] = {name, digest}
            self.docker.registry |= {name: identity, digest: identity}
        self.provision()
        # The release before was live once, and nothing of it runs any more; its data is here.
        self.docker.volumes[f"{STACK}_data"] = {}
        host = self.host()
        old = prepare(
            host, Wanted(OLD, "staging", Stack.of(stack()), files(OLD), {}), Migrations(host.one_offs), check_mode=False
        )
        lineage = self.releases.lineage()
        lineage.went_live(old.id, Kind.DEPLOY)
        self.releases.write_lineage(lineage)
        end = self.deploy(LIVE)
        assert end.word == "changed", end.said
        self.docker.changes.clear()

    def close(self) -> None:
        self.docker.close()
        self.haproxy.__exit__()
        self._edge_server.shutdown()
        self._edge_server.server_close()

    @property
    def port(self) -> int:
        """At which the edge listens."""
        return int(self._edge_server.server_address[1])

    # What a person types

    def host(self) -> StackHost:
        return StackHost(STACK, self.docker.client, self.paths.root, self.releases)

    def status(self) -> dict[str, Any]:
        return status_module.look(self.host())

    def deploy(self, release: str = LIVE, *, check: bool = False) -> End:
        """What ``deploy.yml`` does on this host."""

        def run() -> End:
            host = self.host()
            wanted = Wanted(release, "staging", Stack.of(stack()), files(release), {})
            found = prepare(host, wanted, Migrations(host.one_offs), check_mode=check)
            said = "\n".join(found.warnings)
            if check:
                return End("changed" if found.pending else "unchanged", said, [str(step) for step in found.steps])
            return self._roll(found.id, warnings=said) if found.pending else End("unchanged", said)

        return self._ended(run)

    def restart(self) -> End:
        return self._ended(lambda: self._roll("", restart=True))

    def rollback(self) -> End:
        before = self.releases.lineage().trail[-2]
        return self._ended(lambda: self._roll(before, kind=Kind.ROLLBACK))

    def provision(self) -> list[str]:
        """``playbooks/provision.yml --tags edge``."""
        settings = EdgeSettings(EDGE_IMAGE, "0:0", [f"{self.port}:8080", "443:8443", "127.0.0.1:8405:8405"])
        setup = EdgeSetup(self.paths, Engine(self.docker.client, edge_state.PROJECT), settings, SystemClock())
        return setup.apply(EDGE_FILES, {}, allow_interruption=False)

    def obey(self, command: str) -> None:
        """Type what was said, and what that says in turn."""
        words = command.split()
        if command.startswith("ansible-playbook deploy.yml"):
            self.deploy()
        elif PROVISION.split()[0] in command:
            try:
                self.provision()
            except DeployError as exc:
                for one in commands(str(exc)):
                    self.obey(one)
                self.provision()
        elif words[:2] == ["docker", "rm"]:
            self.docker.rm(words[-1])
        elif words[:2] == ["docker", "rename"]:
            self.docker.rename(words[-2], words[-1])
        elif words[:3] == ["docker", "volume", "create"]:
            self.docker.volumes[words[-1]] = {}
        elif words[:3] == ["docker", "network", "rm"]:
            self.docker.rm_network(words[-1])
        else:
            raise AssertionError(f"nobody knows what this does: {command}")

    # What users see

    def serves(self) -> bool:
        """Whether every one of a few requests is answered by the service."""
        return all(self.ask() == 200 for _ in range(4))

    def ask(self) -> int:
        connection = HTTPConnection("127.0.0.1", self._edge_server.server_address[1], timeout=2)
        try:
            connection.request("GET", "/", headers={"Host": "shop.example", "Connection": "close"})
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def replicas(self, service: str = "api") -> list[Box]:
        own = {"com.docker.compose.project": STACK, "com.docker.compose.service": service}
        return [box for box in self.docker.boxes.values() if box.labels.items() >= own.items()]

    # How it works inside

    def _roll(self, release_id: str, *, restart: bool = False, kind: Kind = Kind.DEPLOY, warnings: str = "") -> End:
        rolling = HostRollout(self.host(), Fence(self.releases.root, 0))
        rollout = rolling.prepare(release_id, restart=restart, kind=kind)
        if not rollout.changed:
            return End("unchanged", warnings)
        rolling.execute(rollout)
        failures = rollout.outcome.failures
        said = "\n".join([warnings, *failures, *rollout.warnings])
        return End("failed" if failures else "changed", said, rollout.outcome.done, rollout.left, rollout)

    @staticmethod
    def _ended(run: Callable[[], End]) -> End:
        try:
            return run()
        except DeployError as exc:
            return End("refused", str(exc))

    def _health(self, box: Box) -> dict[str, Any]:
        return {"version": box.image.rpartition(":")[2]}

    def _reaches(self, slot: Slot) -> bool:
        """Whether HAProxy gets a connection to what a server points to."""
        edge, box = self._edge(), self._named(slot.fqdn)
        # The ports at which users ask are published on the edge's home.
        at_home = edge is not None and "edge" in edge.networks
        shares = at_home and edge is not None and box is not None and any(map(is_edges, edge.networks & box.networks))
        return shares and box is not None and box.state in ("running", "paused") and box.address == slot.address

    def _named(self, name: str) -> Box | None:
        return next((box for box in self.docker.boxes.values() if box.name == name), None)

    def _runs(self) -> bool:
        """Whether HAProxy is there: it answers on its sockets only then."""
        box = self._edge()
        return box is not None and box.runs

    def _edge(self) -> Box | None:
        return next((one for one in self.docker.boxes.values() if one.labels.get("com.docker.compose.project") == "edge"), None)

    def _listen(self) -> ThreadingHTTPServer:
        world = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if not world._runs():
                    self.close_connection = True
                    return
                status, body = world._route(f"{self.headers['Host']}{self.path}")
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *unused: Any) -> None: ...

        return Server.begun(("127.0.0.1", 0), Handler)

    def _route(self, place: str) -> tuple[int, bytes]:
        routes = self.haproxy.worker.routes
        fitting = [key for key in routes if f"{place}/".startswith(key)]
        if not fitting:
            return 404, b"No service is reached by this address."
        backend = routes[max(fitting, key=len)]
        slots = [one for one in self.haproxy.worker.slots.values() if one.backend == backend and one.takes_requests]
        slots = [one for one in slots if self._reaches(one)]
        if not slots:
            return (
                503,
                b"<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n",
            )
        chosen = min(slots, key=lambda one: one.total)
        chosen.total += 1
        connection = HTTPConnection(chosen.address, chosen.port, timeout=0.9)
        try:
            connection.request("GET", "/", headers={"Connection": "close"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError:
            return 504, b"<html><body><h1>504 Gateway Time-out</h1>\n</body></html>\n"
        finally:
            connection.close()

    def _compose(self) -> Any:
        world = self

        class Compose:
            def __init__(
                self,
                project: str,
                directory: Path,
                files: Sequence[Path],
                *unused: Any,
            ) -> None:
                self.project, self.files = project, files

            def model(self) -> dict[str, Any]:
                found: dict[str, Any] = json.loads(self.files[0].read_text())
                return found

            def written(self) -> dict[str, Any]:
                return self.model()

            def scale_up(self, service: str, total: int, *, started: bool = True) -> None:
                override = json.loads(self.files[-1].read_text().replace("$$", "$"))["services"][service]
                world._daemon(self.project, lambda: world._scale_up(service, total, override, self.model()))

            def create(self, *, anew: bool = False) -> None:
                world._daemon(self.project, lambda: world._create(anew=anew))

            def up(self, *, anew: bool = False) -> None:
                world._daemon(self.project, world._up)

        return Compose

    def _daemon(self, project: str, work: Callable[[], None]) -> None:
        try:
            work()
        except APIError as exc:
            said = compose_command.scrub(f"Error response from daemon: {exc.explanation}")
            raise EngineError(f"docker compose failed for {project}: {said}") from None

    def _scale_up(self, service: str, total: int, override: Mapping[str, Any], model: Mapping[str, Any]) -> None:
        shared = [name for name in override.get("networks", {}) if is_edges(name)]
        for name in {*shared} - {*self.docker.networks}:
            raise APIError("", explanation=f"network {name} declared as external, but could not be found")
        definition = model["services"][service]
        for key, network in model["networks"].items():
            self.docker.networks.setdefault(network["name"], {"com.docker.compose.network": key})
        own = self.replicas(service)
        for _ in range(total - len(own)):
            numbers = [int(one.labels["com.docker.compose.container-number"]) for one in self.replicas(service)]
            number = max(numbers, default=0) + 1
            labels = {
                "com.docker.compose.project": STACK,
                "com.docker.compose.service": service,
                "com.docker.compose.container-number": str(number),
                "com.docker.compose.oneoff": "False",
                **override["labels"],
            }
            image = self.docker.inspect_image(override["image"])["Id"]
            networks = {f"{STACK}_default", *shared}
            box = self.docker.create(f"{STACK}-{service}-{number}", image, labels, networks)
            for volume in definition.get("volumes", []):
                name = model["volumes"][volume["source"]]["name"]
                self.docker.volumes.setdefault(name, {})
                box.volumes[name] = volume["target"]
            self.docker.start(box.name)
            self.haproxy.addresses[box.name] = box.address

    def _create(self, *, anew: bool) -> None:
        self.docker.networks.setdefault("edge", {"com.docker.compose.project": "edge", "com.docker.compose.network": "edge"})
        labels = {
            "com.docker.compose.project": "edge",
            "com.docker.compose.service": "haproxy",
            "com.docker.compose.container-number": "1",
            "com.docker.compose.oneoff": "False",
        }
        found = self._edge()
        if found and anew:
            self.docker.rm(found.name)
        if not found or anew:
            self.docker.create(EDGE_BOX, f"sha256:{EDGE_IMAGE}", labels, ["edge"])

    def _up(self) -> None:
        found = self._edge()
        assert found is not None
        if not found.runs:
            self.docker.start(EDGE_BOX)
        self.haproxy.load_files()

    def _patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        compose = self._compose()
        monkeypatch.setattr(host_module, "Compose", compose)
        monkeypatch.setattr(edge_setup_module, "Compose", compose)
        monkeypatch.setattr(HostIdentity.__init__, "__defaults__", (self.paths.root.parent / "etc",))
        HostIdentity().write(Owner("staging"))
        monkeypatch.setattr(host_gate_module, "DOCKER_RULES", Rules(1, 0.01, 1.0, 2.0))
        monkeypatch.setattr(ending, "POLL_SECONDS", 0.005)
        monkeypatch.setattr(sockets, "PATIENCE_SECONDS", 0.0)
        monkeypatch.setattr(sockets, "RESTART_SECONDS", 0.0)
        monkeypatch.setattr(served_module, "PATIENCE_SECONDS", 0.0)
        monkeypatch.setattr(served_module, "ASK", PATIENT)
        monkeypatch.setattr(
            FakeHAProxy, "patience", property(lambda _: None if self._runs() else 0, lambda *_: None), raising=False
        )


# What a message says to type. What follows a full stop, a comma or a bracket is no part of it.
_COMMANDS = re.compile(
    r"docker rm -f [\w.-]*\w|docker volume create [\w.-]*\w|docker rename [\w.-]*\w [\w.-]*\w|docker network rm [\w.-]*\w|"
    r"playbooks/provision\.yml --tags edge"
)


def commands(said: str) -> list[str]:
    return list(dict.fromkeys(_COMMANDS.findall(said)))
