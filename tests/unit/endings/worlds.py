"""What modules find on a host that exists only here, and how it is arranged so that each of them ends in a certain way."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.image import Found
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.upgrade import Outcome
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.one_offs import OneOff
from ansible_collections.morpheus.deploy.plugins.module_utils.health import gate
from ansible_collections.morpheus.deploy.plugins.module_utils.health.seen import Health
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.fence import Fence
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.held import Claim, Held, LeaseError
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.lease import Lease
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import switch as rollout_module
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.prepare import Prepared
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import database as declared_database
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import marker as database_identity
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.host import HostIdentity, Owner
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.marker import Seen
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import room
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import DesiredService, FailureAction, UpdatePolicy
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase.seeds import Decision

from tests.unit.clock import Clock
from tests.unit.endings.ran import module
from tests.unit.plugins.module_utils.daemon import test_engine_setup as engines
from tests.unit.plugins.module_utils.operations import test_migrate as migrating
from tests.unit.plugins.module_utils.operations import test_removal as removing
from tests.unit.plugins.module_utils.operations import test_rollout as rolling

TAKES_BACK = UpdatePolicy(parallelism=1, failure_action=FailureAction.ROLLBACK)
API = DesiredService("api", 2, "old", routed=True, policy=TAKES_BACK)
WEB = replace(API, name="web", depends_on=("api",))
URL = "postgresql://postgres:hunter2@db.abc.supabase.co/postgres"


class World:
    """One host. ``stack``: the simulated host of rollouts; everything is below ``root``."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.monkeypatch = root, monkeypatch
        self.stack = rolling.StackHost(root / "stack")
        self.stack.kept = []  # type: ignore[attr-defined]
        self.stack.one_offs = SimpleNamespace(find=lambda service: [], jobs=lambda names: [])
        self.answers: dict[str, int] = {}
        self.server = ""

    def put(self, name: str, **attributes: Any) -> None:
        """Let the module see these instead of what it has imported."""
        for attribute, value in attributes.items():
            self.monkeypatch.setattr(module(name), attribute, value)

    def raises(self, name: str, attribute: str, error: Exception) -> None:
        def fail(*arguments: Any, **keywords: Any) -> None:
            raise error

        self.put(name, **{attribute: fail})

    def on_stack(self, name: str, host: Any = None) -> None:
        """The module finds the simulated host, or another one."""
        self.put(name, StackHost=lambda *arguments: host or self.stack)
        self.monkeypatch.setattr(module(name).engine, "connect", lambda: None)

    def full_disk(self) -> OSError:
        return OSError(28, "No space left on device", str(self.root))

    def fence(self, token: int) -> None:
        """Another run, with this token, has been on the host."""
        Fence(self.stack.releases.root, token).enter()


def simulated(world: World) -> None:
    """Rollouts work on the simulated host."""
    world.on_stack("stack_rollout")
    host = world.stack.simulated
    for verbs, found in (("HostEngine", host.engine), ("HostEdge", host.edge), ("HostGate", host.gate)):
        world.monkeypatch.setattr(rollout_module, verbs, lambda *unused, found=found, **named: found)
    world.monkeypatch.setattr(rollout_module, "SystemClock", lambda: host.clock)


def rollouts(world: World) -> None:
    """Release 1.0 is live, 2.0 is prepared."""
    simulated(world)
    world.stack.roll(world.stack.release("1.0", API, WEB))
    next_release(world)


def next_release(world: World, policy: UpdatePolicy = TAKES_BACK, api: str = "new", web: str = "new") -> None:
    services = (replace(API, fingerprint=api, policy=policy), replace(WEB, fingerprint=web, policy=policy))
    world.stack.release("2.0", *services)


def bad(world: World) -> None:
    """The first service of the next release never passes its gate."""
    rollouts(world)
    next_release(world, api="bad")
    world.stack.simulated.bad = {"bad"}


def flaky(world: World) -> None:
    rollouts(world)
    next_release(world, replace(TAKES_BACK, parallelism=0, monitor_seconds=3.0))
    world.stack.simulated.flaky = {"new"}


def late(world: World, action: FailureAction) -> None:
    """The first service is switched when the second one fails."""
    rollouts(world)
    next_release(world, replace(TAKES_BACK, failure_action=action), web="bad")
    world.stack.simulated.bad = {"bad"}


def silent_edge(world: World, action: FailureAction) -> None:
    rollouts(world)
    next_release(world, replace(TAKES_BACK, failure_action=action))
    manifest = world.stack.releases.read("2.0-id")
    check: dict[str, Any] = {"url": "https://shop.example/health", "successes": 3, "deadline_seconds": 5.0}
    world.stack.releases.write_manifest(replace(manifest, stack=Stack.of({**manifest.stack.document, "public_check": check})))
    world.stack.edge_health = Health("edge", check["url"], attempts=9, violation="status 503, expected 200")


def nothing_to_go_back_to(world: World) -> None:
    """The first release of all, half of which is no good."""
    simulated(world)
    world.stack.release("2.0", API, replace(WEB, fingerprint="bad"))
    world.stack.simulated.bad = {"bad"}


def cannot_prune(world: World) -> None:
    rollouts(world)

    def refuse(*arguments: Any, **keywords: Any) -> None:
        raise world.full_disk()

    world.monkeypatch.setattr(rollout_module, "prune", refuse)


def fenced(world: World) -> None:
    rollouts(world)
    world.fence(8)


def overtaken(world: World) -> None:
    """Another run comes while the first gate is waited for."""
    rollouts(world)
    gate_of = world.stack.simulated.gate
    wait = gate_of.wait

    def slow(*arguments: Any) -> Any:
        world.fence(8)
        return wait(*arguments)

    world.monkeypatch.setattr(gate_of, "wait", slow)


def full_when_it_begins(world: World) -> None:
    rollouts(world)

    def full(releases: Releases, lineage: Any) -> None:
        raise world.full_disk()

    world.monkeypatch.setattr(Releases, "write_lineage", full)


def informs(world: World) -> None:
    rollouts(world)
    world.on_stack("stack_info")


def newer_lineage(world: World) -> None:
    informs(world)
    (world.stack.releases.root / "lineage.json").write_text('{"format": 99}')


def prepares(world: World, *, pending: bool = True, **more: Any) -> None:
    world.on_stack("stack_release")
    live = "2.0-id" if not pending else ""
    found = Prepared("2.0-id", live, pending, [], more.pop("live_files", []), {}, [], [], was_live=not pending, **more)
    world.put("stack_release", prepare=lambda *arguments, **keywords: found)


def cannot_prepare(world: World, error: Exception) -> None:
    world.on_stack("stack_release")
    world.raises("stack_release", "prepare", error)


def keeps_its_replicas(world: World, error: Exception) -> None:
    """Release 1.0 is live and runs."""
    rollouts(world)
    cannot_prepare(world, error)


def lost_its_replicas(world: World, error: Exception) -> None:
    """Release 1.0 is live, and somebody has removed what runs it."""
    rollouts(world)
    world.stack.simulated.containers.clear()
    cannot_prepare(world, error)


def migrates(world: World, code: int = 0) -> None:
    host = migrating.Host(world.root)
    migrating.compose(host, 0, world.monkeypatch)
    host.releases.write_files("1.0-a", "1.0", "staging", migrating.FILES)
    migrating.written(host, migrating.MIGRATION)
    host.ends = replace(host.ends, exit_code=code)
    world.on_stack("stack_migration", host)


def cannot_migrate(world: World, error: Exception) -> None:
    migrates(world)
    world.raises("stack_migration", "migrate", error)


def idle_migration(world: World) -> None:
    migrates(world)
    world.monkeypatch.setattr(migrating.Host, "output", lambda *arguments: '{"applied": []}')


def removes(world: World, *kept: str) -> removing.StackHost:
    """A host that has the stack. ``kept``: what its engine says of objects that it could not remove."""
    host = removing.with_stack(world.root / "stacks" / "shop", world.monkeypatch)
    host.kept.extend(kept)
    world.on_stack("stack_removal", host)
    return host


def removed_before(world: World) -> None:
    removing.remove(removes(world))


def migration_at_work(world: World) -> None:
    one = OneOff("id9", "shop-migrate-run-1", at_work=True, since="2026-01-01T12:00:00Z", service="migrate")
    removes(world).at_work.append(one)


def removal_fenced(world: World) -> None:
    Fence(removes(world).releases.root, 8).enter()


def network_in_use(world: World) -> None:
    """Somebody's container is on a network of the stack."""
    host = removes(world)

    def refuse(name: str) -> None:
        raise EngineError(f"the network {name} has active endpoints")

    world.monkeypatch.setattr(host, "remove_network", refuse)


def removal_full(world: World) -> None:
    """The disk is full when the edge is to be without the stack."""
    host = removes(world)

    def refuse() -> None:
        raise world.full_disk()

    world.monkeypatch.setattr(host.the_edge, "end", refuse)


def removal_overtaken(world: World) -> None:
    """Another run comes while the edge lets go of the stack."""
    host = removes(world)
    world.monkeypatch.setattr(host.the_edge, "end", lambda: Fence(host.releases.root, 8).enter())


class PostgresError(Exception):
    """What psycopg2 raises."""


def supabase(world: World, applied: list[str]) -> None:
    result = {"applied": applied, "waiting": {}, "forced": []}
    world.put("supabase_migrations", psycopg2=SimpleNamespace(Error=PostgresError), _act=lambda params, check_mode: result)


def database_fails(world: World, module: str, error: Exception) -> None:
    """While ``module`` runs files on it."""
    world.put(module, psycopg2=SimpleNamespace(Error=PostgresError))
    world.raises(module, "_act", error)


def seeds(world: World, seeded: list[str]) -> None:
    decision = Decision(seeded)
    world.put("supabase_seeds", psycopg2=SimpleNamespace(Error=PostgresError), _act=lambda params, about, check_mode: decision)


def owned(world: World, *modules: str, by: str = "staging") -> None:
    host = HostIdentity(world.root)
    if by:
        host.write(Owner(by, "2026-11-24T10:00:00Z"))
    for name in modules:
        world.put(name, HostIdentity=lambda: host)


def leases(world: World, owner: str = "staging") -> None:
    world.put("lease", Lease=lambda environment: Lease(environment, world.root))
    owned(world, "lease", by=owner)


def held(world: World) -> None:
    leases(world)
    record = Lease("staging", world.root).acquire(Claim("ben@desk", "deploy 1.1.0"))
    refusal = LeaseError("The lease of staging is held by ben@desk", Held(record, 1.0, 19.0))

    def refuse(*arguments: Any) -> None:
        raise refusal

    world.monkeypatch.setattr(Lease, "acquire", refuse)


def no_directory(world: World) -> None:
    leases(world)
    (world.root / "leases").write_text("a file where a directory should be")


class DriverError(Exception):
    """psycopg2.Error."""


def database(world: World, seen: Seen) -> None:
    errors = SimpleNamespace(InsufficientPrivilege=DriverError)
    connection = SimpleNamespace(set_session=lambda readonly: None, close=lambda: None, commit=lambda: None, cursor=lambda: None)
    world.monkeypatch.setattr(room, "look", lambda cursor: {})
    driver = SimpleNamespace(Error=DriverError, errors=errors, connect=lambda **keywords: connection)
    world.monkeypatch.setattr(declared_database, "import_error", None)
    world.monkeypatch.setattr(declared_database, "psycopg2", driver, raising=False)
    for name, found in (("look", lambda *arguments: seen), ("lock", lambda *arguments: None), ("mark", lambda *arguments: None)):
        world.monkeypatch.setattr(database_identity, name, found)


def secrets(world: World) -> None:
    releases = Releases("shop", world.root / "secrets")
    releases.write_secrets({"api.env": 'KEY="canary-old"\n'})
    world.on_stack("stack_secret", SimpleNamespace(releases=releases, stack="shop", hold=[]))


def no_room_for_secrets(world: World) -> None:
    secrets(world)
    world.raises("stack_secret", "give", world.full_disk())


def attests(world: World, value: str, *, live: bool = True) -> None:
    details = {
        "Name": "/shop-api-1",
        "Path": "serve",
        "State": {"Pid": 1},
        "Config": {
            "Env": [f"KEY={value}"],
            "Labels": {"com.docker.compose.project": "shop", "com.docker.compose.service": "api"},
        },
    }
    releases = SimpleNamespace(
        live=lambda: "1" if live else "", read=lambda one: SimpleNamespace(stack=Stack()), workspace=lambda one: None
    )
    model = {"services": {"api": {"environment": {"KEY": "canary-new-value"}}}}
    host = SimpleNamespace(
        stack="shop",
        releases=releases,
        model=lambda *arguments: model,
        engine=SimpleNamespace(running=lambda: [details]),
    )
    world.on_stack("stack_attestation", host)


def logins(world: World, *, acts_as: str | None) -> None:
    """A role that can log in and acts as somebody, or is refused."""
    world.put(
        "postgres_login", psycopg2=SimpleNamespace(), user_of=lambda url: acts_as, administering=lambda params: nullcontext()
    )


def sessions_stay(world: World) -> None:
    logins(world, acts_as="app")
    world.raises("postgres_login", "close_login", DeployError("2 sessions are logged in as app_a still"))


def engine(world: World, there: dict[str, Any]) -> None:
    path = world.root / "daemon.json"
    path.write_text(json.dumps(there))
    dockerd = engines.FakeDockerd(path)
    world.put("engine_config", SystemDockerd=lambda: dockerd, SystemClock=Clock, PATH=path)


def full_engine(world: World) -> None:
    engine(world, {})

    def write(*arguments: Any, **keywords: Any) -> None:
        raise world.full_disk()

    world.put("engine_config", EngineSetup=lambda *arguments: SimpleNamespace(apply=write))


class Handler(BaseHTTPRequestHandler):
    """Answers with the status that its path names."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.lstrip("/")))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Print nothing."""


def serving(use: Callable[[str], Any]) -> Any:
    """What ``use`` makes of the address of a server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            return use(f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()


def without_jmespath(world: World) -> None:
    world.monkeypatch.setattr(gate, "import_error", ImportError("no jmespath"))


def looks_at_image(world: World, plan: str = "", error: Exception | None = None) -> None:
    """What edge_image finds for an image, or why it cannot be had."""

    def look(reference: str, ports: list[str], *, look_only: bool) -> Found:
        if error:
            raise error
        return Found(bool(plan), "HAProxy 3.0.1", "HAProxy 3.0.2", ["no registry answered"])

    world.monkeypatch.setattr(module("edge_image").engine, "connect", lambda: None)
    world.put("edge_image", EdgeImage=lambda *unused: SimpleNamespace(look=look))
    world.monkeypatch.setattr(module("edge_image").engine, "Engine", lambda *unused: SimpleNamespace(image=lambda name: None))


def upgrades(world: World, error: Exception | None = None, *, due: bool = True, begun: bool = False) -> None:
    """An edge that is replaced, or is not, with three requests under way."""

    def run() -> Outcome:
        if error:
            raise error
        return Outcome(3, 1, ["the edge runs haproxy:3.1"])

    made = SimpleNamespace(due=due, begun=begun, run=run)
    world.put("edge_upgrade", Upgrade=lambda *arguments, **options: made)


def packages(world: World, *upgrades: str, error: Exception | None = None) -> None:
    """An engine whose packages have these newer versions, or that cannot be upgraded."""

    def answer(**unused: Any) -> list[str]:
        if error:
            raise error
        return list(upgrades)

    world.put("engine_packages", EnginePackages=lambda *unused: SimpleNamespace(due=answer, apply=answer))
