"""The example's API alone, with Supabase's engine and a database of its own beside the example on staging; and its users."""

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

import yaml

from sandbox.world import DATABASE_NAMES, DATABASE_PASSWORDS
from tests.acceptance.world import BASE, ROOT, STAGING, Environment, Run, edit_vault, on
from tests.meanwhile import meanwhile

HOST = STAGING.hosts[0]
NAME, SITE = "tales", "tales.staging.test"
DIRECTORY = "supabase/migrations"
STORIES, SUMMARY, NEWEST, FILL, MOOD, CONTRACT = sorted((ROOT / "stacks" / "morpheus" / DIRECTORY).iterdir())
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

    def sets_up(self) -> Run:
        run = self.environment.play("playbooks/setup.yml", "-e", "stack_release=1.0.0")
        assert run.code == 0, run.output
        return run

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


@contextmanager
def claimed_tales(tmp_path: Path, staging: Environment) -> Iterator[Tales]:
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
