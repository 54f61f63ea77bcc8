"""A stack that is removed lets go of its users first, and leaves its data unless that is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, FencedError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.one_offs import OneOff
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.fence import Fence
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Kind
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import removal as removal_module
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.removal import Removal
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica
from ansible_collections.morpheus.deploy.plugins.module_utils.service.routing import Routing
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

from tests.unit.simulation import Host

ROUTE = "shop.example/"
STACK = {"drain_seconds": 30.0, "services": [], "compose_files": ["compose.yml"], "retention": {"releases": 5, "pinned": []}}


class Edge:
    """What a removal asks of the edge beside its verbs."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.files = ["stacks/shop.cfg", "routes.d/shop.map"]

    def routing(self) -> Routing:
        return Routing(self.host.routes, {})

    def own_files(self) -> list[str]:
        return self.files

    def end(self) -> None:
        self.host.log.append("edge end")
        self.files = []


class StackHost:
    """host.StackHost over a simulated host, with a real directory."""

    def __init__(self, root: Path) -> None:
        self.stack = "shop"
        self.simulated = Host()
        self.releases = Releases("shop", root)
        self.found = ["shop_default", "edge.shop"]
        self.named = ["shop_data"]
        self.let_to: list[Any] = []
        self.removed_images: list[str] = []
        self.at_work: list[OneOff] = []
        self.one_offs = SimpleNamespace(all=lambda: self.at_work, remove=lambda one: self.at_work.remove(one))
        self.through = SimpleNamespace(let=self.let_to.append)
        self.engine = self
        self.kept: list[str] = []
        self.hold: list[int] = []
        self.the_edge = Edge(self.simulated)
        self.edge_paths = EdgePaths(root.parent / "no edge")

    def edge(self, target: None) -> Edge:
        return self.the_edge

    def look(self, edge: Any) -> tuple[list[Replica], list[str]]:
        return self.simulated.observe(), []

    def network(self, name: str) -> dict[str, Any] | None:
        return {"Labels": {"morpheus.deploy.stack": "shop"}, "Internal": True} if name in self.found else None

    def networks(self, label: str) -> list[str]:
        assert label == "com.docker.compose.project=shop"
        return [name for name in self.found if name == "shop_default"]

    def remove_network(self, name: str) -> None:
        assert not self.simulated.containers
        self.found.remove(name)

    def volumes(self, label: str) -> list[str]:
        assert label == "com.docker.compose.project=shop"
        return list(self.named)

    def remove_volume(self, name: str) -> None:
        self.named.remove(name)

    def images_in_use(self) -> set[str]:
        return set()

    def remove_image(self, reference: str, identity: str, digest: str) -> None:
        self.removed_images.append(reference)


Remove = Callable[..., dict[str, Any]]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StackHost:
    return with_stack(tmp_path / "stacks", monkeypatch)


def with_stack(root: Path, monkeypatch: pytest.MonkeyPatch) -> StackHost:
    """A host that runs the stack and has data of it, in a volume and in files."""
    found = StackHost(root)
    simulated = found.simulated
    monkeypatch.setattr(removal_module, "HostEngine", lambda *unused: simulated.engine)
    monkeypatch.setattr(removal_module, "HostEdge", lambda *unused: simulated.edge)
    monkeypatch.setattr(removal_module, "SystemClock", lambda: simulated.clock)
    images = {"web": {"reference": "shop/web:1", "digest": "", "id": "sha256:1"}}
    found.releases.write_files("1-id", "1", "staging", {"compose.yml": b"services: {}", "conf/web.conf": b"x"})
    found.releases.write_manifest(Manifest("1-id", "1", "staging", Stack.of(STACK), images))
    found.releases.secrets.mkdir(parents=True, exist_ok=True)
    (found.releases.secrets / "web.env").write_text("KEY=canary")
    found.releases.activate("1-id")
    lineage = found.releases.lineage()
    lineage.went_live("1-id", Kind.DEPLOY)
    found.releases.write_lineage(lineage)
    for name in (".env", "override.json"):
        (found.releases.project / name).write_text("{}")
    (found.releases.project / "uploads" / "a").mkdir(parents=True)
    (found.releases.project / "uploads" / "a" / "picture").write_text("data")
    simulated.add("web", "old", admitted=True)
    simulated.add("worker", "old")
    simulated.routes, simulated.wanted_routes = {ROUTE: "web"}, {}
    simulated.begin()
    return found


def remove(host: StackHost, *, with_data: bool = False) -> dict[str, Any]:
    removal = Removal(host)  # type: ignore[arg-type]
    return removal.execute(removal.look(), Fence(host.releases.root, 0), with_data=with_data)


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def test_what_would_go_and_what_would_stay_is_said_first(host: StackHost) -> None:
    found = Removal(host).look()  # type: ignore[arg-type]
    uploads = str(host.releases.project / "uploads")
    assert (found.release, found.stays) == ("1", ["volume shop_data", uploads])
    assert found.plan(with_data=True)[-6:] == [
        "remove routes.d/shop.map from the edge",
        "remove the network shop_default",
        "remove the network edge.shop",
        "remove releases, secrets and files",
        "remove the data volume shop_data",
        f"remove the data {uploads}",
    ]
    assert len(host.simulated.containers) == 2


def test_users_are_let_go_of_before_anything_stops_and_nothing_is_left_but_data(host: StackHost) -> None:
    remove(host)
    simulated = host.simulated
    assert (simulated.containers, simulated.routes, simulated.violations) == ({}, {}, [])
    assert (host.found, host.the_edge.files, host.let_to) == ([], [], [()])
    assert (host.named, host.removed_images) == (["shop_data"], ["shop/web:1"])
    assert files(host.releases.root) == ["project/uploads/a/picture"]


def test_data_goes_when_it_is_asked_for(host: StackHost) -> None:
    remove(host, with_data=True)
    assert (host.named, host.releases.root.exists()) == ([], False)


def test_a_stack_without_data_leaves_no_directory(host: StackHost) -> None:
    (host.releases.project / "uploads" / "a" / "picture").unlink()
    remove(host)
    assert not host.releases.root.exists()


def test_once_more_there_is_nothing_to_do_but_data(host: StackHost) -> None:
    remove(host)
    again = Removal(host).look()  # type: ignore[arg-type]
    assert again.plan(with_data=False) == []
    assert again.stays == ["volume shop_data", str(host.releases.project / "uploads")]
    remove(host, with_data=True)
    assert Removal(host).look().plan(with_data=True) == []  # type: ignore[arg-type]


def test_a_migration_that_is_at_work_is_not_taken_away(host: StackHost) -> None:
    one = OneOff("id9", "shop-migrate-run-1", release="1-id", at_work=True, since="2026-01-01T12:00:00Z", service="migrate")
    host.at_work.append(one)
    with pytest.raises(DeployError) as caught:
        Removal(host).look()  # type: ignore[arg-type]
    assert str(caught.value) == (
        "shop-migrate-run-1 (migrate) is still at work on this host, since 2026-01-01T12:00:00Z. Wait for its end (docker logs "
        "--follow shop-migrate-run-1) or stop it (docker stop shop-migrate-run-1); then run this again"
    )


def test_a_run_that_has_lost_its_lease_removes_nothing(host: StackHost) -> None:
    removal = Removal(host)  # type: ignore[arg-type]
    found = removal.look()
    old = Fence(host.releases.root, 5, "old")
    old.enter()
    Fence(host.releases.root, 6, "new").enter()
    with pytest.raises(FencedError):
        removal.execute(found, old, with_data=True)
    assert len(host.simulated.containers) == 2
    assert (host.releases.project / "compose.yml").exists()


def test_what_an_application_nests_without_end_is_kept_and_goes_and_no_link_of_it_is_followed(
    host: StackHost, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "kept").write_text("x")
    data = host.releases.project / "data"
    data.mkdir(parents=True, exist_ok=True)
    (data / "link").symlink_to(outside)
    # Deeper than any path may be long (4,096), and than functions may call themselves (1,000 times).
    here = os.open(data, os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("deep", dir_fd=here)
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    assert str(data) in Removal(host).look().data  # type: ignore[arg-type]
    remove(host)
    assert data.is_dir()
    remove(host, with_data=True)
    assert not host.releases.root.exists()
    assert (outside / "kept").read_text() == "x"
