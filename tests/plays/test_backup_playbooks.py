# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in playbooks: before a migration that nobody knows, and no restore that nobody has confirmed."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass, field

import pytest

from tests.plays.staged import BACKUP, BACKUPS, COMPOSE, VARIABLES, Case, Done, Stage, rule

MIGRATING = copy.deepcopy(VARIABLES["stack"])
MIGRATING["migration"] = {"service": "migrate"}
STACK = json.dumps({"stack": MIGRATING})
MIGRATE = """  migrate:
    image: shop/web:${STACK_RELEASE}
    profiles: [migrate]
    deploy: {resources: {limits: {memory: 64M}}}
"""
SOURCE = {"source/compose.yml": COMPOSE + MIGRATE}
# What is kept of buckets beside the database, and the answer of whoever has both.
WITH_BUCKETS = json.loads(BACKUPS[1])
WITH_BUCKETS["backup"] |= {"buckets": ["pictures"], "storage_url": "https://storage.example"}
WITH_BUCKETS["backup_storage_key"] = "canary-storage"
BUCKETS = ("-e", json.dumps(WITH_BUCKETS))
HELD = {"pictures": {"objects": 5, "bytes": 17, "sha256": "0" * 64}}
OBJECTS = {**BACKUP, "name": f"{BACKUP['name']}-objects", "kind": "objects", "tables": {}, "buckets": HELD}
BOTH = rule("backup_store", {"changed": False, "urls": {}, "records": [BACKUP, OBJECTS], "removed": []})
# Only who is asked for exactly this puts it back.
PUT_BACK = [
    rule(
        "storage_restore",
        {"changed": True, "name": OBJECTS["name"], "objects": 5, "seconds": 2.5},
        state="restored",
        record=OBJECTS,
        url="https://storage.example",
    ),
    rule("storage_restore", {"failed": True, "msg": "of another backup"}, state="restored"),
]
# An option that is typed twice is the last one's.
UNCONFIRMED = ("-e", "restore_confirm=")
CASES = {
    "deploys": ("deploy", Case(options=("-e", STACK, *BACKUPS), files=SOURCE)),
    "deploys without backups": ("deploy", Case(options=("-e", STACK), files=SOURCE)),
    "deploys, and no backup can be made": (
        "deploy",
        Case(options=("-e", STACK, *BACKUPS), files=SOURCE, rules=[rule("database_backup", {"failed": True, "msg": "no room"})]),
    ),
    "restores unconfirmed": ("restore", Case(options=UNCONFIRMED)),
    "restores production": ("restore", Case(options=("-e", "restore_confirm=production"))),
    "restores": ("restore", Case()),
    "deploys with buckets": ("deploy", Case(options=("-e", STACK, *BUCKETS), files=SOURCE)),
    "restores buckets": ("restore", Case(options=BUCKETS, rules=[BOTH, *PUT_BACK])),
    "tries buckets": ("backup", Case(options=(*BUCKETS, "-e", "backup_do=drill"), rules=[BOTH])),
}


@dataclass
class Runs:
    """Each is played when somebody looks at it, and once."""

    stage: Stage
    played: dict[str, Done] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Done:
        if name not in self.played:
            self.played[name] = self.stage.play(name, *CASES[name])
        return self.played[name]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(Stage(tmp_path_factory.mktemp("stage")))


def asked(done: Done, *modules: str) -> list[str]:
    return [str(one["module"]) for one in done.asked if one["module"] in modules]


@pytest.mark.deep
def test_before_a_command_migrates_the_database_is_backed_up_once(runs: Runs) -> None:
    done = runs["deploys"]
    assert done.code == 0, done.output
    assert asked(done, "database_backup", "stack_migration") == ["database_backup", "stack_migration"]
    assert asked(runs["deploys without backups"], "database_backup", "stack_migration") == ["stack_migration"]


def test_without_its_backup_nothing_is_migrated_or_switched(runs: Runs) -> None:
    done = runs["deploys, and no backup can be made"]
    assert done.code != 0
    assert asked(done, "stack_migration", "stack_rollout") == []
    assert "no room" in done.verdict
    assert done.files["staging/verdict.json"]["verdict"] == "refused"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param(
            "restores unconfirmed",
            "What is lost stands above. If that is meant, type -e restore_confirm=staging with the same command.",
            marks=pytest.mark.deep,
        ),
        ("restores production", "restore_confirm: production is not this environment. What is lost stands above."),
    ],
)
def test_what_a_restore_would_lose_is_said_and_nothing_is_lost_without_a_confirmation(runs: Runs, name: str, said: str) -> None:
    done = runs[name]
    assert (done.code, done.files["staging/verdict.json"]["verdict"]) == (2, "refused")
    assert said in done.verdict
    assert f"A restore of {BACKUP['name']} ({BACKUP['at']}, by hand) into the database of staging loses" in done.output
    assert [one["state"] for one in done.asked if one["module"] == "database_restore"] == ["planned"]
    assert asked(done, "database_backup") == []


def test_a_confirmed_restore_backs_up_first_under_the_lease(runs: Runs) -> None:
    done = runs["restores"]
    assert done.code == 0, done.output
    assert f"the database holds {BACKUP['name']}: 3 rows" in done.verdict
    said = [
        str(one.get("state") or one["module"]) for one in done.asked if one["module"] in ("database_restore", "database_backup")
    ]
    assert said == ["planned", "database_backup", "restored"]
    restored = next(one for one in done.asked if one.get("state") == "restored")
    assert restored["token"] == 7


def done_with_buckets(done: Done) -> list[tuple[str, str]]:
    modules = ("database_backup", "database_restore", "storage_backup", "storage_restore")
    return [(str(one["module"]), str(one.get("state") or "")) for one in done.asked if one["module"] in modules]


@pytest.mark.deep
def test_a_restore_puts_buckets_back_after_the_database_and_backs_both_up_first(runs: Runs) -> None:
    done = runs["restores buckets"]
    assert done.code == 0, done.output
    assert done_with_buckets(done) == [
        ("database_restore", "planned"),
        ("storage_restore", "planned"),
        ("database_backup", ""),
        ("storage_backup", ""),
        ("database_restore", "restored"),
        ("storage_restore", "restored"),
    ]
    assert f"{OBJECTS['name']} was put back in 2.5 s: 5 objects" in done.output
    assert re.search(r"-objects: 5 objects of pictures, in 2\.5 s", done.output)
    last = [one for one in done.asked if one["module"] == "storage_restore"][-1]
    assert last["token"] == 7
    assert "canary" not in done.output


@pytest.mark.deep
def test_a_drill_reads_the_buckets_too(runs: Runs) -> None:
    done = runs["tries buckets"]
    assert done.code == 0, done.output
    assert done_with_buckets(done) == [("database_restore", "drilled"), ("storage_restore", "drilled")]
    assert f"{OBJECTS['name']} was decrypted and read in 2.5 s: 5 objects, each as it was written" in done.output


@pytest.mark.deep
def test_a_deploys_backup_leaves_buckets_out(runs: Runs) -> None:
    done = runs["deploys with buckets"]
    assert done.code == 0, done.output
    assert done_with_buckets(done) == [("database_backup", "")]
