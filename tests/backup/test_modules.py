# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules as hosts run them, with programs of an image and with installed ones; no secret in what they print."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.news import News
from ansible_collections.morpheus.deploy.plugins.module_utils.base import places
from ansible_collections.morpheus.deploy.plugins.modules import (
    backup_store,
    database_backup,
    database_restore,
    staging_data_export,
    staging_data_import,
)

from tests import postgres as programs
from tests.backup.world import World
from tests.migrations.postgres import Cluster
from tests.unit.module_run import run_module

CAPSYS = pytest.CaptureFixture[str]
TOY = Path(__file__).parent / "docker.py"


@dataclass
class Host:
    world: World
    capsys: CAPSYS
    toy: Path
    image: bool

    @property
    def where(self) -> dict[str, Any]:
        tools = {"image": "postgres:17"} if self.image else {"programs": str(programs.binaries())}
        return {**tools, "directory": str(self.world.place.path)}

    @property
    def declared(self) -> dict[str, Any]:
        return {"url": self.world.database.url, "variable": "backup_database_url", "environment": "production"}

    def run(self, module: Any, **options: Any) -> dict[str, Any]:
        identity = self.world.key.identity
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PGHOST", "nowhere.example")
            found = run_module(module, self.capsys, options)
        assert identity not in json.dumps(found)
        return found

    def backup(self, name: str = "first", **more: Any) -> dict[str, Any]:
        given = {"name": name, "why": "a test", "recipients": [self.world.key.recipient]}
        return self.run(database_backup, **self.where, **self.declared, **given, **more)

    def records(self) -> list[dict[str, Any]]:
        return list(self.run(backup_store, directory=str(self.world.place.path))["records"])

    def restore(self, state: str, **more: Any) -> dict[str, Any]:
        given = {"state": state, "record": self.records()[-1], "identity": self.world.key.identity, "without_lease": True}
        return self.run(database_restore, **self.where, **self.declared, **{**given, **more})

    def asked(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.toy / "asked").read_text().splitlines()]


@pytest.fixture(params=["image", "installed"])
def host(
    request: pytest.FixtureRequest, world: World, capsys: CAPSYS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Host]:
    # Not below pytest's directories: nobody else may enter those.
    toy = Path(tempfile.mkdtemp(prefix="toy-docker-", dir="/tmp"))
    toy.chmod(0o755)
    (toy / "docker").write_text(TOY.read_text())
    (toy / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{toy}:{os.environ['PATH']}")
    monkeypatch.setenv("TOY", str(toy))
    monkeypatch.setenv("BIN", str(programs.binaries()))
    monkeypatch.setenv("RUNS_AS", programs.user())
    monkeypatch.setattr(places, "ROOT", tmp_path / "root")
    world.place.make()
    try:
        yield Host(world, capsys, toy, request.param == "image")
    finally:
        shutil.rmtree(toy)


# By installed programs it is what tests/backup/test_backup.py does.
@pytest.mark.parametrize("host", ["image", pytest.param("installed", marks=pytest.mark.deep)], indirect=True)
def test_a_backup_is_made_tried_lost_and_restored(host: Host) -> None:
    world = host.world
    world.fill()
    before = world.everything()
    looked = host.backup(_ansible_check_mode=True)
    assert looked.get("changed"), looked
    assert host.records() == []
    made = host.backup()
    assert "msg" not in made, made
    assert (made["changed"], made["backup"]["name"], made["backup"]["environment"]) == (True, "first", "production")
    assert made["backup"]["verified"]
    assert "tables" not in made["backup"]
    drilled = host.restore("drilled")
    assert (drilled["changed"], drilled["rows"]) == (False, made["rows"])
    world.database.rows("delete from auth.users where email < 'user3'")
    planned = host.restore("planned", identity="")
    assert not planned["changed"]
    assert '"auth"."users": 28 rows now, 50 rows in the backup' in planned["lost"]
    assert host.restore("restored", _ansible_check_mode=True)["changed"]
    assert world.everything() != before
    world.lose()
    assert host.restore("planned")["is_empty"]
    restored = host.restore("restored")
    assert restored.get("rows") == made["rows"], restored.get("msg")
    assert world.everything() == before
    news = News().read()
    assert (news["backup"]["name"], news["drill"]["name"], news["drill"]["rows"]) == ("first", "first", made["rows"])
    assert "backup_last_success_timestamp_seconds{} 1" in (places.ROOT / "metrics" / "backup.prom").read_text()
    # How long each took is returned, and written down on the host.
    for kind, result in (("backup", made), ("drill", drilled), ("restore", restored)):
        assert news[kind]["seconds"] == result["seconds"] > 0
    [line] = (places.ROOT / "backup" / "drills.jsonl").read_text().splitlines()
    assert (json.loads(line)["name"], json.loads(line)["seconds"]) == ("first", drilled["seconds"])
    if host.image:
        said = json.dumps(host.asked())
        assert "canary" not in said
        assert host.world.key.identity not in said
        servers = [words for words in host.asked() if words[0] == "run" and "--detach" in words]
        assert servers
        assert all("--network=none" in words for words in servers)
        assert list((host.toy / "containers").iterdir()) == []


@pytest.mark.deep
def test_old_backups_go_and_a_key_is_needed(host: Host) -> None:
    if host.image:
        pytest.skip("the same with either")
    host.world.fill()
    host.backup("first")
    host.backup("second")
    assert "identity: required" in host.restore("drilled", identity="")["msg"]
    pruned = {"directory": str(host.world.place.path), "state": "pruned", "keep_days": 0, "keep_at_least": 1}
    assert host.run(backup_store, **pruned, _ansible_check_mode=True)["removed"] == ["first"]
    assert len(host.records()) == 2
    assert [one["name"] for one in host.run(backup_store, **pruned)["records"]] == ["second"]
    assert sorted(path.name for path in host.world.place.path.iterdir()) == ["second.dump.age", "second.json"]


@pytest.mark.parametrize("host", [pytest.param("image", marks=pytest.mark.deep), "installed"], indirect=True)
def test_what_a_killed_run_has_left_is_removed_by_the_next_one(host: Host) -> None:
    host.world.fill()
    (host.world.place.path / ".partial-killed").write_text("half")
    host.backup()
    assert sorted(path.name for path in host.world.place.path.iterdir()) == ["first.dump.age", "first.json"]


@pytest.mark.parametrize("host", [pytest.param("image", marks=pytest.mark.deep), "installed"], indirect=True)
def test_data_are_exported_and_imported(host: Host, postgres: Cluster) -> None:
    host.world.fill()
    host.backup()
    exports = host.world.root / "exports"
    rules = {"auth.users.email": "email", "auth.users.meta": "json", "public.orders.note": "text", "public.orders.blob": "empty"}
    given = {
        **host.where,
        "record": host.records()[-1],
        "environment": "production",
        "identity": host.world.key.identity,
        "name": "export",
        "recipients": [host.world.key.recipient],
        "to_directory": str(exports),
    }
    refused = host.run(staging_data_export, **given, rules={})
    assert refused["failed"]
    assert "auth.users.email: has no rule" in refused["msg"]
    assert list(exports.iterdir()) == []
    exported = host.run(staging_data_export, **given, rules={**rules, "public.events.what": "text"})
    assert exported["export"]["of"] == "first", exported
    with postgres.database() as staging:
        other = World(host.world.root, staging, host.world.key)
        other.fill()
        staging.rows("update morpheus_deploy.identity set environment = 'staging'")
        [record] = host.run(backup_store, directory=str(exports))["records"]
        options = {**host.where, "directory": str(exports), "record": record, "identity": host.world.key.identity}
        options |= {"url": staging.url, "environment": "staging", "without_lease": True}
        assert host.run(staging_data_import, **options, _ansible_check_mode=True)["changed"]
        brought = host.run(staging_data_import, **options)
        assert (brought.get("rows"), brought["name"]) == (exported["rows"], "export"), brought.get("msg")
        assert staging.value("select count(*) from auth.users where email like 'user-%@example.com'") == 50
    assert News().read()["staging_data"]["at"] == record["at"]
