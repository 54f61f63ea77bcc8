"""One host's switch and its way back: real releases on disk, everything that runs simulated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils import rollout as rollout_module
from ansible_collections.morpheus.deploy.plugins.module_utils.errors import DeployError, EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.haproxy import Route
from ansible_collections.morpheus.deploy.plugins.module_utils.host import Target
from ansible_collections.morpheus.deploy.plugins.module_utils.plan import DesiredService, FailureAction, Replica, UpdatePolicy
from ansible_collections.morpheus.deploy.plugins.module_utils.release import Manifest, Releases, Workspace
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout import HostRollout, Rollout

from tests.unit.simulation import Host

ONE_BY_ONE = UpdatePolicy(parallelism=1)
API = DesiredService("api", 2, "old", routed=True, policy=ONE_BY_ONE)


class Edge:
    """What the rollout itself asks of the edge: files and leftovers."""

    def __init__(self, host: StackHost, routes: Sequence[Route]) -> None:
        self.host = host
        self.routes = {route.service for route in routes}

    def differences(self) -> list[str]:
        return [] if self.routes == self.host.routes else ["stacks/shop.cfg"]

    def prepare(self) -> list[str]:
        changed = self.differences()
        self.host.routes = self.routes
        return changed

    def sweep(self, existing: set[str]) -> None:
        self.host.simulated.admitted &= existing
        self.host.simulated.known_to_edge &= existing


class StackHost:
    """host.StackHost over a simulated host. ``wanted``: release -> its services."""

    def __init__(self, root: Path) -> None:
        self.stack = "shop"
        self.releases = Releases("shop", root)
        self.simulated = Host()
        self.wanted: dict[str, list[DesiredService]] = {}
        self.routes: set[str] = set()
        self.images: set[str] = set()
        self.engine = self

    def image(self, identity: str) -> str | None:
        return identity if identity in self.images else None

    def release(self, name: str, *services: DesiredService) -> str:
        """A prepared release; its id."""
        self.wanted[name] = list(services)
        routes = [{"host": "", "paths": ["/"]}]
        listed = [{"name": one.name, "port": 80, "routes": routes if one.routed else []} for one in services]
        images = {one.name: {"reference": f"shop/{one.name}:{name}", "digest": "", "id": f"sha256:{name}"} for one in services}
        self.images.add(f"sha256:{name}")
        manifest = Manifest(f"{name}-id", name, "staging", {"drain_seconds": 30.0, "services": listed}, images)
        self.releases.write_files(manifest.id, name, "staging", {"compose.yml": name.encode()})
        self.releases.write_manifest(manifest)
        return manifest.id

    def target(self, manifest: Manifest, workspace: Workspace, *, images: Any = None, section: str = "update_config") -> Target:
        return Target(manifest.release, manifest.stack, workspace, {}, self.wanted[manifest.release])

    def edge(self, target: Target, also: Sequence[Route] = ()) -> Edge:
        return Edge(self, [*target.routes, *also])

    def observe(self, edge: Any) -> list[Replica]:
        return self.simulated.observe()

    def compose(self, target: Target) -> None: ...

    def write_override(self, target: Target, identity: str, pinned: Any) -> None:
        self.simulated.want(target.desired)
        # From here on promises are held to what serves now and to what this release wants.
        self.simulated.begin()

    def roll(self, release_id: str, *, restart: bool = False) -> Rollout:
        rollout = HostRollout(self)  # type: ignore[arg-type]
        done = rollout.prepare(release_id, restart=restart)
        rollout.execute(done)
        return done

    def runs(self) -> list[str]:
        return sorted(f"{one.service} {one.fingerprint}" for one in self.simulated.alive())

    def journal(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.releases.root / "journal.jsonl").read_text().splitlines()]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StackHost:
    found = StackHost(tmp_path)
    monkeypatch.setattr(rollout_module, "HostEngine", lambda *unused: found.simulated.engine)
    monkeypatch.setattr(rollout_module, "HostEdge", lambda *unused: found.simulated.edge)
    monkeypatch.setattr(rollout_module, "HostGate", lambda *unused: found.simulated.gate)
    monkeypatch.setattr(rollout_module, "SystemClock", lambda: found.simulated.clock)
    return found


def live(host: StackHost, *services: DesiredService) -> str:
    """The first release, which serves."""
    identity = host.release("1.0", *services)
    host.roll(identity)
    host.simulated.log.clear()
    return identity


def test_a_first_rollout_makes_the_release_live(host: StackHost) -> None:
    identity = host.release("1.0", API)
    done = host.roll(identity)
    assert (done.changed, done.outcome.failures, done.left, done.previous) == (True, [], "", None)
    assert host.releases.live() == identity
    assert host.runs() == ["api old"] * 2
    assert (host.releases.project / "compose.yml").read_text() == "1.0"
    assert [replica.admitted for replica in done.after] == [True, True]


def test_the_same_release_again_changes_nothing(host: StackHost) -> None:
    identity = live(host, API)
    again = HostRollout(host).prepare(identity, restart=False)  # type: ignore[arg-type]
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
        HostRollout(host).prepare("", restart=True)  # type: ignore[arg-type]
    assert str(caught.value) == "no release of this stack is live on this host yet; deploy one first"


def test_a_release_whose_image_is_gone_is_refused_before_anything_changes(host: StackHost) -> None:
    identity = host.release("1.0", API)
    host.images.clear()
    with pytest.raises(EngineError) as caught:
        HostRollout(host).prepare(identity, restart=False)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "this host has lost shop/api:1.0, which release 1.0-id needs; deploy that release again to pull it, or choose another one"
    )
    assert not host.releases.project.exists()


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
    assert host.routes == {"api"}
    assert host.simulated.violations == []


def test_a_bad_release_on_an_empty_host_leaves_it_empty(host: StackHost) -> None:
    host.simulated.bad = {"old"}
    done = host.roll(host.release("1.0", API))
    assert (len(done.outcome.failures), done.left, host.runs(), host.releases.live()) == (1, "as_before", [], "")


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
    prepare = Edge.prepare

    def refuse(edge: Edge) -> list[str]:
        if "web" in edge.routes:
            raise DeployError("HAProxy rejects the new edge configuration")
        return prepare(edge)

    monkeypatch.setattr(Edge, "prepare", refuse)
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
    one, two = (HostRollout(host) for _ in range(2))  # type: ignore[arg-type]
    with one.alone(), pytest.raises(DeployError) as caught, two.alone():
        pass
    assert str(caught.value) == ("another rollout of shop is at work on this host; wait for its end and run this again")
    with two.alone():
        pass
