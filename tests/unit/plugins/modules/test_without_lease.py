"""Whatever a playbook was started with: what writes asks for a lease, or to be told in words that it needs none."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import record
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import certificate, maintenance, placed
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import live
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import database as declared_database
from ansible_collections.morpheus.deploy.plugins.modules import (
    edge_placed,
    engine_config,
    engine_packages,
    ledger_login,
    postgres_login,
    supabase_migrations,
    supabase_seeds,
)

from tests.unit import quick_yaml
from tests.unit.clock import Clock
from tests.unit.plugins.module_utils.daemon.test_engine_setup import FakeDockerd

ROOT = Path(__file__).parents[4]
WORDS = (
    "This run holds no lease of the environment, so another run may be at work. Nothing was changed. Run the playbook whole, "
    "without --start-at-task, --tags and --skip-tags. A playbook of your own takes the lease by the role "
    "morpheus.deploy.lease and passes lease_taken.token on, or says without_lease: true."
)
URL = "postgresql://app:canary@db.example.com/app"
WRITING: dict[str, dict[str, Any]] = {
    "stack_release": {"release": "1.2.0", "environment": "staging", "stack": {"name": "shop"}, "files": {}},
    "stack_rollout": {"stack": "shop"},
    "stack_migration": {"stack": "shop", "release_id": "1.2.0-aa"},
    "supabase_migrations": {"url": URL, "environment": "staging", "files": []},
    "supabase_seeds": {"url": URL, "environment": "staging", "files": [], "stack": "shop"},
    "stack_removal": {"stack": "shop"},
    "stack_secret": {"stack": "shop", "names": ["api.KEY"], "value": "canary"},
    "edge_certificate": {"content": "canary"},
    "edge_challenges": {"names": ["www.example.com"], "thumbprint": "t"},
    "edge_maintenance": {"state": "on"},
    "edge_placed": {"stack": "shop", "routes": {"*/": {"hosts": ["app-1"]}}},
    "edge_upgrade": {"image": "haproxy:3.1"},
    "engine_packages": {},
    "stack_flags": {"stack": "shop", "content": "e30=", "by": "alice", "why": "a try"},
    "ml_mode": {"stack": "ml-gateway", "mode": "off", "by": "alice", "why": "the bill"},
    "database_restore": {"state": "restored", "record": {}, "url": URL, "environment": "staging"},
    "storage_restore": {"state": "restored", "record": {}, "url": "http://x", "key": "canary", "environment": "staging"},
    "staging_data_import": {"record": {}, "identity": "canary", "url": URL, "environment": "staging"},
    "ledger_login": {"url": URL, "reader": URL, "ledger": "s.versions", "environment": "staging"},
    "postgres_login": {"url": URL, "admin_url": URL, "environment": "staging"},
}
CHECKED = [name for name in WRITING if name != "stack_migration"]


class BegunError(BaseException):
    """The module has gone on to its work. No error, which would be told in words."""


@pytest.fixture(autouse=True)
def _nothing_is_real(monkeypatch: pytest.MonkeyPatch) -> None:
    def begin(*arguments: Any, **options: Any) -> None:
        raise BegunError

    monkeypatch.setattr(engine, "connect", begin)
    monkeypatch.setattr(certificate.EdgeCertificate, "differs", begin)
    monkeypatch.setattr(certificate.EdgeCertificate, "serve", begin)
    monkeypatch.setattr(maintenance.Maintenance, "look", begin)
    monkeypatch.setattr(maintenance.Maintenance, "switch", begin)
    monkeypatch.setattr(edge_placed, "tell", begin)
    monkeypatch.setattr(placed.Placed, "differs", begin)
    monkeypatch.setattr(live, "switch", begin)
    monkeypatch.setattr(postgres_login, "psycopg2", SimpleNamespace())
    monkeypatch.setattr(postgres_login, "open_login", begin)
    monkeypatch.setattr(ledger_login, "psycopg2", SimpleNamespace())
    monkeypatch.setattr(declared_database, "check", begin)
    monkeypatch.setattr(supabase_migrations, "psycopg2", SimpleNamespace(Error=ValueError))
    monkeypatch.setattr(supabase_migrations, "_act", begin)
    monkeypatch.setattr(supabase_seeds, "psycopg2", SimpleNamespace(Error=ValueError))
    monkeypatch.setattr(supabase_seeds, "_act", begin)
    monkeypatch.setattr(engine_packages, "EnginePackages", begin)
    monkeypatch.setattr(record, "of", begin)


def run(name: str, **options: Any) -> None:
    module = importlib.import_module(f"ansible_collections.morpheus.deploy.plugins.modules.{name}")
    with patch_module_args(options):
        module.main()


@pytest.mark.parametrize("name", WRITING)
def test_without_a_lease_nothing_is_begun(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(name, **WRITING[name])
    result = json.loads(capsys.readouterr().out)
    assert (ended.value.code, result["failed"], result["msg"]) == (1, True, WORDS)


@pytest.mark.parametrize("name", WRITING)
@pytest.mark.parametrize("option", [{"token": 7}, {"without_lease": True}], ids=str)
def test_with_a_lease_or_when_told_so_it_is_begun(name: str, option: dict[str, Any]) -> None:
    with pytest.raises(BegunError):
        run(name, **WRITING[name], **option)


@pytest.mark.parametrize("name", CHECKED)
def test_check_mode_needs_none_because_none_is_taken_then(name: str) -> None:
    with pytest.raises(BegunError):
        run(name, **WRITING[name], _ansible_check_mode=True)


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ({}, True),
        ({"token": 7}, False),
        ({"without_lease": True}, False),
        ({"_ansible_check_mode": True}, False),
        # Taken over by a reload.
        ({"options": {"live-restore": True, "registry-mirrors": ["https://mirror.example"]}}, False),
    ],
    ids=str,
)
def test_an_engine_that_runs_is_restarted_under_a_lease_only(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: dict[str, Any],
    refused: bool,
) -> None:
    path = tmp_path / "daemon.json"
    path.write_text('{"live-restore": true}')
    dockerd = FakeDockerd(path)
    monkeypatch.setattr(engine_config, "PATH", path)
    monkeypatch.setattr(engine_config, "SystemDockerd", lambda: dockerd)
    monkeypatch.setattr(engine_config, "SystemClock", Clock)
    with pytest.raises(SystemExit) as ended:
        run("engine_config", **{"options": {"live-restore": True, "mtu": 1400}, **options})
    result = json.loads(capsys.readouterr().out)
    assert bool(ended.value.code) == refused
    if refused:
        assert result["msg"] == f"the engine must be restarted for mtu. {WORDS}"
        assert (path.read_text(), dockerd.log) == ('{"live-restore": true}', [])


def tasks(node: Any) -> list[dict[str, Any]]:
    """Every mapping that is a task, however deep."""
    if isinstance(node, list):
        return [task for item in node for task in tasks(item)]
    if not isinstance(node, dict):
        return []
    return [node, *(task for value in node.values() for task in tasks(value))]


YAML = [path for directory in ("playbooks", "roles") for path in sorted((ROOT / directory).rglob("*.yml"))]


def test_every_task_that_writes_hands_on_the_token_or_says_why_it_has_none() -> None:
    writing = {f"morpheus.deploy.{name}" for name in (*WRITING, "engine_config")}
    found = {}
    for path in YAML:
        for task in tasks(quick_yaml.load(path.read_text())):
            for name in writing & set(task):
                if isinstance(task[name], dict) and task.get("check_mode") is not True:
                    found[f"{path.relative_to(ROOT)}: {task.get('name')}"] = set(task[name]) & {"token", "without_lease"}
    assert len(found) > len(WRITING)
    assert [task for task, given in found.items() if not given] == []


def test_every_module_with_a_token_asks_for_it() -> None:
    modules = (ROOT / "plugins" / "modules").glob("*.py")
    with_token = {path.stem for path in modules if '"token": {"type": "int"' in path.read_text()} - {"lease"}
    assert with_token == {*WRITING, "engine_config", "rotation"}
    assert leased.problem({"token": 0, "without_lease": False}, check_mode=False) == WORDS
