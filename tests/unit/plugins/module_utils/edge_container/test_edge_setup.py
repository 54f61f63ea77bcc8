"""Certificates that the inventory has no more, on an edge that runs already."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_NETWORK
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.configuration import EdgeConfiguration
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.settings import CPU_SHARES, EdgeSettings, place
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.setup import EdgeSetup
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.compose_command import Compose
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.labels import COMPOSE_NETWORK
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import State

LISTED = {"certificates.list": "/c/certs/a.example.pem\n"}
KEY = "-----BEGIN PRIVATE KEY-----\n"
TWO = {"a.example": KEY, "b.example": KEY}


@dataclass(frozen=True)
class Container:
    state: State = State.RUNNING
    id: str = "c1"
    networks: tuple[str, ...] = (EDGE_NETWORK, "edge.shop")


class RunningEdge:
    """engine.Engine of a host whose edge runs. ``subnets``: of its home."""

    subnets: tuple[str, ...] = ("172.18.0.0/16",)

    def observe(self, _: set[str]) -> list[Any]:
        return [Container()]

    def inspected(self, _: Any) -> dict[str, Any]:
        return {"HostConfig": {"CpuShares": CPU_SHARES}}

    def image(self, _: str) -> str:
        return "there"

    def network(self, _: str) -> dict[str, Any]:
        return {"Labels": {COMPOSE_NETWORK: EDGE_NETWORK}, "IPAM": {"Config": [{"Subnet": one} for one in self.subnets]}}

    def routed_replicas(self) -> dict[str, list[Any]]:
        return {}

    def networks(self, _: str) -> list[str]:
        return ["edge.shop"]

    def others(self) -> list[str]:
        return []


@pytest.fixture
def paths(tmp_path: Path) -> EdgePaths:
    return EdgePaths(tmp_path / "edge")


@pytest.fixture
def reloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How often HAProxy was told to read its files again."""
    found: list[str] = []
    monkeypatch.setattr(EdgeConfiguration, "reload", lambda self: found.append("reload"))
    return found


@pytest.fixture
def setup(paths: EdgePaths, reloads: list[str], monkeypatch: pytest.MonkeyPatch) -> EdgeSetup:
    """An edge with two certificates."""
    monkeypatch.setattr(EdgeSetup, "_validate", lambda self, candidate: "")
    settings = EdgeSettings("haproxy:3.0", f"{os.getuid()}:{os.getgid()}", ["80:8080"])
    found = EdgeSetup(paths, RunningEdge(), settings, SystemClock())  # type: ignore[arg-type]
    paths.root.mkdir(parents=True)
    place(settings.files(paths))
    apply(found, {"certificates.list": "/c/certs/a.example.pem\n/c/certs/b.example.pem\n"}, TWO)
    reloads.clear()
    return found


def apply(setup: EdgeSetup, files: Mapping[str, str], certificates: Mapping[str, str]) -> list[str]:
    return setup.apply(files, certificates, allow_interruption=False)


def certs(paths: EdgePaths) -> list[str]:
    return sorted(path.name for path in (paths.conf / "certs").iterdir())


def test_a_certificate_that_left_the_inventory_goes_with_its_key(setup: EdgeSetup, paths: EdgePaths, reloads: list[str]) -> None:
    assert certs(paths) == ["a.example.pem", "b.example.pem"]
    wanted = LISTED, {"a.example": KEY}
    assert setup.differences(*wanted) == ["certificates.list", "certs/b.example.pem (removed)"]
    assert certs(paths) == ["a.example.pem", "b.example.pem"]
    apply(setup, *wanted)
    assert certs(paths) == ["a.example.pem"]
    assert reloads == ["reload"]
    assert setup.differences(*wanted) == []


def test_it_goes_only_once_haproxy_no_longer_reads_it(
    setup: EdgeSetup, paths: EdgePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(self: EdgeConfiguration) -> None:
        assert certs(paths) == ["a.example.pem", "b.example.pem"]
        raise EdgeError("HAProxy could not load it")

    monkeypatch.setattr(EdgeConfiguration, "reload", refuses)
    with pytest.raises(EdgeError):
        apply(setup, LISTED, {"a.example": KEY})
    assert certs(paths) == ["a.example.pem", "b.example.pem"]


ISSUED = (
    "-----BEGIN CERTIFICATE-----\neA==\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\neA==\n-----END PRIVATE KEY-----\n"
)


def test_what_a_host_was_given_since_stays_and_only_a_bare_one_gets_the_placeholder(setup: EdgeSetup, paths: EdgePaths) -> None:
    bare = setup.with_own({"a.example": KEY}, {"acme": "placeholder"})
    assert bare == {"acme": "placeholder", "a.example": KEY}
    apply(setup, LISTED, bare)
    (paths.conf / "certs" / "acme.pem").chmod(0o600)
    (paths.conf / "certs" / "acme.pem").write_text(ISSUED)
    again = setup.with_own({"a.example": KEY}, {"acme": "another placeholder"})
    assert again == {"acme": ISSUED, "a.example": KEY}
    assert setup.differences(LISTED, again) == []
    # It goes with edge_acme.
    assert setup.differences(LISTED, setup.with_own({"a.example": KEY}, {})) == ["certs/acme.pem (removed)"]
    # One that was torn serves nobody, so HAProxy would not even start.
    (paths.conf / "certs" / "acme.pem").write_text(ISSUED[: len(ISSUED) // 2])
    assert setup.with_own({}, {"acme": "another placeholder"}) == {"acme": "another placeholder"}


def test_it_goes_also_when_the_edge_gets_a_new_container(
    setup: EdgeSetup, paths: EdgePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Compose, "create", lambda self, *, anew: None)
    monkeypatch.setattr(Compose, "up", lambda self: None)
    monkeypatch.setattr(EdgeSetup, "_await_answer", lambda self: None)
    (paths.root / "compose.json").unlink()
    setup.apply(LISTED, {"a.example": KEY}, allow_interruption=True)
    assert certs(paths) == ["a.example.pem"]


def test_one_that_waits_for_its_ports_has_nobody_to_interrupt(
    setup: EdgeSetup, paths: EdgePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its container tells, and not its files: a handover may have been killed between the two."""
    up: list[str] = []
    monkeypatch.setattr(Compose, "create", lambda self, *, anew: None)
    monkeypatch.setattr(Compose, "up", lambda self: up.append("up"))
    monkeypatch.setattr(EdgeSetup, "_await_answer", lambda self: None)
    other = EdgeSettings("haproxy:3.0", f"{os.getuid()}:{os.getgid()}", ["127.0.0.1:8405:8405"])
    place(other.files(paths))
    published: list[tuple[list[str], bool]] = [(["8405/tcp"], False), (["8405/tcp", "8080/tcp"], True), ([], True)]
    for inside, refused in published:
        place(other.files(paths))
        config = {"HostConfig": {"CpuShares": CPU_SHARES, "PortBindings": {one: [] for one in inside}}}
        monkeypatch.setattr(RunningEdge, "inspected", lambda self, one, config=config: config)
        up.clear()
        if refused:
            with pytest.raises(EdgeError, match="which takes a new container and a short interruption for every user"):
                apply(setup, LISTED, {"a.example": KEY})
        else:
            apply(setup, LISTED, {"a.example": KEY})
        assert up == ([] if refused else ["up"])


def test_without_any_certificate_their_list_goes_too(setup: EdgeSetup, paths: EdgePaths) -> None:
    assert setup.differences({}, {}) == [
        "certs/a.example.pem (removed)",
        "certs/b.example.pem (removed)",
        "certificates.list (removed)",
    ]
    apply(setup, {}, {})
    assert certs(paths) == []
    assert not (paths.conf / "certificates.list").exists()


def test_half_written_keys_and_what_a_killed_check_left_go_with_the_next_provision(setup: EdgeSetup, paths: EdgePaths) -> None:
    (paths.conf / "certs" / ".a.example.pem.x7").write_text(KEY)
    left = paths.root / "candidate.held-1" / "certs"
    left.mkdir(parents=True)
    wanted = {"certificates.list": "/c/certs/a.example.pem\n/c/certs/b.example.pem\n"}, TWO
    assert setup.differences(*wanted) == ["certs/.a.example.pem.x7 (removed)"]
    apply(setup, *wanted)
    assert certs(paths) == ["a.example.pem", "b.example.pem"]
    assert not left.parent.exists()


def test_metrics_are_answered_on_the_networks_of_the_edges_home(
    setup: EdgeSetup, paths: EdgePaths, reloads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = paths.conf / "home.list"
    assert home.read_text() == "172.18.0.0/16\n"
    monkeypatch.setattr(RunningEdge, "subnets", ("172.30.0.0/16", "fd00:30::/64"))
    wanted = {"certificates.list": "/c/certs/a.example.pem\n/c/certs/b.example.pem\n"}, TWO
    assert setup.differences(*wanted) == ["home.list"]
    apply(setup, *wanted)
    assert (home.read_text(), reloads) == ("172.30.0.0/16\nfd00:30::/64\n", ["reload"])
    assert setup.differences(*wanted) == []


def test_haproxy_finds_its_home_in_the_list_when_it_starts_for_the_first_time(
    setup: EdgeSetup, paths: EdgePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network is made with the container, after HAProxy has found the files good."""
    home, read = paths.conf / "home.list", []
    home.unlink()
    monkeypatch.setattr(RunningEdge, "subnets", ())
    monkeypatch.setattr(Compose, "create", lambda self, *, anew: monkeypatch.setattr(RunningEdge, "subnets", ("172.31.0.0/16",)))
    monkeypatch.setattr(Compose, "up", lambda self: read.append(home.read_text()))
    monkeypatch.setattr(EdgeSetup, "_await_answer", lambda self: None)
    (paths.root / "compose.json").unlink()
    setup.apply(LISTED, {"a.example": KEY}, allow_interruption=True)
    assert read == ["172.31.0.0/16\n"]
