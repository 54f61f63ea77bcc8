"""The edge's containers as the engine has them, and the files that say how they run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container import instance as edge_instance
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.instance import Own, Seen, StandIn, waiting
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.settings import CPU_SHARES, EdgeSettings
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.engine import Engine

SETTINGS = EdgeSettings("haproxy:3.0", f"{os.getuid()}:{os.getgid()}", ["80:8080", "443:8443", "127.0.0.1:8405:8405"])


class Api:
    """One container of a project, or none."""

    def __init__(self, project: str = "edge", state: str = "running") -> None:
        self.labels = {
            "com.docker.compose.project": project,
            "com.docker.compose.service": "haproxy",
            "com.docker.compose.container-number": "1",
            "com.docker.compose.oneoff": "False",
        }
        self.state = state
        self.done: list[Any] = []

    def containers(self, **_: Any) -> list[dict[str, Any]]:
        item = {"Id": "c1", "Names": ["/edge-haproxy-1"], "Image": "haproxy:3.0", "ImageID": "sha256:old", "Created": 1}
        return [] if self.state == "gone" else [{**item, "State": self.state, "Labels": self.labels}]

    def inspect_container(self, identity: str) -> dict[str, Any]:
        networks = {"edge": {"IPAddress": "172.18.0.2", "Gateway": "172.18.0.1"}}
        ports = {
            "8443/tcp": [{"HostIp": "127.0.0.1", "HostPort": "32001"}, {"HostIp": "172.18.0.1", "HostPort": "32002"}],
            "8405/tcp": None,
        }
        running = self.state == "running"
        return {
            "Image": "sha256:old",
            "State": {"Running": running, "Pid": 77 if running else 0},
            "NetworkSettings": {"Networks": networks, "Ports": ports},
        }

    def inspect_network(self, name: str) -> dict[str, Any]:
        return {"Name": name, "Id": "n1", "IPAM": {"Config": [{"Gateway": "172.18.0.1"}, {"Gateway": "fd00::1"}]}}

    def kill(self, identity: str, signal: str) -> None:
        self.done.append((identity, signal))

    def remove_container(self, identity: str, **_: Any) -> None:
        self.done.append((identity, "removed"))


class Client:
    def __init__(self, api: Api) -> None:
        self.api = api


def engine(api: Api, project: str = "edge") -> Engine:
    return Engine(Client(api), project, "edge")


@pytest.fixture
def paths(tmp_path: Path) -> EdgePaths:
    return EdgePaths(tmp_path)


def test_a_container_is_seen_with_its_image_its_place_and_its_ports(paths: EdgePaths) -> None:
    seen = Own(engine(Api()), paths).look()
    published = {("127.0.0.1", 8443): 32001, ("172.18.0.1", 8443): 32002}
    assert seen == Seen("edge-haproxy-1", "sha256:old", True, "172.18.0.2", "172.18.0.1", 77, published)
    assert seen.reached_by("172.18.0.1") == {8443: 32002}
    assert Own(engine(Api(state="gone")), paths).look() is None
    stopped = Own(engine(Api(state="exited")), paths).look()
    assert stopped
    assert (stopped.running, stopped.pid) == (False, 0)


def test_a_soft_stop_is_the_signal_that_haproxy_knows_and_none_for_one_that_has_ended(paths: EdgePaths) -> None:
    running, ended = Api(), Api(state="exited")
    for api in (running, ended):
        Own(engine(api), paths).soft_stop()
    assert (running.done, ended.done) == ([("c1", "SIGUSR1")], [])


def test_the_files_are_written_as_the_role_writes_them_and_can_be_put_back(paths: EdgePaths) -> None:
    own = Own(engine(Api()), paths)
    own.write(SETTINGS)
    before = own.text()
    own.write(EdgeSettings("haproxy:3.1", SETTINGS.user, SETTINGS.ports))
    assert own.settings() == EdgeSettings("haproxy:3.1", SETTINGS.user, list(SETTINGS.ports))
    own.put(before)
    assert own.settings() == EdgeSettings("haproxy:3.0", SETTINGS.user, list(SETTINGS.ports))
    assert json.loads((paths.root / "compose.json").read_text()) == SETTINGS.compose(paths.root)


def test_a_host_without_an_edge_or_with_damaged_files_is_refused(paths: EdgePaths) -> None:
    own = Own(engine(Api()), paths)
    with pytest.raises(EdgeError, match=r"this host has no edge .* run playbooks/provision\.yml"):
        own.settings()
    own.write(SETTINGS)
    (paths.root / "compose.json").write_text("{")
    with pytest.raises(DeployError, match=r"compose\.json cannot be read"):
        own.settings()


@pytest.mark.parametrize("six", [False, True])
def test_what_stands_in_is_the_same_container_with_ports_that_nobody_knows(
    paths: EdgePaths, monkeypatch: pytest.MonkeyPatch, six: bool
) -> None:
    monkeypatch.setattr(edge_instance, "has_six", lambda port: six)
    stand_in = StandIn(engine(Api("edge-stand-in"), "edge-stand-in"), paths)
    stand_in.write(SETTINGS)
    found = json.loads((paths.root / "stand-in.json").read_text())
    own = SETTINGS.compose(paths.root)["services"]["haproxy"]
    service = found["services"]["stand-in"]
    changed = {key for key in own if own[key] != service[key]}
    assert changed == {"ports", "volumes", "restart"}
    assert service["cpu_shares"] == CPU_SHARES
    public = [[f"127.0.0.1::{port}", f"172.18.0.1::{port}", *([f"[::]::{port}"] if six else [])] for port in (8080, 8443)]
    assert service["ports"] == [*public[0], *public[1], "127.0.0.1::8405"]
    assert service["volumes"] == [f"{paths.root}/conf:/usr/local/etc/haproxy:ro", f"{paths.root}/run.stand-in:/run/haproxy"]
    # Compose must not take it for the edge's own, nor make the network that is there.
    assert found["name"] == "edge-stand-in"
    assert found["networks"] == {"edge": {"name": "edge", "external": True}}
    assert (paths.root / "run.stand-in").stat().st_mode & 0o777 == 0o750


def test_nothing_of_what_stood_in_is_left(paths: EdgePaths) -> None:
    api = Api("edge-stand-in")
    stand_in = StandIn(engine(api, "edge-stand-in"), paths)
    stand_in.write(SETTINGS)
    (paths.root / "run.stand-in" / "admin.sock").touch()
    stand_in.remove()
    assert api.done == [("c1", "removed")]
    assert list(paths.root.iterdir()) == []
    stand_in.remove()


def test_connections_that_the_kernel_holds_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "77" / "net" / "tcp"
    table.parent.mkdir(parents=True)
    table.write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n"
        "   0: 00000000:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000\n"
        "   1: 020012AC:1F90 0200090A:C350 03 00000000:00000000 01:00000000 00000000\n"
        "   2: 020012AC:1F90 0200090A:C351 01 00000000:00000009 00:00000000 00000000\n"
    )
    monkeypatch.setattr(edge_instance, "PROC", tmp_path)
    assert sum(waiting(77)) == 4
    assert sum(waiting(78)) == 0
