"""A database on a named volume beside the stack of the sandbox: one at a time, and what it holds outlives every deploy."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.world import BASE, STAGING, Run, on, play, says

pytestmark = pytest.mark.lane("staging")
HOST = STAGING.hosts[0]
NAME = "ledger"
LABEL = f"label=com.docker.compose.project={NAME}"
INTERRUPTED = "interrupted: db (stop-first: writes to the volume db-data)"


def database(**changes: Any) -> dict[str, Any]:
    """What people write for a database, with nothing about its updates."""
    return {
        "image": "postgres:17",
        "command": ["postgres", "-c", "cluster_name=${STACK_RELEASE}"],
        "environment": {"POSTGRES_HOST_AUTH_METHOD": "trust"},
        "tmpfs": ["/run/postgresql:uid=999,gid=999,mode=775"],
        "volumes": ["db-data:/var/lib/postgresql/data"],
        # Its entrypoint begins as root and hands over to postgres.
        "cap_add": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"],
        "restart": "unless-stopped",
        "healthcheck": {"test": ["CMD", "pg_isready", "-h", "127.0.0.1", "-U", "postgres"], "interval": "1s", "timeout": "2s"},
        "deploy": {"resources": {"limits": {"memory": "128M"}}},
    } | changes


@dataclass
class Ledger:
    """A stack of one database, in an inventory of its own that differs from staging's in nothing else."""

    inventory: Path
    source: Path

    def write(self, db: dict[str, Any] | None = None, **top: Any) -> None:
        project = {"services": {"db": db or database()}, "volumes": {"db-data": None}} | top
        (self.source / "compose.yml").write_text(yaml.safe_dump(project))

    def deploy(self, release: str, *options: str) -> Run:
        return play("deploy.yml", self.inventory, "-e", f"stack_release={release}", *options)

    def deployed(self, release: str, *options: str) -> Run:
        run = self.deploy(release, *options)
        assert run.code == 0, run.output
        return run

    def container(self) -> str:
        [name] = on(HOST, "docker", "ps", "--filter", LABEL, "--format", "{{.Names}}").split()
        return name

    def sql(self, statement: str) -> str:
        words = ["psql", "-U", "postgres", "-Atc", statement]
        return on(HOST, "docker", "exec", self.container(), *words).strip()


@pytest.fixture
def ledger(inventories: Path, tmp_path: Path) -> Iterator[Ledger]:
    """With release 1.0.0 of it deployed, and an entry written."""
    found = Ledger(inventories / "staging", tmp_path / NAME)
    found.source.mkdir()
    path = found.inventory / "group_vars" / "all" / "stack.yml"
    settings = yaml.safe_load(path.read_text())
    secret = settings["stack"]["database"]
    settings["stack_source"] = str(found.source)
    del settings["stack_flags"]
    settings["stack"] = {"name": NAME, "compose_files": ["compose.yml"], "database": secret}
    path.write_text(yaml.safe_dump(settings))
    found.write()
    try:
        found.deployed("1.0.0")
        found.sql("create table entry (text text)")
        found.sql("insert into entry values ('kept')")
        yield found
    finally:
        own = [("ps -aq", "rm -f"), ("volume ls -q", "volume rm"), ("network ls -q", "network rm")]
        gone = [f"docker {listed} --filter {LABEL} | xargs -r docker {removed}" for listed, removed in own]
        edge = f"{BASE}/edge/conf/stacks/{NAME}.cfg {BASE}/edge/conf/routes.d/{NAME}.map"
        on(HOST, "sh", "-c", "; ".join([*gone, f"rm -rf {BASE}/stacks/{NAME} {edge}"]))


@contextmanager
def one_at_a_time(ledger: Ledger) -> Iterator[None]:
    """Assert that never two containers of the database ran at once, by the engine's own account of every start and end."""
    running = {on(HOST, "docker", "inspect", "--format", "{{.Id}}", ledger.container()).strip()}
    # The engine takes the time of the controller, which is the same machine's.
    since = time.time()
    yield
    period = ["--since", f"{since:.3f}", "--until", f"{time.time():.3f}"]
    what = ["--filter", LABEL, "--filter", "event=start", "--filter", "event=die", "--format", "{{json .}}"]
    events = [json.loads(line) for line in on(HOST, "docker", "events", *period, *what).splitlines()]
    seen = []
    for event in events:
        (running.add if event["Action"] == "start" else running.discard)(event["id"])
        seen.append(len(running))
    assert "start" in {event["Action"] for event in events}
    assert max(seen) == 1, events


@pytest.mark.deep
def test_a_database_is_replaced_one_at_a_time_and_keeps_what_it_holds(ledger: Ledger) -> None:
    before = ledger.container()
    check = ledger.deployed("2.0.0", "--check")
    says(check, [f"db: stop {before} (interrupts db; stop-first: writes to the volume db-data)"])
    with one_at_a_time(ledger):
        run = ledger.deployed("2.0.0")
    says(run, ["VERDICT deployed", INTERRUPTED])
    assert STAGING.verdict()["interrupted"] == ["db"]
    assert STAGING.history()[-1]["interrupted"] == ["db"]
    assert (ledger.sql("show cluster_name"), ledger.sql("select text from entry")) == ("2.0.0", "kept")

    ledger.sql("insert into entry values ('newer')")
    with one_at_a_time(ledger):
        back = play("rollback.yml", ledger.inventory)
    assert back.code == 0, back.output
    says(back, [INTERRUPTED])
    assert (ledger.sql("show cluster_name"), ledger.sql("select count(*) from entry")) == ("1.0.0", "2")


@pytest.mark.deep
@pytest.mark.parametrize("action", ["pause", "rollback"])
def test_a_database_whose_new_version_does_not_start_comes_back_with_what_it_held(ledger: Ledger, action: str) -> None:
    deploy = database()["deploy"] | {"update_config": {"failure_action": action}}
    ledger.write(database(command=["postgres", "-c", "no_such_setting=1"], deploy=deploy))
    with one_at_a_time(ledger):
        run = ledger.deploy("2.0.0")
    assert run.code == 2, run.output
    says(run, ["VERDICT rolled_back", INTERRUPTED, "no_such_setting", "this host serves the release before it again (1.0.0)"])
    assert (ledger.sql("show cluster_name"), ledger.sql("select text from entry")) == ("1.0.0", "kept")


@pytest.mark.deep
def test_what_would_lose_or_mix_data_is_refused_before_anything_is_changed(ledger: Ledger) -> None:
    before = ledger.container(), on(HOST, "docker", "volume", "ls", "-q"), on(HOST, "cat", f"{BASE}/stacks/{NAME}/lineage.json")

    ledger.write(database(deploy={"update_config": {"order": "start-first"}}))
    run = ledger.deploy("2.0.0")
    says(
        run,
        [
            "Nothing was contacted or changed.",
            "services.db.deploy.update_config.order: start-first runs old and new at once, and the service writes to the "
            "volume db-data",
        ],
    )
    assert run.code == 2

    # The engine would put a nameless volume on top of this one: the data would not be where the file says.
    ledger.write(database(volumes=["db-data:/var/lib/postgresql"]))
    run = ledger.deploy("2.0.0")
    says(run, ["VERDICT refused", 'the image postgres:17 declares the volume "/var/lib/postgresql/data"', 'or tmpfs: ["'])
    assert run.code == 2

    ledger.write(networks={"default": {"internal": True}})
    run = ledger.deploy("2.0.0")
    says(
        run,
        ["VERDICT refused", f'networks.default: the network "{NAME}_default" exists with internal false, expected true'],
    )
    assert run.code == 2

    ledger.write(volumes={"db-data": {"labels": {"backup": "daily"}}})
    run = ledger.deploy("2.0.0")
    says(run, ["VERDICT refused", f'volumes.db-data: the volume "{NAME}_db-data" exists with labels.backup not set'])
    assert run.code == 2

    ledger.write(services={"database": database()})
    run = ledger.deploy("2.0.0")
    says(run, ["VERDICT refused", "services.database.volumes:", "so two would write at once"])
    assert run.code == 2
    after = ledger.container(), on(HOST, "docker", "volume", "ls", "-q"), on(HOST, "cat", f"{BASE}/stacks/{NAME}/lineage.json")
    assert after == before
    assert ledger.sql("select text from entry") == "kept"
