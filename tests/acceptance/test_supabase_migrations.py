"""The example's API with Supabase's engine and a database of its own beside the example: a file of each class while users read
and write, the way back after each, and what is refused.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPSConnection
from pathlib import Path

import pytest
import yaml

from sandbox.world import DATABASE_NAMES, DATABASE_PASSWORDS
from tests.acceptance.world import BASE, ROOT, STAGING, Environment, Run, edit_vault, on, says
from tests.meanwhile import meanwhile

pytestmark = [pytest.mark.deep, pytest.mark.lane("staging")]

HOST = STAGING.hosts[0]
NAME, SITE = "tales", "tales.staging.test"
DIRECTORY = "supabase/migrations"
STORIES, SUMMARY, NEWEST, FILL, MOOD, CONTRACT = sorted((ROOT / "stacks" / "morpheus" / DIRECTORY).iterdir())
NOTE, DROP_MOOD = "20261101090000_note.sql", "20261101090100_drop_mood.sql"
ROWS = 100_000
COMPOSE = {
    "services": {
        "api": {
            "image": "morpheus/api:${STACK_RELEASE:?}",
            "env_file": ["secrets/api.env"],
            "environment": {"APP_ENVIRONMENT": "${STACK_ENVIRONMENT:?}"},
            "restart": "unless-stopped",
            "stop_grace_period": "30s",
            "deploy": {
                "replicas": 2,
                "update_config": {"parallelism": 1, "order": "start-first", "monitor": "7s"},
                "resources": {"limits": {"memory": "192M"}},
            },
        }
    }
}
SERVICE = {
    "name": "api",
    "port": 8000,
    "routes": [{"host": SITE}],
    "health": {"path": "/health", "version": "version", "interval_seconds": 0.1},
}


def url(role: str, password: str) -> str:
    return f"postgresql://{role}:{password}@{DATABASE_NAMES['staging']}:5432/{NAME}"


def sql(statement: str, database: str = NAME) -> str:
    psql = ("psql", "--username=postgres", f"--dbname={database}", "-At", "--set=ON_ERROR_STOP=1", f"--command={statement}")
    return on("supabase-staging", *psql).strip()


def applied() -> list[str]:
    return sql("select version from supabase_migrations.schema_migrations order by version").split()


def versions(*files: Path) -> list[str]:
    return [path.name.partition("_")[0] for path in files]


def columns() -> set[str]:
    return set(sql("select column_name from information_schema.columns where table_name = 'stories'").split())


@dataclass(frozen=True)
class Tales:
    environment: Environment
    source: Path

    def ship(self, *files: Path, **more: str) -> None:
        """Releases bring these from now on. ``more``: the SQL of others, by the name of the file without its ending."""
        directory = self.source / DIRECTORY
        directory.mkdir(parents=True, exist_ok=True)
        for path in files:
            (directory / path.name).write_bytes(path.read_bytes())
        for name, text in more.items():
            (directory / f"{name}.sql").write_text(text)

    def write(self) -> None:
        (self.source / "compose.yml").write_text(yaml.safe_dump(COMPOSE))
        inventory = Path(self.environment.inventories, "staging")
        password = f"reads-only-{DATABASE_PASSWORDS['staging']}"
        edit_vault(
            inventory, vault_tales=url("postgres", DATABASE_PASSWORDS["staging"]), vault_reader=url("tales_reader", password)
        )
        directory = inventory / "group_vars" / "all"
        (directory / "rotation.yml").unlink()
        variables = yaml.safe_load((directory / "stack.yml").read_text())
        for name in ("stack_flags", "stack_secret_files", "stack_fingerprints"):
            del variables[name]
        variables["stack_source"] = str(self.source)
        variables["stack_secrets"] = {
            "api": {"DATABASE_URL": "{{ vault_tales }}"},
            "ledger": {"DATABASE_URL": "{{ vault_reader }}"},
        }
        variables["stack"] = {
            "name": NAME,
            "compose_files": ["compose.yml"],
            "files": [DIRECTORY],
            "database": variables["stack"]["database"],
            "migration": {"engine": "supabase", "reader": "ledger.DATABASE_URL"},
            "services": [SERVICE],
            "retention": {"releases": 2},
        }
        (directory / "stack.yml").write_text(yaml.safe_dump(variables))

    def deploys(self, release: str, *options: str) -> Run:
        return self.environment.deployed(release, *options)

    def rolls_back(self) -> Run:
        run = self.environment.play("rollback.yml")
        assert run.code == 0, run.output
        return run

    def containers(self) -> set[str]:
        label = f"label=com.docker.compose.project={NAME}"
        return set(on(HOST, "docker", "ps", "--no-trunc", "--quiet", "--filter", label).split())

    def live(self) -> str:
        """Name of the release that is live."""
        found = json.loads(on(HOST, "cat", f"{BASE}/stacks/{NAME}/lineage.json"))
        return str(found["trail"][-1]).rpartition("-")[0]


@pytest.fixture
def tales(tmp_path: Path, staging: Environment) -> Iterator[Tales]:
    """With a database that is the environment's, and nothing deployed."""
    found = Tales(staging.copied(tmp_path), tmp_path / NAME)
    found.source.mkdir()
    remove()
    sql(f"create database {NAME}", "postgres")
    try:
        found.write()
        claimed = found.environment.play("playbooks/claim.yml", "--tags", "database")
        assert claimed.code == 0, claimed.output
        yield found
    finally:
        removed = staging.play("playbooks/remove_stack.yml", "-e", f"stack_name={NAME}")
        remove()
    assert removed.code == 0, removed.output


def remove() -> None:
    sql(f"drop database if exists {NAME} with (force)", "postgres")
    sql("drop role if exists tales_reader", "postgres")


@dataclass
class Users:
    """``answers``: when, status, and the release that gave it. ``ledger``: when, and how many migrations were applied then."""

    answers: list[tuple[float, int, str]] = field(default_factory=list)
    ledger: list[tuple[float, int]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def tell_and_read(self) -> None:
        self.ask("POST", json.dumps({"title": "a tale", "text": "It rained."}), 201)
        self.ask("GET", None, 200)

    def ask(self, method: str, body: str | None, expected: int) -> None:
        connection = HTTPSConnection("127.0.0.1", STAGING.port, timeout=30, context=ssl._create_unverified_context())
        headers = {"Host": SITE, "Content-Type": "application/json"}
        try:
            connection.request(method, "/api/stories", body, headers)
            answer = connection.getresponse()
            status, release, text = answer.status, answer.headers.get("X-Release") or "", answer.read().decode()
        except (OSError, HTTPException) as error:
            status, release, text = 0, "", repr(error)
        finally:
            connection.close()
        with self.lock:
            self.answers.append((time.monotonic(), status, release))
            if status != expected:
                self.failures.append(f"{method}: {status} {text[:200]}")

    def look(self) -> None:
        found = len(applied())
        self.ledger.append((time.monotonic(), found))

    def releases(self) -> Counter[str]:
        return Counter(release for _, _, release in self.answers)

    def saw_the_old_one_after(self, migrations: int, old: str) -> bool:
        """Whether the release before went on after this many migrations were seen in the ledger."""
        since = min(at for at, count in self.ledger if count >= migrations)
        return any(at > since and release == old for at, _, release in self.answers)


@contextmanager
def users() -> Iterator[Users]:
    """Who write and read all the while; none of them may fail."""
    found = Users()
    with meanwhile(found.look, 0.2), meanwhile(found.tell_and_read, 0.02), meanwhile(found.tell_and_read, 0.02):
        yield found
    print(f"{len(found.failures)} of {len(found.answers)} requests failed: {dict(found.releases())}")
    assert found.failures == []


def test_files_of_every_class_run_beside_users_while_old_and_new_release_serve(tales: Tales) -> None:
    tales.ship(STORIES)
    tales.deploys("1.0.0")
    sql(f"insert into stories (title, text) select 'old', repeat('a long text ', 10) from generate_series(1, {ROWS})")

    # Additive, an index concurrently, and a backfill in batches; back without harm, and there again.
    tales.ship(SUMMARY, NEWEST, FILL)
    with users() as found:
        tales.deploys("1.1.0")
    assert set(found.releases()) == {"1.0.0", "1.1.0"}
    assert found.saw_the_old_one_after(4, "1.0.0")
    assert applied() == versions(STORIES, SUMMARY, NEWEST, FILL)
    assert sql("select count(*) from stories where title = 'old' and summary is null") == "0"
    assert sql("select indisvalid from pg_index where indexrelid = 'stories_newest'::regclass") == "t"
    with users() as found:
        back = tales.rolls_back()
    says(back, ["VERDICT rolled_back"])
    assert set(found.releases()) == {"1.0.0", "1.1.0"}
    tales.deploys("1.1.0")

    tales.ship(MOOD)
    with users() as found:
        tales.deploys("1.2.0")
    assert set(found.releases()) == {"1.1.0", "1.2.0"}

    # The contract waits for 1.1.0, which a rollback may lead to, and runs with the next release, when that is gone.
    tales.ship(CONTRACT)
    with users() as found:
        waits = tales.deploys("1.2.0")
    says(waits, ["drops the column teaser of stories", "which release 1.1.0-", "may need"])
    assert "teaser" in columns()
    tales.ship(**{NOTE.removesuffix(".sql"): "alter table stories add column note text;\n"})
    with users() as found:
        tales.deploys("1.2.0")
    assert set(found.releases()) == {"1.2.0"}
    assert "teaser" not in columns()
    assert applied() == [*versions(STORIES, SUMMARY, NEWEST, FILL, MOOD, CONTRACT), NOTE.partition("_")[0]]
    # To what came with the contract and did not need the column.
    with users():
        says(tales.rolls_back(), ["VERDICT rolled_back"])


def test_what_was_taken_away_is_refused_until_it_is_forced_and_then_the_way_back_is(tales: Tales) -> None:
    tales.ship(STORIES, SUMMARY, MOOD)
    tales.deploys("1.0.0")
    before = tales.containers()
    tales.ship(**{DROP_MOOD.removesuffix(".sql"): "alter table stories drop column mood;\n"})
    with users():
        refused = tales.environment.deploy("1.1.0")
        assert refused.code != 0
        says(refused, [f"{DIRECTORY}/{DROP_MOOD}", "drops the column mood of stories", "VERDICT refused"])
        assert (tales.containers(), "mood" in columns()) == (before, True)
        tales.deploys("1.1.0", "-e", json.dumps({"migration_force": "nobody has moods"}))
    assert "mood" not in columns()

    before = tales.containers()
    with users():
        run = tales.environment.play("rollback.yml")
    assert run.code != 0
    says(run, [f"{DIRECTORY}/{DROP_MOOD} is applied there", "the database's own ledger says so", "VERDICT refused"])
    assert (tales.containers(), tales.live()) == (before, "1.1.0")
