"""One host's switch and its way back: real releases on disk, everything that runs simulated."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import (
    ConfigError,
    DeployError,
    EdgeError,
    EngineError,
    FencedError,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.data import Ground
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.precautions import Here
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.images import Disk, Image
from ansible_collections.morpheus.deploy.plugins.module_utils.health.seen import Health
from ansible_collections.morpheus.deploy.plugins.module_utils.host.lock import alone
from ansible_collections.morpheus.deploy.plugins.module_utils.host.target import Target
from ansible_collections.morpheus.deploy.plugins.module_utils.host.verbs import HostEngine
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.fence import Fence
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.journal import Journal
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Kind, Lineage, Rolling, Status
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import switch as rollout_module
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.rollout import Rollout
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.switch import HostRollout
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.release.workspace import Workspace
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.plan import plan
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import Step
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import (
    DesiredService,
    FailureAction,
    Order,
    UpdatePolicy,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.service.mounted import Mounted
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica, State
from ansible_collections.morpheus.deploy.plugins.module_utils.service.routing import Routing
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack
from ansible_collections.morpheus.deploy.plugins.modules import stack_rollout

from tests.unit.clock import Clock
from tests.unit.simulation import Host, KilledError

ONE_BY_ONE = UpdatePolicy(parallelism=1)
API = DesiredService("api", 2, "old", routed=True, policy=ONE_BY_ONE)


class Edge:
    """What the rollout itself asks of the edge: the services that it knows, and leftovers."""

    def __init__(self, host: StackHost, target: Target | None) -> None:
        self.host = host
        self.services = target.routed if target else set()

    def differences(self) -> list[str]:
        return [] if self.services == self.host.edge_services else ["stacks/shop.cfg"]

    def expand(self) -> list[str]:
        changed = self.services - self.host.edge_services
        self.host.edge_services = self.host.edge_services | self.services
        return ["stacks/shop.cfg"] if changed else []

    def contract(self) -> list[str]:
        changed = self.differences()
        self.host.edge_services = self.services
        return changed

    def left_behind(self) -> int:
        return self.host.left_behind

    def sweep(self, existing: set[str]) -> None:
        self.host.simulated.admitted &= existing
        self.host.simulated.known_to_edge &= existing


class Through:
    """Notes what the stack is let through to, and whether beside what it was."""

    def __init__(self) -> None:
        self.let_to: list[tuple[list[str], bool]] = []

    def require(self, kinds: Any) -> None: ...

    def let(self, kinds: Any, *, beside: bool = False) -> None:
        self.let_to.append((sorted(kinds), beside))


class StackHost:
    """host.StackHost over a simulated host. ``wanted``: release -> its services."""

    def __init__(self, root: Path) -> None:
        self.stack = "shop"
        self.edge_paths = EdgePaths(root / "edge")
        self.releases = Releases("shop", root)
        self.simulated = Host()
        self.through = Through()
        self.wanted: dict[str, list[DesiredService]] = {}
        self.edge_services: set[str] = set()
        self.left_behind = 0
        self.images: set[str] = set()
        self.free = 10_000_000_000
        self.pulls: list[str] = []
        self.engine = self
        self.found = Here()
        self.one_offs = SimpleNamespace(jobs=lambda names: [])
        # Why users get nothing from what runs, and what keeps the edge from its work.
        self.silent = self.trouble = ""
        self.model: dict[str, Any] = {}
        # What the host's own edge answers to the public check.
        self.edge_health = Health("edge", "", healthy=True)

    def ask_edge(self, target: Target, guard: Any) -> Health:
        return self.edge_health

    def image(self, reference: str) -> Image | None:
        identity = reference if reference.startswith("sha256:") else f"sha256:{reference.rpartition(':')[2]}"
        return Image(reference, identity, "") if identity in self.images else None

    def pull(self, reference: str) -> Image:
        self.pulls.append(reference)
        identity = f"sha256:{reference.partition('@')[0].rpartition(':')[2]}"
        self.images.add(identity)
        return Image(reference, identity, "")

    def size(self, identity: str) -> int:
        return 200_000_000 if identity in self.images else 0

    def disk(self) -> Disk:
        return Disk("/var/lib/docker", self.free, 20_000_000_000)

    def release(
        self, name: str, *services: DesiredService, at: Mapping[str, str] | None = None, egress: tuple[str, ...] = ()
    ) -> str:
        """A prepared release; its id. ``at``: service -> host of its route, where that is not the service's name."""
        self.wanted[name] = list(services)
        routes = {one.name: [{"host": one.name, "paths": ["/"]}] if one.routed else [] for one in services}
        routes |= {name: [{"host": host, "paths": ["/"]}] for name, host in (at or {}).items()}
        listed = [{"name": one.name, "port": 80, "routes": routes[one.name]} for one in services]
        images = {one.name: {"reference": f"shop/{one.name}:{name}", "digest": "", "id": f"sha256:{name}"} for one in services}
        self.images.add(f"sha256:{name}")
        stack = {"drain_seconds": 30.0, "services": listed, "retention": {"releases": 5, "pinned": []}}
        stack["egress"] = list(egress)
        manifest = Manifest(f"{name}-id", name, "staging", Stack.of(stack), images)
        self.releases.write_files(manifest.id, name, "staging", {"compose.yml": name.encode()})
        self.releases.write_manifest(manifest)
        return manifest.id

    def target(self, manifest: Manifest, workspace: Workspace, *, images: Any = None, section: str = "update_config") -> Target:
        return Target(manifest.release, manifest.stack, workspace, self.model, self.wanted[manifest.release])

    def edge(self, target: Target | None) -> Edge:
        return Edge(self, target)

    def plan(self, target: Target, observed: Any, edge: Edge, replace_created_before: float | None = None) -> list[Step]:
        simulated = self.simulated
        simulated.wanted_routes = dict(target.routes)
        routing = Routing(simulated.routes, target.routes)
        return plan(target.desired, observed, replace_created_before=replace_created_before, routing=routing)

    def unanswered(self, target: Target, observed: Any, edge: Edge) -> dict[str, str]:
        return {one.name: self.silent for one in observed} if self.silent else {}

    def require_ground(self, target: Target, observed: Any, steps: Any) -> None:
        if self.trouble:
            raise EdgeError(self.trouble)

    def observe(self, edge: Any) -> list[Replica]:
        return self.simulated.observe()

    def compose(self, target: Target) -> None: ...

    def join_edge(self, target: Target) -> None:
        self.joined = True

    def write_override(self, target: Target, identity: str, pinned: Any) -> None:
        self.simulated.want(target.desired)
        # From here on promises are held to what serves now and to what this release wants.
        self.simulated.begin()

    def here(self, model: Any, images: Any, live: Any) -> Here:
        return self.found

    def volumes(self, model: Any) -> Mapping[str, Any]:
        return self.found.volumes

    def damage(self, manifest: Manifest, target: Target, edge: Edge) -> list[str]:
        return []

    def ground(self, stack: Any, workspace: Workspace) -> Ground:
        return Ground()

    def images_in_use(self) -> set[str]:
        return set()

    def remove_image(self, reference: str, identity: str, digest: str) -> None:
        self.images.discard(identity)

    def rollout(self, token: int = 0) -> HostRollout:
        return HostRollout(self, Fence(self.releases.root, token))  # type: ignore[arg-type]

    def roll(self, release_id: str, *, restart: bool = False, kind: Kind = Kind.DEPLOY, token: int = 0) -> Rollout:
        rollout = self.rollout(token)
        done = rollout.prepare(release_id, restart=restart, kind=kind)
        rollout.execute(done)
        return done

    def runs(self) -> list[str]:
        return sorted(f"{one.service} {one.fingerprint}" for one in self.simulated.alive())

    def journal(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.releases.root / "journal.jsonl").read_text().splitlines()]


def simulate(found: StackHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rollouts work on this host."""
    monkeypatch.setattr(rollout_module, "HostEngine", lambda *unused: found.simulated.engine)
    monkeypatch.setattr(rollout_module, "HostEdge", lambda *unused: found.simulated.edge)
    monkeypatch.setattr(rollout_module, "HostGate", lambda *unused, **named: found.simulated.gate)
    monkeypatch.setattr(rollout_module, "SystemClock", lambda: found.simulated.clock)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StackHost:
    found = StackHost(tmp_path)
    simulate(found, monkeypatch)
    return found


def live(host: StackHost, *services: DesiredService) -> str:
    """The first release, which serves."""
    identity = host.release("1.0", *services)
    host.roll(identity)
    host.simulated.log.clear()
    return identity


def served(host: StackHost, *services: DesiredService) -> str:
    """The same without a rollout, for tests that begin often."""
    identity = host.release("1.0", *services)
    lineage = host.releases.lineage()
    lineage.went_live(identity, Kind.DEPLOY)
    host.releases.write_lineage(lineage)
    host.releases.activate(identity)
    for one in services:
        for _ in range(one.replicas):
            host.simulated.add(one.name, one.fingerprint, admitted=one.routed)
    host.simulated.routes = {f"{one.name}/": one.name for one in services if one.routed}
    return identity


def test_a_first_rollout_makes_the_release_live(host: StackHost) -> None:
    identity = host.release("1.0", API)
    done = host.roll(identity)
    assert (done.changed, done.outcome.failures, done.left, done.previous) == (True, [], "", None)
    assert host.releases.live() == identity
    assert host.runs() == ["api old"] * 2
    assert (host.releases.project / "compose.yml").read_text() == "1.0"
    assert [replica.admitted for replica in done.after] == [True, True]


def test_a_stack_reaches_what_either_release_may_until_the_new_one_is_live(host: StackHost) -> None:
    host.roll(host.release("1.0", API, egress=("metadata", "ssh")))
    assert host.through.let_to == [(["metadata", "ssh"], True), (["metadata", "ssh"], False)]
    host.through.let_to.clear()
    host.roll(host.release("2.0", replace(API, fingerprint="new"), egress=("metrics",)))
    assert host.through.let_to == [(["metrics"], True), (["metrics"], False)]


def test_a_release_that_failed_leaves_nothing_that_only_it_may_reach(host: StackHost) -> None:
    live(host, API)
    host.through.let_to.clear()
    host.simulated.bad = {"new"}
    done = host.roll(host.release("2.0", replace(API, fingerprint="new"), egress=("ssh",)))
    assert done.left == "as_before"
    assert host.through.let_to[0] == (["ssh"], True)
    assert host.through.let_to[-1] == ([], False)


def told(host: StackHost) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (host.releases.root / "progress.jsonl").read_text().splitlines()]


def test_a_rollout_tells_what_it_does_while_it_does_it(host: StackHost) -> None:
    live(host, API)
    host.roll(host.release("2.0", replace(API, fingerprint="new")))
    found = told(host)
    assert {key: found[0][key] for key in ("event", "release", "kind", "token")} == {
        "event": "begin",
        "release": "2.0",
        "kind": "deploy",
        "token": 0,
    }
    done = [one["text"] for one in found if one["event"] == "done"]
    assert [one["step"] for one in host.journal() if one["event"] == "done"][-len(done) :] == done
    events = {one["event"] for one in found}
    assert {"intent", "done", "started", "judged", "requests"} <= events
    judged = next(one for one in found if one["event"] == "judged")
    started = next(one for one in found if one["event"] == "started")
    assert (judged["service"], judged["healthy"], judged["replica"] in started["replicas"]) == ("api", True, True)


def test_a_rollout_that_fails_tells_why_before_it_takes_back(host: StackHost) -> None:
    live(host, API)
    host.simulated.bad = {"new"}
    host.roll(host.release("2.0", replace(API, fingerprint="new")))
    bad = next(one for one in told(host) if one["event"] == "bad")
    assert bad["why"].startswith('service "api": ')


def test_a_rollout_whose_progress_cannot_be_written_goes_on(host: StackHost) -> None:
    (host.releases.root / "progress.jsonl" / "in the way").mkdir(parents=True)
    done = host.roll(host.release("1.0", API))
    assert (done.outcome.failures, done.warnings) == ([], [])


def test_the_same_release_again_changes_nothing(host: StackHost) -> None:
    identity = live(host, API)
    again = host.rollout().prepare(identity, restart=False)
    assert (again.changed, again.steps, again.edge_files) == (False, [], [])


def test_an_update_replaces_every_replica_and_moves_the_pointer(host: StackHost) -> None:
    live(host, API)
    done = host.roll(host.release("2.0", replace(API, fingerprint="new")))
    assert done.outcome.failures == []
    assert done.previous is not None
    assert (done.previous.release, host.releases.live(), host.runs()) == ("1.0", "2.0-id", ["api new"] * 2)
    assert host.simulated.violations == []


def test_a_rollback_is_the_same_with_an_older_release(host: StackHost) -> None:
    one = live(host, API)
    host.roll(host.release("2.0", replace(API, fingerprint="new")))
    assert host.roll(one).outcome.failures == []
    assert (host.releases.live(), host.runs()) == (one, ["api old"] * 2)
    assert (host.releases.project / "compose.yml").read_text() == "1.0"


def test_without_a_release_id_the_live_one_is_meant(host: StackHost) -> None:
    identity = live(host, API)
    host.simulated.containers.popitem()
    done = host.roll("")
    assert (done.manifest.id, host.runs()) == (identity, ["api old"] * 2)


def test_a_host_with_no_live_release_says_so(host: StackHost) -> None:
    with pytest.raises(DeployError) as caught:
        host.rollout().prepare("", restart=True)
    assert str(caught.value) == "no release of this stack is live on this host yet; deploy one first"


def test_a_release_whose_image_is_gone_is_refused_before_anything_changes(host: StackHost) -> None:
    identity = host.release("1.0", API)
    host.images.clear()
    with pytest.raises(EngineError) as caught:
        host.rollout().prepare(identity, restart=False)
    assert str(caught.value) == (
        "this host has lost shop/api:1.0, which release 1.0-id needs; deploy that release again to pull it, or choose another one"
    )
    assert not host.releases.project.exists()


def with_digests(host: StackHost, identity: str) -> None:
    """The release was pulled from a registry, and 1 GB is to stay free."""
    found = host.releases.read(identity)
    pulled = {name: {**one, "digest": "sha256:d"} for name, one in found.images.items()}
    host.releases.write_manifest(replace(found, images=pulled, stack=Stack.of({**found.stack.document, "keep_free_mb": 1000})))


@pytest.mark.parametrize("restart", [True, False], ids=["restart", "deploy"])
def test_an_image_that_is_gone_is_pulled_again_only_onto_a_disk_with_room_for_it(host: StackHost, restart: bool) -> None:
    """Expected to be as large as the one that another release has of the service: of the lost one nobody knows it."""
    host.release("0.9", API)
    identity = live(host, API)
    with_digests(host, identity)
    host.images.discard("sha256:1.0")
    host.free = 1_199_000_000
    with pytest.raises(DeployError) as caught:
        host.rollout().prepare(identity, restart=restart)
    assert str(caught.value) == (
        "the engine's disk (/var/lib/docker) has 1,199 MB free of 20,000 MB, and 1,200 MB are needed: about 200 MB for 1 image "
        "to be pulled (the size of what this host has of the same services) and 1,000 MB to be kept free (stack.keep_free_mb). "
        "Nothing was pulled or changed. See what takes the space with: docker system df"
    )
    assert host.pulls == []
    host.free += 1_000_000
    rollout = host.rollout().prepare(identity, restart=restart)
    assert host.pulls == ["shop/api:1.0@sha256:d"]
    assert rollout.warnings == ["image shop/api:1.0 was gone from this host and was pulled again by its digest"]


def test_a_full_disk_is_no_matter_when_nothing_is_to_be_pulled(host: StackHost) -> None:
    identity = live(host, API)
    with_digests(host, identity)
    host.free = 0
    assert host.rollout().prepare(identity, restart=True).steps


def test_a_restart_replaces_every_replica_by_one_of_the_same_release(host: StackHost) -> None:
    live(host, API)
    before = set(host.simulated.containers)
    done = host.roll("", restart=True)
    assert done.outcome.failures == []
    assert host.runs() == ["api old"] * 2
    assert not before & set(host.simulated.containers)


def test_services_that_are_gone_are_retired_and_then_their_routes(host: StackHost) -> None:
    web = replace(API, name="web")
    live(host, API, web)
    done = host.roll(host.release("2.0", API))
    assert done.outcome.failures == []
    assert host.runs() == ["api old"] * 2
    assert host.edge_services == {"api"}
    assert host.simulated.routes == {"api/": "api"}
    assert host.simulated.violations == []


WEB_AS_SITE = replace(API, name="site", fingerprint="new")


def renamed(host: StackHost, action: FailureAction = FailureAction.PAUSE) -> Rollout:
    """The service "api" is called "site" in the next release and has the same route."""
    live(host, API)
    site = replace(WEB_AS_SITE, policy=replace(ONE_BY_ONE, failure_action=action))
    return host.roll(host.release("2.0", site, at={"site": "api"}))


def test_a_renamed_service_has_the_route_and_nothing_is_left_of_the_old_name(host: StackHost) -> None:
    done = renamed(host)
    assert (done.outcome.failures, done.warnings) == ([], [])
    assert (host.simulated.routes, host.edge_services, host.runs()) == ({"api/": "site"}, {"site"}, ["site new"] * 2)
    assert host.simulated.violations == []


def test_and_the_way_back_is_the_same(host: StackHost) -> None:
    renamed(host)
    assert host.roll("1.0-id", kind=Kind.ROLLBACK).outcome.failures == []
    assert (host.simulated.routes, host.edge_services, host.runs()) == ({"api/": "api"}, {"api"}, ["api old"] * 2)
    assert host.simulated.violations == []


@pytest.mark.parametrize("action", list(FailureAction))
def test_a_renamed_service_that_fails_never_gets_the_route_and_leaves_no_trace_at_the_edge(
    host: StackHost, action: FailureAction
) -> None:
    host.simulated.bad = {"new"}
    done = renamed(host, action)
    assert (done.left, len(done.outcome.failures)) == ("as_before", 1)
    assert (host.simulated.routes, host.edge_services, host.runs()) == ({"api/": "api"}, {"api"}, ["api old"] * 2)
    assert host.simulated.violations == []


def test_a_renamed_service_that_fails_while_it_is_watched_gives_the_route_back(host: StackHost) -> None:
    host.simulated.flaky = {"new"}
    live(host, API)
    watched = replace(WEB_AS_SITE, policy=UpdatePolicy(parallelism=0, monitor_seconds=3.0))
    done = host.roll(host.release("2.0", watched, at={"site": "api"}))
    assert (done.left, len(done.outcome.failures)) == ("taken_back", 1)
    assert (host.simulated.routes, host.edge_services, host.runs()) == ({"api/": "api"}, {"api"}, ["api old"] * 2)
    assert host.simulated.violations == []


def test_a_route_that_is_lost_in_a_release_that_fails_stays(host: StackHost) -> None:
    web = replace(API, name="web", policy=replace(ONE_BY_ONE, failure_action=FailureAction.ROLLBACK))
    live(host, API, web)
    host.simulated.bad = {"bad"}
    done = host.roll(host.release("2.0", replace(API, routed=False, fingerprint="worker"), replace(web, fingerprint="bad")))
    assert done.left in ("as_before", "taken_back")
    assert host.simulated.routes == {"api/": "api", "web/": "web"}
    assert (host.edge_services, host.runs()) == ({"api", "web"}, ["api old"] * 2 + ["web old"] * 2)
    assert host.simulated.violations == []


def test_what_a_killed_run_left_of_a_release_that_fails_then_is_no_part_of_what_was_good(host: StackHost) -> None:
    """The dead run had switched the first of two services; the same command again finds the second one bad."""
    policy = replace(ONE_BY_ONE, failure_action=FailureAction.ROLLBACK)
    api, web = replace(API, policy=policy), replace(API, name="web", depends_on=("api",), policy=policy)
    live(host, api, web)
    second = host.release("2.0", replace(api, fingerprint="new"), replace(web, fingerprint="bad"))
    host.simulated.bad = {"bad"}
    rollout = host.rollout()
    started = rollout.prepare(second, restart=False)
    host.simulated.fuse = 12
    with pytest.raises(KilledError):
        rollout.execute(started)
    host.simulated.fuse = None
    assert "api new" in host.runs()
    done = host.roll(second)
    assert (done.left, host.runs()) == ("taken_back", ["api old"] * 2 + ["web old"] * 2)
    assert host.simulated.violations == []


def test_housekeeping_that_fails_is_a_warning_and_the_release_is_live(host: StackHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """It serves already: whoever says that it was refused, or takes it back, makes a mix of a good deploy."""

    def refuse(edge: Edge) -> list[str]:
        raise DeployError("HAProxy could not load the new edge configuration")

    def broken(*unused: object, **options: object) -> list[str]:
        raise DeployError("manifest.json cannot be read")

    monkeypatch.setattr(Edge, "contract", refuse)
    monkeypatch.setattr(rollout_module, "prune", broken)
    done = host.roll(host.release("1.0", API))
    assert (done.outcome.failures, done.left, host.releases.live()) == ([], "", "1.0-id")
    assert done.warnings == [
        "could not take away what the edge no longer needs: HAProxy could not load the new edge configuration",
        "could not remove old releases: manifest.json cannot be read",
    ]


def test_an_old_manifest_that_cannot_be_read_keeps_nobody_from_going_on(host: StackHost) -> None:
    for number in range(1, 8):
        host.roll(host.release(f"{number}.0", replace(API, fingerprint=str(number))))
    path = host.releases.root / "releases" / "4.0-id" / "manifest.json"
    path.write_text("{")
    done = host.roll(host.release("8.0", replace(API, fingerprint="8")))
    assert (done.outcome.failures, host.releases.live(), host.runs()) == ([], "8.0-id", ["api 8"] * 2)
    [warning] = done.warnings
    assert warning.startswith(f"could not remove old releases: {path} cannot be read (")


def test_connections_that_a_reload_left_behind_are_told(host: StackHost) -> None:
    host.left_behind = 3
    assert host.roll(host.release("1.0", API)).outcome.left_behind == 3


def test_a_bad_release_on_an_empty_host_leaves_it_empty(host: StackHost) -> None:
    host.simulated.bad = {"old"}
    done = host.roll(host.release("1.0", API))
    assert (len(done.outcome.failures), done.left, host.runs(), host.releases.live()) == (1, "as_before", [], "")


def test_a_bad_release_is_told_with_what_it_was_given_to_harden_it(host: StackHost, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = host.target

    def hardened(*given: Any, **named: Any) -> Target:
        found = plain(*given, **named)
        stack = replace(found.stack, hardening={"exempt": {}, "docker_socket": [], "privileged": []})
        return replace(found, stack=stack, model={"services": {"api": {}}}, additions={"api": {"read_only": True}})

    def engine(*given: Any) -> Any:
        """The simulated one, with the advice of the one on hosts."""
        monkeypatch.setattr(host.simulated.engine, "advice", HostEngine(*given).advice)
        return host.simulated.engine

    monkeypatch.setattr(host, "target", hardened)
    monkeypatch.setattr(rollout_module, "HostEngine", engine)
    host.simulated.bad = {"old"}
    [failure] = host.roll(host.release("1.0", API)).outcome.failures
    assert "It ran with what every service is given: a read-only root." in failure


def test_a_bad_release_leaves_everything_as_it_was_files_too(host: StackHost) -> None:
    one = live(host, API)
    before = set(host.simulated.containers)
    host.simulated.bad = {"new"}
    done = host.roll(host.release("2.0", replace(API, fingerprint="new")))
    assert (len(done.outcome.failures), done.left, host.releases.live()) == (1, "as_before", one)
    assert set(host.simulated.containers) == before
    assert len(host.simulated.serving("api")) == 2
    assert (host.releases.project / "compose.yml").read_text() == "1.0"
    assert host.simulated.violations == []


def late(host: StackHost, action: FailureAction) -> Rollout:
    """The first service goes well, the one that depends on it has a bad release."""
    policy = replace(ONE_BY_ONE, failure_action=action)
    api, web = replace(API, policy=policy), replace(API, name="web", depends_on=("api",), policy=policy)
    live(host, api, web)
    host.simulated.bad = {"bad"}
    return host.roll(host.release("2.0", replace(api, fingerprint="new"), replace(web, fingerprint="bad")))


def test_what_was_switched_goes_back_where_compose_says_rollback(host: StackHost) -> None:
    done = late(host, FailureAction.ROLLBACK)
    assert (done.left, host.releases.live(), host.runs()) == ("taken_back", "1.0-id", ["api old"] * 2 + ["web old"] * 2)
    assert len(done.outcome.failures) == 1
    assert len(host.simulated.serving("api")) == len(host.simulated.serving("web")) == 2
    assert (host.releases.project / "compose.yml").read_text() == "1.0"


def test_what_was_switched_stays_where_compose_says_pause_and_the_host_is_called_mixed(host: StackHost) -> None:
    done = late(host, FailureAction.PAUSE)
    assert (done.left, host.releases.live(), host.runs()) == ("mixed", "1.0-id", ["api new"] * 2 + ["web old"] * 2)


WORKER = DesiredService("worker", 1, "old", policy=replace(ONE_BY_ONE, failure_action=FailureAction.ROLLBACK))


def test_a_worker_of_an_earlier_wave_that_was_replaced_and_comes_back_was_taken_back(host: StackHost) -> None:
    """No step has admitted anything: what counts is that another container than before runs now."""
    web = replace(API, name="web", depends_on=("worker",), policy=replace(ONE_BY_ONE, failure_action=FailureAction.ROLLBACK))
    live(host, WORKER, web)
    before = {one.id for one in host.simulated.observe()}
    host.simulated.bad = {"bad"}
    done = host.roll(host.release("2.0", replace(WORKER, fingerprint="new"), replace(web, fingerprint="bad")))
    assert (done.left, host.runs()) == ("taken_back", ["web old", "web old", "worker old"])
    assert {one.id for one in host.simulated.observe()} != before


def test_what_a_worker_and_a_job_of_a_failed_release_did_is_said_to_last(host: StackHost) -> None:
    web = replace(API, name="web", depends_on=("worker",), policy=replace(ONE_BY_ONE, failure_action=FailureAction.ROLLBACK))
    live(host, WORKER, web)
    host.simulated.bad = {"bad"}
    done = host.roll(host.release("2.0", replace(WORKER, fingerprint="new"), replace(web, fingerprint="bad")))
    assert (done.left, done.lasting) == ("taken_back", ["its worker was at work for a while"])
    assert stack_rollout.left_in_words(done, adopts=False) == (
        "What had been switched was taken back: this host serves the release before it again (1.0). What 2.0 did before stays "
        "so: its worker was at work for a while."
    )
    done.outcome.spent["migrate", "run"] = 1.0
    assert done.lasting == ["its job migrate has run", "its worker was at work for a while"]
    done.left = "switched"
    assert done.lasting == []


def test_what_a_crash_left_lying_about_is_swept_and_nothing_counts_as_switched(host: StackHost) -> None:
    live(host, API)
    host.simulated.add("api", "old", State.DEAD)
    host.simulated.bad = {"bad"}
    done = host.roll(host.release("2.0", replace(API, fingerprint="bad")))
    assert (done.left, host.runs()) == ("as_before", ["api old"] * 2)


def test_an_edge_that_breaks_off_while_it_admits_has_given_candidates_to_users(host: StackHost) -> None:
    both = replace(API, policy=UpdatePolicy(parallelism=0))
    live(host, both)
    host.simulated.failing = {"admit half-way": DeployError("HAProxy is gone")}
    second = host.release("2.0", replace(both, fingerprint="new"))
    host.simulated.new_sessions = []
    done = host.roll(second)
    assert (done.left, host.runs()) == ("taken_back", ["api old"] * 2)


# Of what a rollout changes on a host, so that no test takes long.
PARTS = 5


@pytest.mark.parametrize("first", range(PARTS), ids=lambda first: f"every {PARTS}. from {first} on")
@pytest.mark.parametrize("action", FailureAction)
def test_wherever_a_rollout_fails_what_it_says_it_left_is_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: FailureAction, first: int
) -> None:
    """One change of the host is refused, until a rollout comes to its end before that."""
    policy = replace(ONE_BY_ONE, failure_action=action)
    worker, api, web = (
        replace(WORKER, policy=policy),
        replace(API, policy=policy, depends_on=("worker",)),
        replace(API, name="web", policy=policy, depends_on=("api",)),
    )
    seen: dict[str, int] = {}
    for trip in range(first, 200, PARTS):
        found = StackHost(tmp_path / str(trip))
        simulate(found, monkeypatch)
        served(found, worker, api, web)
        before = {one.id for one in found.simulated.alive()}
        second = found.release("2.0", *(replace(one, fingerprint="new") for one in (worker, api, web)))
        found.simulated.trip = trip
        done = found.roll(second)
        if found.simulated.trip is not None:
            assert done.outcome.failures == []
            break
        seen[done.left] = seen.get(done.left, 0) + 1
        runs = {one.fingerprint for one in found.simulated.alive()}
        after = {one.id for one in found.simulated.alive()}
        what = (trip, done.outcome.failures, found.runs())
        assert (done.left in ("as_before", "taken_back")) == (runs == {"old"}), what
        assert (done.left == "switched") == (runs == {"new"}), what
        assert done.left != "as_before" or after >= before, what
        assert (found.releases.lineage().rolling is None) == (done.left in ("as_before", "taken_back")), what
    else:
        pytest.fail("no rollout came to its end")
    # Only the first changes leave a host as it was.
    at_first = {"as_before"} if first == 0 else set()
    assert set(seen) >= {"taken_back" if action is FailureAction.ROLLBACK else "mixed", *at_first}, seen


BAD_EDGE = [
    "this host's edge did not answer https://shop.example/health as it should 3 times in a row within 5 s: after 9 attempts in "
    "4.5 s the last answer was: status 503, expected 200."
]


def checked(host: StackHost, *services: DesiredService, healthy: bool) -> Rollout:
    """A rollout of the next release, whose public check at the host's own edge ends so."""
    identity = host.release("2.0", *services)
    manifest = host.releases.read(identity)
    check: dict[str, Any] = {"url": "https://shop.example/health", "successes": 3, "deadline_seconds": 5.0}
    host.releases.write_manifest(replace(manifest, stack=Stack.of({**manifest.stack.document, "public_check": check})))
    violation = "" if healthy else "status 503, expected 200"
    host.edge_health = Health("shop.example", check["url"], healthy=healthy, attempts=9, seconds=4.5, violation=violation)
    return host.roll(identity)


@pytest.mark.parametrize(
    ("action", "left", "runs", "live_after"),
    [
        (FailureAction.ROLLBACK, "taken_back", "old", "1.0"),
        (FailureAction.PAUSE, "switched", "new", "1.0"),
    ],
)
def test_a_public_check_that_fails_leaves_one_release_whatever_the_files_say(
    host: StackHost, action: FailureAction, left: str, runs: str, live_after: str
) -> None:
    api = replace(API, policy=replace(ONE_BY_ONE, failure_action=action))
    live(host, api)
    done = checked(host, replace(api, fingerprint="new"), healthy=False)
    assert (done.outcome.failures, done.left, host.runs()) == (BAD_EDGE, left, [f"api {runs}"] * 2)
    lineage = host.releases.lineage()
    assert (lineage.live, lineage.fates["2.0-id"].status) == (f"{live_after}-id", Status.FAILED)
    # What runs is not what is live, so the next run has something to end.
    assert lineage.rolling == (Rolling("2.0-id", Kind.DEPLOY) if left == "switched" else None)


def test_a_host_that_was_left_with_the_release_that_failed_comes_back_by_a_rollback_and_is_finished_by_a_deploy(
    host: StackHost,
) -> None:
    live(host, API)
    new = replace(API, fingerprint="new")
    checked(host, new, healthy=False)
    assert checked(host, new, healthy=True).outcome.failures == []
    assert (host.releases.live(), host.releases.lineage().rolling) == ("2.0-id", None)
    host.roll("1.0-id", kind=Kind.ROLLBACK)
    assert (host.releases.live(), host.runs()) == ("1.0-id", ["api old"] * 2)


def test_a_first_release_whose_public_check_fails_runs_and_is_not_called_a_mix(host: StackHost) -> None:
    done = checked(host, API, healthy=False)
    assert (done.left, host.runs(), host.releases.live()) == ("switched", ["api old"] * 2, "")


def test_a_first_release_that_fails_half_way_is_a_mix(host: StackHost) -> None:
    host.simulated.bad = {"bad"}
    web = replace(API, name="web", fingerprint="bad", depends_on=("api",))
    assert host.roll(host.release("1.0", API, web)).left == "mixed"


def test_a_disk_without_room_for_the_lineage_is_a_warning_once_the_release_serves(
    host: StackHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = live(host, API)
    write = Releases.write_lineage

    def full(releases: Releases, lineage: Lineage) -> None:
        if lineage.rolling is None:
            raise OSError(28, "No space left on device", str(releases.root / "lineage.json"))
        write(releases, lineage)

    monkeypatch.setattr(Releases, "write_lineage", full)
    done = host.roll(host.release("2.0", replace(API, fingerprint="new")))
    assert (done.outcome.failures, done.left, host.runs()) == ([], "", ["api new"] * 2)
    assert done.warnings[0] == (
        "could not write down that release 2.0-id is live here, which it is; deploy it again to have that written: "
        f"{host.releases.root}/lineage.json could not be read or written: No space left on device. See what fills it with: "
        f"df -h {host.releases.root}; df -i {host.releases.root}; docker system df. Make room, then run this again"
    )
    # Nobody forgets that it was under way: a rollback goes to what was live, a deploy ends it.
    assert (host.releases.live(), host.releases.lineage().rolling) == (one, Rolling("2.0-id", Kind.DEPLOY))
    monkeypatch.undo()


def test_a_disk_without_room_for_the_journal_stops_neither_a_rollout_nor_its_way_back(
    host: StackHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = replace(API, name="web", depends_on=("worker",), policy=replace(ONE_BY_ONE, failure_action=FailureAction.ROLLBACK))
    live(host, WORKER, web)
    second = host.release("2.0", replace(WORKER, fingerprint="new"), replace(web, fingerprint="bad"))
    host.simulated.bad = {"bad"}

    def full(journal: Journal, event: str, **details: Any) -> None:
        raise OSError(28, "No space left on device", "journal.jsonl")

    monkeypatch.setattr(Journal, "write", full)
    done = host.roll(second)
    assert (done.left, host.runs()) == ("taken_back", ["web old", "web old", "worker old"])
    [warning] = done.warnings
    assert warning.startswith(
        "lines of the journal are missing: journal.jsonl could not be read or written: No space left on device. See what fills it"
    )


def test_a_full_disk_in_the_middle_of_a_step_is_a_failure_that_is_taken_back(host: StackHost) -> None:
    """No DeployError, and all the same no neighbour may wait for ever, and users get what they had."""
    live(host, API, replace(API, name="web"))
    host.simulated.failing = {"drain": OSError(28, "No space left on device", "shop.cfg")}
    second = host.release("2.0", replace(API, fingerprint="new"), replace(API, name="web", fingerprint="new"))
    done = host.roll(second)
    assert done.outcome.failures[0] == "[Errno 28] No space left on device: 'shop.cfg'"
    assert len(host.simulated.serving("api")) >= 2
    assert len(host.simulated.serving("web")) >= 2


DB = DesiredService("db", 1, "old", policy=UpdatePolicy(order=Order.STOP_FIRST, exclusive="writes to the volume db-data"))
INTERRUPTED = {"db": "stop-first: writes to the volume db-data"}


@pytest.mark.parametrize("action", FailureAction)
def test_a_service_whose_only_replica_had_to_go_first_comes_back_whatever_the_files_say(
    host: StackHost, action: FailureAction
) -> None:
    db = replace(DB, policy=replace(DB.policy, failure_action=action))
    one = live(host, db)
    host.simulated.bad = {"bad"}
    done = host.roll(host.release("2.0", replace(db, fingerprint="bad")))
    assert (host.runs(), done.left, host.releases.live()) == (["db old"], "taken_back", one)
    assert (len(done.outcome.failures), done.outcome.interrupted) == (1, INTERRUPTED)
    assert (host.releases.project / "compose.yml").read_text() == "1.0"
    assert host.simulated.violations == []


def test_of_two_the_one_that_had_to_go_first_comes_back_too(host: StackHost) -> None:
    db = replace(DB, replicas=2)
    one = live(host, db)
    host.simulated.bad = {"bad"}
    done = host.roll(host.release("2.0", replace(db, fingerprint="bad")))
    assert (host.runs(), done.left, done.outcome.interrupted, host.releases.live()) == (["db old"] * 2, "taken_back", {}, one)
    assert host.simulated.violations == []


def test_what_has_nobody_left_comes_back_and_what_serves_stays_where_compose_says_pause(host: StackHost) -> None:
    db = replace(DB, depends_on=("api",))
    live(host, API, db)
    host.simulated.bad = {"bad"}
    done = host.roll(host.release("2.0", replace(API, fingerprint="new"), replace(db, fingerprint="bad")))
    assert (host.runs(), done.left) == (["api new"] * 2 + ["db old"], "mixed")
    assert host.simulated.violations == []


def test_who_was_interrupted_is_told_and_who_was_not_is_not(host: StackHost) -> None:
    two = replace(DB, name="queue", replicas=2)
    live(host, API, DB, two)
    done = host.roll(host.release("2.0", *(replace(one, fingerprint="new") for one in (API, DB, two))))
    assert (done.outcome.failures, done.outcome.interrupted) == ([], INTERRUPTED)
    assert host.simulated.violations == []


def test_a_rollback_that_would_let_two_services_write_at_once_is_refused_before_anything_changes(host: StackHost) -> None:
    one = live(host, DB)
    before = host.runs()
    host.model = {"services": {"db": {"volumes": ["db-data:/data"]}}, "volumes": {"db-data": {"name": "shop_db-data"}}}
    host.found = Here([Mounted("shop-database-1", "database", "volume", "shop_db-data", "/data")])
    with pytest.raises(ConfigError, match="so two would write at once"):
        host.rollout().prepare(one, restart=False, kind=Kind.ROLLBACK)
    assert host.runs() == before


def test_a_mixed_host_is_mended_by_the_next_rollout(host: StackHost) -> None:
    late(host, FailureAction.PAUSE)
    done = host.roll("1.0-id")
    assert (done.outcome.failures, host.runs()) == ([], ["api old"] * 2 + ["web old"] * 2)


def test_a_rollback_that_fails_too_is_reported_with_both_causes(host: StackHost) -> None:
    policy = replace(ONE_BY_ONE, failure_action=FailureAction.ROLLBACK)
    api, web = replace(API, policy=policy), replace(API, name="web", depends_on=("api",), policy=policy)
    live(host, api, web)
    # By now the old release is no longer well either, for example because its database has gone.
    host.simulated.bad = {"bad", "old"}
    done = host.roll(host.release("2.0", replace(api, fingerprint="new"), replace(web, fingerprint="bad")))
    assert len(done.outcome.failures) == 2
    assert done.left == "mixed"
    assert len(host.simulated.serving("api")) == len(host.simulated.serving("web")) == 2


def test_replicas_whose_secrets_have_changed_meanwhile_count_as_what_ran_before(host: StackHost) -> None:
    """A failed rotation leaves replicas that no release on this host would make again; they serve, so nothing is mixed."""
    one = live(host, API)
    before = set(host.simulated.containers)
    host.simulated.bad = {"rotated"}
    host.wanted["1.0"] = [replace(API, fingerprint="rotated")]
    done = host.roll(one)
    assert (done.left, set(host.simulated.containers)) == ("as_before", before)


def test_an_edge_that_refuses_the_routes_leaves_everything_as_it_was(host: StackHost, monkeypatch: pytest.MonkeyPatch) -> None:
    one = live(host, API)
    before = set(host.simulated.containers)
    second = host.release("2.0", replace(API, fingerprint="new"), replace(API, name="web", fingerprint="new"))
    expand = Edge.expand

    def refuse(edge: Edge) -> list[str]:
        if "web" in edge.services:
            raise DeployError("HAProxy rejects the new edge configuration")
        return expand(edge)

    monkeypatch.setattr(Edge, "expand", refuse)
    done = host.roll(second)
    assert done.outcome.failures == ["HAProxy rejects the new edge configuration"]
    assert (done.left, set(host.simulated.containers), host.releases.live()) == ("as_before", before, one)
    assert (host.releases.project / "compose.yml").read_text() == "1.0"


def test_the_journal_tells_the_story(host: StackHost) -> None:
    live(host, API)
    events = [(line["event"], line.get("action")) for line in host.journal()]
    assert events[0] == ("begin", None)
    assert events[-1] == ("live", None)
    assert ("intent", "gate") in events
    assert events.index(("intent", "gate")) < events.index(("done", "gate")) < events.index(("intent", "admit"))


def test_a_failure_is_in_the_journal_with_what_was_left(host: StackHost) -> None:
    host.simulated.bad = {"old"}
    host.roll(host.release("1.0", API))
    last = host.journal()[-1]
    assert (last["event"], last["release"], last["left"]) == ("failed", "1.0-id", "as_before")


def test_two_rollouts_of_a_stack_do_not_work_at_the_same_time(host: StackHost) -> None:
    with alone(host, 0), pytest.raises(DeployError) as caught, alone(host, 0):  # type: ignore[arg-type]
        pass
    assert re.fullmatch(
        rf"another rollout of shop is at work on this host: process {os.getpid()} \(.+\), since \d{{4}}-.+Z; wait for its end "
        "and run this again",
        str(caught.value),
    )
    with alone(host, 0):  # type: ignore[arg-type]
        pass


def test_a_run_with_a_newer_lease_waits_for_the_one_that_it_fenced_off(host: StackHost) -> None:
    class Patience(Clock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            # The old run notices at its next step and ends.
            with pytest.raises(FencedError):
                old.check()
            held.close()

    with ExitStack() as held:
        old = held.enter_context(alone(host, 7, "run-a"))  # type: ignore[arg-type]
        with alone(host, 8, "run-b", Patience()) as new:  # type: ignore[arg-type]
            new.check()
    with pytest.raises(FencedError), alone(host, 7, "run-a"):  # type: ignore[arg-type]
        pass


def test_a_run_that_lost_its_lease_writes_nothing_more_and_takes_nothing_back(host: StackHost) -> None:
    live(host, API)
    second = host.release("2.0", replace(API, fingerprint="new"))
    rollout = host.rollout(7)
    done = rollout.prepare(second, restart=False)
    Fence(host.releases.root, 8).enter()
    before = [(one.name, one.admitted) for one in host.simulated.observe()]
    with pytest.raises(FencedError, match=r"its token is 7, and a run with token 8"):
        rollout.execute(done)
    assert [(one.name, one.admitted) for one in host.simulated.observe()] == before
    assert host.releases.lineage().rolling is None


def test_a_run_that_loses_its_lease_in_the_middle_stops_at_its_next_step(
    host: StackHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(host, API)
    second = host.release("2.0", replace(API, fingerprint="new"))
    rollout = host.rollout(7)
    done = rollout.prepare(second, restart=False)
    wait = host.simulated.gate.wait

    def overtaken(*arguments: Any) -> Any:
        Fence(host.releases.root, 8).enter()
        return wait(*arguments)

    monkeypatch.setattr(host.simulated.gate, "wait", overtaken)
    with pytest.raises(FencedError):
        rollout.execute(done)
    # The candidate stays where it is: what becomes of it is the next run's plan, which leads to one release.
    assert host.runs() == ["api new", "api old", "api old"]
    host.simulated.gate.wait = wait  # type: ignore[method-assign]
    assert host.releases.lineage().rolling == Rolling(second, Kind.DEPLOY)
    assert host.roll(second, token=8).outcome.failures == []
    assert host.runs() == ["api new"] * 2
    assert host.releases.lineage().rolling is None


def test_the_lineage_follows_deploys_and_rollbacks(host: StackHost) -> None:
    for number in ("1.0", "2.0", "3.0"):
        host.roll(host.release(number, replace(API, fingerprint=number)))
    assert host.releases.lineage().previous() == "2.0-id"
    host.roll("2.0-id", kind=Kind.ROLLBACK)
    assert host.releases.lineage().previous() == "1.0-id"
    host.roll("1.0-id", kind=Kind.ROLLBACK)
    assert host.releases.lineage().previous() == ""
    host.roll("3.0-id")
    assert (host.releases.live(), host.releases.lineage().previous()) == ("3.0-id", "1.0-id")


def test_a_failed_release_is_marked_and_says_why(host: StackHost) -> None:
    live(host, API)
    host.simulated.bad = {"bad"}
    host.roll(host.release("2.0", replace(API, fingerprint="bad")))
    fate = host.releases.lineage().fates["2.0-id"]
    assert fate.status is Status.FAILED
    assert "did not pass its gate" in fate.why


def test_a_release_whose_secret_is_gone_is_refused_before_anything_changes(host: StackHost) -> None:
    live(host, API)
    second = host.release("2.0", replace(API, fingerprint="new"))
    host.releases.write_manifest(replace(host.releases.read(second), secrets={"api.env": ["KEY", "URL"]}))
    host.releases.write_secrets({"api.env": 'URL="x"\n'})
    with pytest.raises(DeployError, match=r"secrets that this host no longer has \(api.env: KEY\)"):
        host.rollout().prepare(second, restart=False)


def test_after_a_good_deploy_old_releases_go_with_images_that_nobody_needs(host: StackHost) -> None:
    for number in range(1, 8):
        host.roll(host.release(f"{number}.0", replace(API, fingerprint=str(number))))
    assert host.releases.ids() == [f"{number}.0-id" for number in range(3, 8)]
    assert host.images == {f"sha256:{number}.0" for number in range(3, 8)}


def test_a_rollback_removes_nothing(host: StackHost) -> None:
    for number in ("1.0", "2.0"):
        host.roll(host.release(number, replace(API, fingerprint=number)))
    stack = {**host.releases.read("1.0-id").stack.document, "retention": {"releases": 1, "pinned": []}}
    host.releases.write_manifest(replace(host.releases.read("1.0-id"), stack=Stack.of(stack)))
    host.roll("1.0-id", kind=Kind.ROLLBACK)
    assert host.releases.ids() == ["1.0-id", "2.0-id"]


def test_nothing_is_to_do_only_when_users_are_answered(host: StackHost) -> None:
    """A replica that hangs runs, and is as the release wants it: it is replaced as another release would replace it."""
    identity = live(host, API)
    before = set(host.simulated.containers)
    host.silent = "does not answer users"
    planned = host.rollout().prepare(identity, restart=False)
    assert planned.changed
    assert str(planned.steps[0]) == "api: start 1 candidate (shop-api-1 does not answer users)"
    done = host.roll(identity)
    assert (done.outcome.failures, done.left, host.runs()) == ([], "", ["api old"] * 2)
    assert not before & set(host.simulated.containers)
    assert host.simulated.violations == []


@pytest.mark.parametrize("restart", [False, True])
def test_an_edge_that_reaches_nobody_refuses_before_anything_changes(host: StackHost, restart: bool) -> None:
    live(host, API)
    host.trouble = 'the network "edge" is not on this host'
    second = host.release("2.0", replace(API, fingerprint="new"))
    with pytest.raises(EdgeError, match=r"^the network \"edge\" is not on this host$"):
        host.rollout().prepare("" if restart else second, restart=restart)
    assert host.simulated.log == []


def test_incumbents_that_were_cut_off_do_not_make_a_failed_release_a_mix(
    host: StackHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They serve nobody, before and after; but nothing was switched, and the host runs one release."""
    networks = frozenset({"shop_default"})
    service = replace(API, networks=frozenset({"edge", "shop_default"}))
    live(host, service)
    observe = host.simulated.observe
    monkeypatch.setattr(host.simulated, "observe", lambda: [replace(one, networks=networks) for one in observe()])
    host.simulated.bad = {"new"}
    done = host.roll(host.release("2.0", replace(service, fingerprint="new")))
    assert (len(done.outcome.failures), done.left, host.runs()) == (1, "as_before", ["api old"] * 2)


def test_an_image_that_lost_its_name_has_it_again_and_that_is_said(host: StackHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in check mode, which changes nothing."""
    identity = live(host, API)
    tags: list[tuple[str, str]] = []

    def image(reference: str) -> Image | None:
        named = reference.startswith("sha256:") or reference in [name for _, name in tags]
        return Image(reference, "sha256:1.0", "") if named else None

    monkeypatch.setattr(host, "image", image)
    monkeypatch.setattr(host, "tag", lambda found, reference: tags.append((found, reference)), raising=False)
    assert host.rollout().prepare(identity, restart=True, look_only=True).warnings == []
    assert tags == []
    assert host.rollout().prepare(identity, restart=True).warnings == [
        "image shop/api:1.0 had lost its name on this host (docker rmi); sha256:1.0 has it again"
    ]
    assert tags == [("sha256:1.0", "shop/api:1.0")]
