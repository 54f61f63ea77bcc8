"""The contract between modules and verdict: the real main() of each module that the verdict reads, each of its endings, and the
word in which a run ends that has seen it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.morpheus.deploy.plugins.action import rotation as rotation_action
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import (
    ConfigError,
    DeployError,
    EdgeError,
    EngineError,
    FencedError,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.daemon.packages import PackagesError
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.marker import Seen
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import FailureAction
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import verdict
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.summary import summary
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.verdict import Run

from tests.unit.endings import backups, worlds
from tests.unit.endings.ran import BELOW, ends_of, run, watching
from tests.unit.endings.worlds import World
from tests.unit.plugins.action import test_rotation_action as rotations

# What a run has seen before: module -> its result.
Before = Sequence[tuple[str, Mapping[str, Any]]]
LEASE = ("lease", {"token": 7, "owner": "anna@laptop", "reason": "deploy 2.0"})
PREPARED = (
    "stack_release",
    {"release": "2.0", "environment": "staging", "previous": "1.0", "pending": True, "plan": ["api: start"]},
)
SWITCHED = (
    "stack_rollout",
    {
        "changed": True,
        "release": "2.0",
        "previous": "1.0",
        "kind": "deploy",
        "steps": [],
        "gates": [{"service": "api"}],
        "seconds": {},
        **dict.fromkeys(("drained", "cut", "left_behind", "errors"), 0),
    },
)
PLAN = {"name": "ml", "steps": ["make"], "plan": ["make a new value"], "old": "the old value", "keeps_old": False, "written": []}
PLANNED = ("rotation", {"changed": False, "state": "planned", "rotation": PLAN})
LOOKED = ("stack_info", {"live_release": "2.0"})
TO_RESTORE: Before = (("database_restore", {"changed": False, "lost": ["3 rows"], "is_empty": False}), LEASE)
TO_MIGRATE: Before = (LEASE, PREPARED)
NO_VERDICT = ""


@dataclass(frozen=True)
class Ending:
    """``word``: how the run ends, NO_VERDICT where such a task alone is none; ``says``: what its last lines hold."""

    word: str
    arrange: Callable[[World], Any] = lambda world: None
    options: Mapping[str, Any] = field(default_factory=dict)
    before: Before = ()
    says: str = ""
    fails: bool = False
    check_mode: bool = False


def fails(word: str, says: str, arrange: Callable[[World], Any] = lambda world: None, **more: Any) -> Ending:
    return Ending(word, arrange, says=says, fails=True, **more)


def backup(says: str, arrange: Callable[[World], Any] = backups.backups, before: Before = TO_MIGRATE, **options: Any) -> Ending:
    """One that fails: whatever the run was about to do is not begun."""
    return fails("refused", says, arrange, options={**BACKUP, **options}, before=before)


def restore(word: str, says: str, arrange: Callable[[World], Any] = backups.backups, **options: Any) -> Ending:
    return fails(word, says, arrange, options={**RESTORE, **options}, before=TO_RESTORE)


def bring(word: str, says: str, arrange: Callable[[World], Any] = backups.backups, **options: Any) -> Ending:
    return fails(word, says, arrange, options={**IMPORT, **options}, before=(LEASE,))


def rollout(word: str, arrange: Callable[[World], Any], *, release: str = "2.0-id", **more: Any) -> Ending:
    options = {"stack": "shop", "release_id": release, "token": 7, "run": "run-a"}
    return Ending(word, arrange, options, more.pop("before", (PREPARED,)), **more)


RELEASE = {"release": "2.0", "environment": "staging", "stack": {"name": "shop"}, "files": {}, "token": 7, "run": "run-a"}
MIGRATE = {"stack": "shop", "release_id": "1.0-a", "token": 7, "run": "run-a"}
SUPABASE = {"url": worlds.URL, "environment": "staging", "files": [], "token": 7, "run": "r"}
SEEDS = {**SUPABASE, "stack": "shop"}
SECRET = {"stack": "shop", "names": ["api.KEY"], "value": "canary-new", "token": 7, "run": "run-a"}
ATTEST = {"stack": "shop", "names": ["api.KEY"], "new": "canary-new-value", "old": "canary-old-value", "key": "k" * 16}
LOGIN: dict[str, Any] = {"url": "postgresql://app_a:canary@db/app", "admin_url": "postgresql://a:canary@db/app", "owner": "app"}
LOGIN |= {"environment": "staging", "token": 7}
DATABASE = {"url": worlds.URL, "variable": "api.URL", "environment": "staging"}
ENGINE = {"options": {"live-restore": True, "mtu": 1400}, "token": 7}
IMAGE = {"image": "haproxy:3.1"}
UPGRADE = {**IMAGE, "token": 7, "run": "run-a"}
REMOVE = {"stack": "shop", "token": 7, "run": "run-a"}
TO_REMOVE = ("stack_removal", {"plan": ["remove the network edge.shop"]})
IMAGE_FOUND = (
    "edge_image",
    {"due": True, "plan": "replace the edge", "before": "HAProxy 3.0.1", "after": "HAProxy 3.0.2"},
)
POSTGRES = {"url": "postgresql://app:canary@db/app", "environment": "staging"}
PROGRAMS = {"programs": "/nowhere", "directory": "{root}/backups", "wait_seconds": 0}
BACKUP: dict[str, Any] = {**POSTGRES, **PROGRAMS, "name": "second", "why": "a test", "recipients": ["age1a"]}
OPENED = {**POSTGRES, **PROGRAMS, "identity": "canary-identity", "token": 7}
RESTORE: dict[str, Any] = {**OPENED, "state": "restored", "record": backups.described()}
IMPORT: dict[str, Any] = {**OPENED, "record": backups.exported()}
NO_LEASE = "This run holds no lease of the environment"
ROTATING: Before = (LEASE, PLANNED, LOOKED)
ROTATED: Before = (*ROTATING, SWITCHED)
SERVED: Before = (PREPARED, SWITCHED)
STAGING = Seen("staging", "7")
PRODUCTION = Seen("production", "7")
ANOTHERS = "url leads to a database that is marked as production's, expected staging's; correct the secret"
AT_WORK = "another run is at work with backups on this host, and was for 0 s; run this again when it has ended"
FENCED = FencedError("this run has lost its lease")
FULL = "could not be read or written: No space left on device. See what fills it with: df -h"


def on_database(module: str, options: dict[str, Any], failed: str) -> dict[str, Ending]:
    """How a module ends that runs files on the database and cannot."""

    def end(says: str, arrange: Callable[[World], Any] = lambda world: None, **more: Any) -> Ending:
        return fails("refused", says, arrange, options={**options, **more}, before=(PREPARED,))

    def breaks(error: Exception) -> Callable[[World], Any]:
        return lambda world: worlds.database_fails(world, module, error)

    return {
        "without a lease": end(NO_LEASE, token=0),
        "a library is missing": end("psycopg2 is not installed for ", lambda world: world.put(module, psycopg2=None)),
        "a file fails": end(f"{failed}: a.sql:3: division by zero", breaks(DeployError("a.sql:3: division by zero"))),
        "the connection is lost": end(f"{failed}: *** went away", breaks(worlds.PostgresError(f"{worlds.URL} went away"))),
        "another run has been here": end(f"{failed}: this run has lost its lease", breaks(FENCED)),
    }


ENDINGS: dict[str, dict[str, Ending]] = {
    "stack_rollout": {
        "it is switched": rollout("deployed", worlds.rollouts, says="a runs 2.0"),
        "there is nothing to do": rollout("unchanged", worlds.rollouts, release="1.0-id", says="a runs 1.0"),
        "check mode": rollout("deployed", worlds.rollouts, check_mode=True, says="CHECK MODE: nothing was changed in staging"),
        "old releases cannot be removed": rollout("deployed", worlds.cannot_prune, says="a runs 2.0"),
        "the first gate fails": rollout("failed", worlds.bad, says="a runs 1.0", fails=True),
        "it fails while it is watched": rollout("rolled_back", worlds.flaky, says="a runs 1.0", fails=True),
        "a later service fails": rollout(
            "rolled_back", lambda world: worlds.late(world, FailureAction.ROLLBACK), says="a runs 1.0", fails=True
        ),
        "a later service fails, and what was switched stays": rollout(
            "mixed", lambda world: worlds.late(world, FailureAction.PAUSE), says="a runs more than one release", fails=True
        ),
        "the edge does not answer": rollout(
            "rolled_back", lambda world: worlds.silent_edge(world, FailureAction.ROLLBACK), says="a runs 1.0", fails=True
        ),
        "the edge does not answer, and what was switched stays": rollout(
            "failed",
            lambda world: worlds.silent_edge(world, FailureAction.PAUSE),
            says="Nothing was taken back: this host runs the release that failed (2.0).",
            fails=True,
        ),
        "a first release fails half-way": rollout(
            "mixed",
            worlds.nothing_to_go_back_to,
            before=(("stack_release", {**PREPARED[1], "previous": ""}),),
            says="This host runs a part of the release, and none was live here before; deploy a good one to mend it.",
            fails=True,
        ),
        "the release is not there": rollout(
            "refused", worlds.rollouts, release="3.0-id", says='release "3.0-id" is not on this host', fails=True
        ),
        "the disk is full before it begins": rollout("refused", worlds.full_when_it_begins, says=FULL, fails=True),
        "without a lease": fails("refused", NO_LEASE, options={"stack": "shop"}, before=(PREPARED,)),
        "another run has been here": rollout("refused", worlds.fenced, says="this run has lost its lease", fails=True),
        "another run comes in the middle": rollout(
            "mixed", worlds.overtaken, says="a runs an unknown release (last known: 1.0)", fails=True
        ),
    },
    "stack_release": {
        "it is prepared": Ending("unchanged", worlds.prepares, RELEASE),
        "it is there already": Ending("unchanged", lambda world: worlds.prepares(world, pending=False), RELEASE),
        "live files are changed": Ending(
            "deployed", lambda world: worlds.prepares(world, pending=False, live_files=["flags.json"]), RELEASE
        ),
        "with a warning": Ending("unchanged", lambda world: worlds.prepares(world, warnings=["no registry answered"]), RELEASE),
        "check mode": Ending("unchanged", worlds.prepares, RELEASE, check_mode=True, says="CHECK MODE"),
        "without a lease": fails("refused", NO_LEASE, options={**RELEASE, "token": 0}),
        "the configuration has problems": fails(
            "refused",
            "services.api: no image",
            lambda world: worlds.cannot_prepare(world, ConfigError(["services.api: no image"])),
            options=RELEASE,
        ),
        **{
            what: fails(
                "refused",
                says,
                lambda world, error=error: worlds.cannot_prepare(world, error or world.full_disk()),  # type: ignore[misc]
                options=RELEASE,
            )
            for what, says, error in (
                ("an image cannot be pulled", "no such image", DeployError("no such image")),
                ("another run has been here", "this run has lost its lease", FENCED),
                ("the disk is full", FULL, None),
            )
        },
        "it is refused while its release runs": fails(
            "refused",
            "a runs 1.0",
            lambda world: worlds.keeps_its_replicas(world, DeployError("no edge")),
            options=RELEASE,
        ),
        "it is refused where nothing runs": fails(
            "refused",
            "a runs no replica of 1.0, which is live there",
            lambda world: worlds.lost_its_replicas(world, DeployError("no edge")),
            options=RELEASE,
        ),
    },
    "stack_migration": {
        "it is applied": Ending("unchanged", worlds.migrates, MIGRATE, (PREPARED,)),
        "nothing is to be applied": Ending("unchanged", worlds.idle_migration, MIGRATE, (PREPARED,)),
        "without a lease": fails("refused", NO_LEASE, options={**MIGRATE, "token": 0}, before=(PREPARED,)),
        "it fails": fails(
            "refused",
            "the migration failed, and no host was switched: shop-migrate-run-1 exited with code 1",
            lambda world: worlds.migrates(world, code=1),
            options=MIGRATE,
            before=(PREPARED,),
        ),
        "another run has been here": fails(
            "refused",
            "the migration failed, and no host was switched: this run has lost its lease",
            lambda world: worlds.cannot_migrate(world, FENCED),
            options=MIGRATE,
            before=(PREPARED,),
        ),
        "the disk is full": fails(
            "refused",
            FULL,
            lambda world: worlds.cannot_migrate(world, world.full_disk()),
            options=MIGRATE,
            before=(PREPARED,),
        ),
    },
    "supabase_migrations": {
        "they are applied": Ending("unchanged", lambda world: worlds.supabase(world, ["a.sql"]), SUPABASE, (PREPARED,)),
        "nothing is to be applied": Ending("unchanged", lambda world: worlds.supabase(world, []), SUPABASE, (PREPARED,)),
        "check mode": Ending(
            "unchanged",
            lambda world: worlds.supabase(world, ["a.sql"]),
            {**SUPABASE, "token": 0},
            (PREPARED,),
            check_mode=True,
            says="CHECK MODE",
        ),
        **on_database("supabase_migrations", SUPABASE, "the migrations failed, and no host was switched"),
    },
    "supabase_seeds": {
        "they are run": Ending("deployed", lambda world: worlds.seeds(world, ["a.sql"]), SEEDS, (PREPARED,)),
        "the database has them": Ending("unchanged", lambda world: worlds.seeds(world, []), SEEDS, (PREPARED,)),
        "check mode": Ending(
            "deployed",
            lambda world: worlds.seeds(world, ["a.sql"]),
            {**SEEDS, "token": 0},
            (PREPARED,),
            check_mode=True,
            says="CHECK MODE",
        ),
        **on_database("supabase_seeds", SEEDS, "the seeds failed"),
    },
    "stack_removal": {
        "it is removed": Ending(
            "deployed",
            worlds.removes,
            REMOVE,
            (LEASE, TO_REMOVE),
            says="a: the stack was removed; its data is still there: volume shop_data",
        ),
        "its data goes, too": Ending(
            "deployed", worlds.removes, {**REMOVE, "data": True}, (LEASE, TO_REMOVE), says="a: the stack was removed"
        ),
        "an image stays": Ending(
            "deployed",
            lambda world: worlds.removes(world, "the image shop/web:1 is in use and stays"),
            REMOVE,
            (LEASE, TO_REMOVE),
            says="a: the stack was removed",
        ),
        "nothing is there": Ending(
            "unchanged", worlds.removed_before, REMOVE, (LEASE, ("stack_removal", {"plan": []})), says="VERDICT unchanged"
        ),
        "check mode": Ending(
            "unchanged",
            worlds.removes,
            {"stack": "shop", "data": True},
            check_mode=True,
            says="The removal would:\n  a: edge: end the route shop.example/; web: drain shop-web-1",
        ),
        "check mode, and nothing is there": Ending(
            "unchanged",
            worlds.removed_before,
            {"stack": "shop"},
            check_mode=True,
            says="The removal would:\n  a: nothing to do",
        ),
        "without a lease": fails("refused", f"a: {NO_LEASE}", options={"stack": "shop"}, before=(LEASE, TO_REMOVE)),
        "without the run that has the lease": fails(
            "refused",
            "a: token without run: say which run holds it",
            worlds.removes,
            options={**REMOVE, "run": ""},
            before=(LEASE, TO_REMOVE),
        ),
        "no stack has such a name": fails(
            "refused",
            'a: stack: "../shop" may hold only lower-case letters, digits, - and _',
            options={**REMOVE, "stack": "../shop"},
            before=(LEASE, TO_REMOVE),
        ),
        "a migration is at work": fails(
            "refused",
            "a: shop-migrate-run-1 (migrate) is still at work on this host, since 2026-01-01T12:00:00Z. Wait for its end",
            worlds.migration_at_work,
            options=REMOVE,
            before=(LEASE, TO_REMOVE),
        ),
        "a migration is at work when it is looked at": fails(
            "refused",
            "a: shop-migrate-run-1 (migrate) is still at work on this host",
            worlds.migration_at_work,
            options={"stack": "shop"},
            before=(LEASE,),
            check_mode=True,
        ),
        "another run has been here": fails(
            "refused",
            "a: this run has lost its lease",
            worlds.removal_fenced,
            options=REMOVE,
            before=(LEASE, TO_REMOVE),
        ),
        "another run comes in the middle": fails(
            "failed", "a: this run has lost its lease", worlds.removal_overtaken, options=REMOVE, before=(LEASE, TO_REMOVE)
        ),
        "a network cannot be removed": fails(
            "failed",
            "a runs what its removal has not come to; the same command goes on with it\n"
            "  a: the network shop_default has active endpoints",
            worlds.network_in_use,
            options=REMOVE,
            before=(LEASE, TO_REMOVE),
        ),
        "the disk is full": fails("failed", FULL, worlds.removal_full, options=REMOVE, before=(LEASE, TO_REMOVE)),
    },
    "stack_info": {
        "it is told": Ending("unchanged", worlds.informs, {"stack": "shop"}, (LEASE,)),
        "it cannot be read": fails(
            "refused",
            "lineage.json has format 99",
            worlds.newer_lineage,
            options={"stack": "shop"},
            before=(LEASE,),
        ),
    },
    "health_gate": {
        "users are served": Ending("deployed", options={"endpoints": [{"url": "{server}/200"}]}, before=SERVED),
        "users are not served": fails(
            "failed",
            "lb-1 was not healthy 3 times in a row within 0.2 s",
            options={"endpoints": [{"url": "{server}/503", "name": "lb-1"}], "deadline_seconds": 0.2},
            before=SERVED,
        ),
        "a library is missing": fails(
            "failed", "jmespath", worlds.without_jmespath, options={"endpoints": [{"url": "{server}/200"}]}, before=SERVED
        ),
        "this host has no edge": fails(
            "failed",
            "nowhere/compose.json: No such file or directory, so this host's edge cannot be asked",
            lambda world: world.put("health_gate", EDGE_ROOT=world.root / "nowhere"),
            options={"endpoints": [{"url": "{server}/200", "edge": True}]},
            before=SERVED,
        ),
        "an expression is none": fails(
            "failed",
            "endpoints[0].expect: 'a ==' is not a JMESPath expression",
            options={"endpoints": [{"url": "{server}/200", "expect": "a =="}]},
            before=SERVED,
        ),
        "rules make no sense": fails(
            "failed",
            "successes must be 1 or more",
            options={"endpoints": [{"url": "{server}/200"}], "successes": 0},
            before=SERVED,
        ),
    },
    "lease": {
        "it is taken": Ending("unchanged", worlds.leases, {"environment": "staging", "owner": "anna@laptop"}),
        "check mode": Ending(NO_VERDICT, worlds.leases, {"environment": "staging"}, check_mode=True),
        "another run has it": fails(
            "refused", "The lease of staging is held by ben@desk", worlds.held, options={"environment": "staging"}
        ),
        "the host is another environment's": fails(
            "refused",
            "a: This host belongs to production and not to staging.",
            lambda world: worlds.leases(world, owner="production"),
            options={"environment": "staging", "identity": {}},
        ),
        "it cannot be written": fails(
            "refused",
            "the lease of staging cannot be read or written",
            worlds.no_directory,
            options={"environment": "staging"},
        ),
        "times make no sense": fails(
            "refused", "wait_seconds must be 0 or more", worlds.leases, options={"environment": "staging", "wait_seconds": -1}
        ),
        "it is broken without a reason": fails(
            "refused",
            "reason must say why the lease is broken",
            worlds.leases,
            options={"environment": "staging", "state": "broken"},
        ),
    },
    "host_identity": {
        "it is the environment's": Ending(
            NO_VERDICT, lambda world: worlds.owned(world, "host_identity"), {"environment": "staging"}
        ),
        "it is claimed": Ending(
            NO_VERDICT,
            lambda world: worlds.owned(world, "host_identity", by=""),
            {"environment": "staging", "state": "claimed"},
        ),
        "it is another's": fails(
            "refused",
            "a: This host belongs to production and not to staging.",
            lambda world: worlds.owned(world, "host_identity", by="production"),
            options={"environment": "staging"},
        ),
        "the environment has no name": fails(
            "refused",
            "a: environment must not be empty",
            lambda world: worlds.owned(world, "host_identity"),
            options={"environment": ""},
        ),
        "a claim names a database": fails(
            "refused",
            "a: database: only with state=checked",
            lambda world: worlds.owned(world, "host_identity"),
            options={"environment": "staging", "state": "claimed", "database": {"url": worlds.URL}},
        ),
    },
    "database_identity": {
        "it is the environment's": Ending(NO_VERDICT, lambda world: worlds.database(world, STAGING), DATABASE),
        "it is claimed": Ending(
            NO_VERDICT, lambda world: worlds.database(world, Seen("", "7")), {**DATABASE, "state": "claimed"}
        ),
        "it is another's": fails(
            "refused",
            "a: api.URL leads to a database that is marked as production's, expected staging's; correct the secret",
            lambda world: worlds.database(world, Seen("production", "7")),
            options=DATABASE,
        ),
        "the environment has no name": fails(
            "refused", "a: environment must not be empty", options={**DATABASE, "environment": ""}
        ),
    },
    "stack_secret": {
        "it is written": Ending("unchanged", worlds.secrets, SECRET, ROTATING),
        "it is there already": Ending("unchanged", worlds.secrets, {**SECRET, "value": "canary-old"}, ROTATING),
        "check mode": Ending("unchanged", worlds.secrets, SECRET, ROTATING, check_mode=True, says="CHECK MODE"),
        "without a lease": fails("refused", f"a: {NO_LEASE}", options={**SECRET, "token": 0}, before=ROTATING),
        "the host has none of that name": fails(
            "refused", "a: this host has no api.NONE", worlds.secrets, options={**SECRET, "names": ["api.NONE"]}, before=ROTATING
        ),
        "the disk is full": fails(
            "refused",
            FULL,
            worlds.no_room_for_secrets,
            options=SECRET,
            before=ROTATING,
        ),
    },
    "stack_attestation": {
        "every replica has the new value": Ending(
            "deployed", lambda world: worlds.attests(world, "canary-new-value"), ATTEST, ROTATED
        ),
        "one has the old value": fails(
            "failed",
            "a: nothing was revoked: shop-api-1 (a replica of api) still uses the old value of api.KEY.",
            lambda world: worlds.attests(world, "canary-old-value"),
            options=ATTEST,
            before=ROTATED,
        ),
        "nothing is live": fails(
            "failed",
            "a: no release is live on this host; deploy one first",
            lambda world: worlds.attests(world, "", live=False),
            options=ATTEST,
            before=ROTATED,
        ),
    },
    "postgres_login": {
        "it is open": Ending("unchanged", lambda world: worlds.logins(world, acts_as="app"), LOGIN, ROTATING),
        "it would be opened": Ending(
            "unchanged", lambda world: worlds.logins(world, acts_as=None), LOGIN, ROTATING, check_mode=True, says="CHECK MODE"
        ),
        "without a lease": fails("refused", NO_LEASE, options={**LOGIN, "token": 0}, before=ROTATING),
        "it is refused and no role of the pair": fails(
            "refused",
            "the login app_a is refused, and it is not of the pair",
            lambda world: worlds.logins(world, acts_as=None),
            options={**LOGIN, "owner": ""},
            before=ROTATING,
        ),
        "sessions do not end": fails(
            "failed",
            "2 sessions are logged in as app_a still",
            worlds.sessions_stay,
            options={**LOGIN, "state": "closed"},
            before=ROTATED,
        ),
        "a library is missing": fails(
            "refused",
            "psycopg2 is not installed for ",
            lambda world: world.put("postgres_login", psycopg2=None),
            options=LOGIN,
            before=ROTATING,
        ),
    },
    "key_probe": {
        "the key is accepted": Ending("deployed", options={"url": "{server}/200", "key": "canary"}, before=ROTATED),
        "the old key is refused": Ending(
            "deployed", options={"url": "{server}/401", "key": "canary", "state": "refused"}, before=ROTATED
        ),
        "the new key is refused": fails(
            "refused",
            "should accept the key, and answered with status 401",
            options={"url": "{server}/401", "key": "canary", "wait_seconds": 0},
            before=ROTATING,
        ),
        "the old key still works": fails(
            "failed",
            "should refuse the key, and answered with status 200",
            options={"url": "{server}/200", "key": "canary", "state": "refused", "wait_seconds": 0},
            before=ROTATED,
        ),
    },
    "engine_config": {
        "the engine is restarted": Ending(
            "deployed",
            lambda world: worlds.engine(world, {"live-restore": True}),
            ENGINE,
            (LEASE,),
            says="a: the engine was restarted for mtu",
        ),
        "there is nothing to do": Ending(
            "unchanged",
            lambda world: worlds.engine(world, {"live-restore": True, "mtu": 1400}),
            ENGINE,
            (LEASE,),
        ),
        "without the lease it is not restarted": fails(
            "refused",
            f"a: the engine must be restarted for mtu. {NO_LEASE}",
            lambda world: worlds.engine(world, {"live-restore": True}),
            options={**ENGINE, "token": 0},
        ),
        "without the lease it is only asked": Ending(NO_VERDICT, lambda world: worlds.engine(world, {}), ENGINE, check_mode=True),
        "the engine rejects it": fails(
            "refused",
            "a: the engine rejects the new",
            lambda world: worlds.engine(world, {"live-restore": True}),
            options={"options": {"nonsense": 1}, "token": 7},
            before=(LEASE,),
        ),
        "the engine does not come back": fails(
            "failed",
            "The file from before is back, and the engine runs with it",
            lambda world: worlds.engine(world, {"live-restore": True}),
            options={"options": {"fatal": True}, "token": 7},
            before=(LEASE,),
        ),
        "the disk is full": fails("refused", FULL, worlds.full_engine, options=ENGINE, before=(LEASE,)),
    },
    "engine_packages": {
        "there is nothing to do": Ending("unchanged", worlds.packages, {"token": 7}, (LEASE,)),
        "they are upgraded": Ending(
            "deployed",
            lambda world: worlds.packages(world, "docker.io 1 -> 2"),
            {"token": 7},
            (LEASE, ("engine_packages", {"upgrades": ["docker.io 1 -> 2"]})),
            says="a: the engine was upgraded: docker.io 1 -> 2",
        ),
        "check mode": Ending(
            "unchanged",
            lambda world: worlds.packages(world, "docker.io 1 -> 2"),
            check_mode=True,
            says="The upgrade of the engine would:\n  a: upgrade docker.io 1 -> 2",
        ),
        "without a lease": fails("refused", NO_LEASE, before=(LEASE,)),
        "apt fails before anything is changed": fails(
            "refused",
            "a: apt-get failed",
            lambda world: worlds.packages(world, error=PackagesError("apt-get failed", begun=False)),
            options={"token": 7},
            before=(LEASE,),
        ),
        "the engine does not come back": fails(
            "failed",
            "a: the engine gives no answer",
            lambda world: worlds.packages(world, error=PackagesError("the engine gives no answer", begun=True)),
            options={"token": 7},
            before=(LEASE,),
        ),
    },
    "edge_image": {
        "the edge would be replaced": Ending(
            "unchanged", lambda world: worlds.looks_at_image(world, "replace the edge"), IMAGE, (LEASE,)
        ),
        "the edge runs it": Ending("unchanged", worlds.looks_at_image, IMAGE, (LEASE,)),
        "check mode": Ending(
            "unchanged",
            lambda world: worlds.looks_at_image(world, "replace the edge"),
            IMAGE,
            check_mode=True,
            says="The upgrade of the edge would:\n  a: replace the edge: HAProxy 3.0.1 -> HAProxy 3.0.2",
        ),
        "it cannot be had": fails(
            "refused",
            "a: the registry has no image haproxy:9",
            lambda world: worlds.looks_at_image(world, error=EngineError("the registry has no image haproxy:9")),
            options=IMAGE,
            before=(LEASE,),
        ),
    },
    "edge_upgrade": {
        "it is replaced": Ending(
            "deployed",
            worlds.upgrades,
            UPGRADE,
            (LEASE, IMAGE_FOUND),
            says="a: the edge was replaced: HAProxy 3.0.1 -> HAProxy 3.0.2; requests and tunnels: 3 drained, 1 cut",
        ),
        "it runs the image": Ending("unchanged", lambda world: worlds.upgrades(world, due=False), UPGRADE, (LEASE,)),
        # The callback calls it checked.
        "check mode": Ending("deployed", worlds.upgrades, UPGRADE, (IMAGE_FOUND,), check_mode=True, says="CHECK MODE"),
        "without a lease": fails("refused", NO_LEASE, options={**UPGRADE, "token": 0}, before=(LEASE,)),
        "too little time": fails(
            "refused",
            "a: drain_seconds: 60 is less than 80, and idle connections of users live for 75 s",
            options={**UPGRADE, "drain_seconds": 60},
            before=(LEASE,),
        ),
        "nothing is begun": fails(
            "refused",
            "a: this host has no network",
            lambda world: worlds.upgrades(world, EdgeError("this host has no network")),
            options=UPGRADE,
            before=(LEASE,),
        ),
        "the new one does not serve": fails(
            "failed",
            "a: the new edge does not serve",
            lambda world: worlds.upgrades(world, EdgeError("the new edge does not serve"), begun=True),
            options=UPGRADE,
            before=(LEASE,),
        ),
        "another run has been here": fails(
            "refused",
            "a: this run has lost its lease",
            lambda world: worlds.upgrades(world, FENCED),
            options=UPGRADE,
            before=(LEASE,),
        ),
    },
    "database_backup": {
        "it is made before a migration": Ending("unchanged", backups.backups, BACKUP, TO_MIGRATE),
        "it is made by itself": Ending(NO_VERDICT, backups.backups, BACKUP),
        "check mode": Ending(NO_VERDICT, backups.backups, BACKUP, check_mode=True),
        "nobody could name it": backup('"../first" is not the name of a backup', name="../first"),
        "nobody could read it": backup("recipients: required; nobody could read a backup", recipients=[]),
        "nothing says whose programs": backup("image and programs: exactly one of them", programs=""),
        "a library is missing": backup("psycopg2 is not installed for ", backups.without_driver),
        "the database is another's": backup(ANOTHERS, lambda world: backups.backups(world, seen=PRODUCTION)),
        "another run is at work": backup(AT_WORK, backups.at_work),
        "the disk is full": backup(FULL, backups.no_room_for_a_backup),
        "the disk is full before a restore": backup(FULL, backups.no_room_for_a_backup, TO_RESTORE),
        "it cannot be restored": backup("the backup second was made and kept, and could not be verified", backups.unverified),
        "it cannot be noted": backup(
            "the backup second was made and verified, and the host cannot note it, so its status will not say so",
            backups.cannot_note,
        ),
    },
    "database_restore": {
        "it is restored": Ending("deployed", backups.backups, RESTORE, TO_RESTORE, says="the database holds first: 3 rows"),
        "it is restored into a database that was lost": Ending(
            "deployed",
            lambda world: backups.backups(world, seen=Seen("", "7"), tables=()),
            RESTORE,
            TO_RESTORE,
            says="the database holds first: 3 rows",
        ),
        "it is planned": Ending("unchanged", backups.backups, {**RESTORE, "state": "planned"}, (LEASE,)),
        "check mode": Ending(NO_VERDICT, backups.backups, RESTORE, TO_RESTORE[:1], check_mode=True),
        "it is tried": Ending("unchanged", backups.backups, {**RESTORE, "state": "drilled"}, (LEASE,)),
        "it is tried, and other rows come back": restore(
            "refused",
            'the backup first does not come back as it was: "public"."orders": 2 rows restored, 3 rows in the backup',
            backups.comes_back_otherwise,
            state="drilled",
        ),
        "it is tried, which cannot be noted": restore(
            "refused", "the backup first came back as it was, and the host cannot note it", backups.cannot_note, state="drilled"
        ),
        "without a lease": restore("refused", NO_LEASE, token=0),
        "without the key": restore("refused", "identity: required; without the secret key nobody can read", identity=""),
        "there is no such backup": restore("refused", "record is not the record of a backup", record={}),
        "the backup is another's": restore(
            "refused",
            "first is backup of production, and a backup of staging is needed",
            record=backups.described(environment="production"),
        ),
        "the database is another's": restore("refused", ANOTHERS, lambda world: backups.backups(world, seen=PRODUCTION)),
        "the server lacks a role": restore(
            "refused",
            "first speaks of roles that this server does not have; nothing was changed",
            lambda world: backups.backups(world, role="other"),
        ),
        "the archive is another one": restore("refused", "is not the one that was made: its SHA-256 is", backups.damaged),
        "the archive is gone": restore("refused", "first.dump.age is missing, although its record is there", backups.gone),
        "another run is at work": restore("refused", AT_WORK, backups.at_work),
        "it is undone": restore("refused", "the database is as it was: psql ended with 3", backups.undone),
        "the database is lost at its end": restore("failed", "nobody knows whether the database holds it", backups.unanswered),
    },
    "staging_data_import": {
        "it is brought": Ending("deployed", backups.backups, IMPORT, (LEASE,), says="the database holds first: 3 rows"),
        "check mode": Ending(NO_VERDICT, backups.backups, IMPORT, check_mode=True),
        "without a lease": bring("refused", NO_LEASE, token=0),
        "there is no such export": bring("refused", "record is not the record of a backup", record={}),
        "there are persons in it": bring(
            "refused", "first is a backup of production, with persons in it", record=backups.described(environment="production")
        ),
        "it is of this environment": bring(
            "refused", "first is an export of staging itself", record=backups.described(kind="export")
        ),
        "the database is another's": bring("refused", ANOTHERS, lambda world: backups.backups(world, seen=PRODUCTION)),
        "the database lacks a table": bring(
            "refused", 'has no table "public"."orders"', lambda world: backups.backups(world, tables=())
        ),
        "the archive is another one": bring("refused", "is not the one that was made: its SHA-256 is", backups.damaged),
        "another run is at work": bring("refused", AT_WORK, backups.at_work),
        "it is undone": bring("refused", "the database is as it was: psql ended with 3", backups.undone),
        "the database is lost at its end": bring("failed", "nobody knows whether the database holds it", backups.unanswered),
        "it cannot be noted": bring(
            "failed", "the database holds the export first, and the host cannot note it", backups.cannot_note
        ),
    },
    "rotation": {
        "it is not one of a host": fails(
            "refused",
            "rotation happens on the controller",
            options={"name": "ml", "rotations": [], "vault": "/v", "environment": "staging"},
            before=(LEASE,),
        ),
    },
}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def ended(name: str, ending: Ending, world: World, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What the module returns."""
    ending.arrange(world)

    def use(server: str) -> dict[str, Any]:
        places = {"{server}": server, "{root}": str(world.root)}
        options = {key: _with(value, places) for key, value in ending.options.items()}
        return run(name, capsys, options, check_mode=ending.check_mode)

    return dict(worlds.serving(use)) if "{server}" in str(ending.options) else use("")


def _with(value: Any, places: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_with(one, places) for one in value]
    if isinstance(value, dict):
        return {key: _with(one, places) for key, one in value.items()}
    if isinstance(value, str):
        for name, place in places.items():
            value = value.replace(name, place)
    return value


def word(name: str, result: Mapping[str, Any], before: Before, *, failed: bool, check_mode: bool) -> tuple[str, list[str], bool]:
    """The word in which a run ends that has seen this last, what it says, and whether its exit status is one of a failure."""
    seen = Run(started=0.0, environment="staging")
    for module, earlier in before:
        seen.saw(module, "a", earlier, failed=False)
    seen.saw(name, "a", result, failed=failed)
    found = seen.verdict(1.0, check_mode=check_mode)
    return found["verdict"] if seen.is_deploy else NO_VERDICT, summary(found), found["failed"]


EACH = [pytest.param(name, what, id=f"{name}: {what}") for name, endings in ENDINGS.items() for what in endings]
# Module and ending -> the lines of the module that it has come by.
CAME_BY: dict[tuple[str, str], set[int]] = {}


@pytest.mark.parametrize(("name", "what"), EACH)
def test_an_ending_of_a_module_is_told_by_the_word_that_is_true_of_the_hosts(
    name: str, what: str, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    ending = ENDINGS[name][what]
    with watching(name) as CAME_BY[name, what]:
        result = ended(name, ending, world, capsys)
    failed = bool(result.get("failed"))
    assert failed == ending.fails, result.get("msg")
    found, lines, exits_badly = word(name, result, ending.before, failed=failed, check_mode=ending.check_mode)
    assert found == ending.word, lines
    assert ending.says in "\n".join(lines)
    assert exits_badly == ending.fails


def test_every_module_that_the_verdict_reads_is_here() -> None:
    assert set(ENDINGS) == set(verdict._MODULES)


@pytest.mark.parametrize("name", ENDINGS)
def test_no_ending_of_a_module_is_left_out(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # What another test has not ended already.
    for number, (what, ending) in enumerate(ENDINGS[name].items()):
        if (name, what) not in CAME_BY:
            (tmp_path / str(number)).mkdir()
            with monkeypatch.context() as own, watching(name) as CAME_BY[name, what]:
                ended(name, ending, World(tmp_path / str(number), own), capsys)
    lines = {line for what in ENDINGS[name] for line in CAME_BY[name, what]}
    # A probe tells every error as an answer.
    ends = ends_of(name) | ({BELOW} if ends_of(name) and name != "key_probe" else set())
    left_out = sorted(ends - lines)
    assert left_out == [], f"{name} ends here too, and no ending of this table comes from there"


STATES = [
    ("planned", "unchanged", ""),
    ("begun", "unchanged", ""),
    ("ended", "deployed", "own: every replica uses the new value"),
]


@pytest.mark.parametrize(("state", "expected", "says"), STATES)
def test_what_a_rotation_does_on_the_controller_is_told_too(
    monkeypatch: pytest.MonkeyPatch, state: str, expected: str, says: str
) -> None:
    vault = rotations.World("own")
    if state == "ended":
        vault.rotation().begin()
    result = acted(monkeypatch, vault, state)
    before = (LEASE, ("rotation", acted(monkeypatch, rotations.World("own"), "planned")), LOOKED)
    found, lines, exits_badly = word("rotation", result, before, failed=False, check_mode=False)
    assert (found, exits_badly) == (expected, False)
    assert says in "\n".join(lines)


def test_a_rotation_that_cannot_be_planned_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AnsibleActionFail) as caught:
        acted(monkeypatch, rotations.World("own"), "switched")
    found, lines, exits_badly = word("rotation", {"msg": str(caught.value)}, (LEASE,), failed=True, check_mode=False)
    assert (found, exits_badly) == ("refused", True)
    assert "no rotation of own is under way" in "\n".join(lines)


def acted(monkeypatch: pytest.MonkeyPatch, vault: rotations.World, state: str) -> dict[str, Any]:
    """What the action plugin returns."""
    monkeypatch.setattr(rotation_action, "EncryptedFile", lambda path, loaded: vault)
    secrets = {"api": {"DATABASE_URL": rotations.URL, "KEY": vault.value}, "ml": {"KEY": vault.value}}
    arguments = {
        "name": vault.name,
        "rotations": rotations.ROTATIONS,
        "secrets": secrets,
        "vault": "/v",
        "environment": "staging",
        "state": state,
        "token": 7,
    }
    task = SimpleNamespace(args=arguments, async_val=0, check_mode=False, diff=False)
    plugin = rotation_action.ActionModule(
        task,
        SimpleNamespace(_shell=SimpleNamespace(tmpdir="x")),
        None,
        SimpleNamespace(_vault=None),
        None,
        None,
    )
    return dict(plugin.run(task_vars={}))
