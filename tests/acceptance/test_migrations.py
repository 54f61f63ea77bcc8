"""A command that migrates and takes too long, that nobody waits for any more, or that fails; and files that a ledger would not
look at again.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.world import STAGING, Environment, Run, by_command, edited_stack, eventually, on, says, signal_rollout
from tests.hangs import HANGS_AFTER_SECONDS

HOST = STAGING.hosts[0]
ONE_OFFS = "label=com.docker.compose.oneoff=True"
TABLE = "public.slow_migration"
# The first of the example's.
FIRST = "supabase/migrations/20260701090000_stories.sql"
VERSION = "20260701090000"
# A row a second. Each run writes under the name of its container, so rows tell whether two were at work at once.
ROWS = """
import os, socket, time, psycopg
connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
connection.execute("create table if not exists {table} (run text, at timestamptz default clock_timestamp())")
for number in range({count}):
    connection.execute("insert into {table} (run) values (%s)", [socket.gethostname()])
    print("row", number, flush=True)
    time.sleep(1)
raise SystemExit({code})
"""


def sql(statement: str) -> str:
    return on("supabase-staging", "psql", "--username=postgres", "-At", "--set=ON_ERROR_STOP=1", f"--command={statement}").strip()


def one_offs(*options: str) -> list[str]:
    return on(HOST, "docker", "ps", "--filter", ONE_OFFS, "--format", "{{.Names}}", *options).split()


def stopped_writing() -> bool:
    """Whether no row came for three times as long as a migration at work takes for one, and none of its sessions is left."""
    sessions = f"(select count(*) from pg_stat_activity where query like '%{TABLE} (run)%' and pid <> pg_backend_pid())"
    return sql(f"select clock_timestamp() - max(at) > interval '3 s' and {sessions} = 0 from {TABLE}") == "t"


def runs() -> list[str]:
    """Names of the runs that wrote, in their order; none of them began before the one before it had ended."""
    spans = f"select run, min(at) as first, max(at) as last from {TABLE} group by run"
    rows = sql(f"select run, coalesce(first > lag(last) over (order by first), true) from ({spans}) as spans order by first")
    found = [line.split("|") for line in rows.splitlines()]
    assert all(apart == "t" for _, apart in found), found
    return [run for run, _ in found]


@dataclass(frozen=True)
class Project:
    """A copy of what the deploy reads, with a migration of its own choosing."""

    environment: Environment
    root: Path

    @property
    def migrations(self) -> Path:
        return self.root / "stacks" / "morpheus" / "supabase" / "migrations"

    def migrate(self, *, count: int, code: int = 0, **options: Any) -> None:
        """From now on the migration writes so many rows; ``options``: of stack.migration."""
        program = ROWS.format(table=TABLE, count=count, code=code)
        service = {"command": ["python3", "-c", program.replace("$", "$$")], "stop_grace_period": "1s"}
        path = self.root / "stacks" / "morpheus" / "compose.slow.yml"
        path.write_text(yaml.safe_dump({"services": {"migrate": service}}))
        self.configure(with_file=path.name, ledger="", reader="", **options)

    def configure(self, with_file: str = "", **options: Any) -> None:
        """``with_file``: a Compose file on top of the others; ``options``: of stack.migration."""
        with edited_stack(self.root / "inventories") as stack:
            if stack["migration"].get("engine"):
                by_command(stack)
            if with_file and with_file not in stack["compose_files"]:
                stack["compose_files"].append(with_file)
            stack["migration"] |= options


@pytest.fixture
def project(tmp_path: Path, staging: Environment) -> Iterator[Project]:
    sql(f"drop table if exists {TABLE}")
    found = Project(staging.copied(tmp_path), tmp_path)
    found.configure()
    yield found
    for name in one_offs("--all"):
        on(HOST, "docker", "rm", "--force", name)
    sql(f"drop table if exists {TABLE}")


def replicas() -> set[str]:
    return {identity for name, identity in STAGING.containers(HOST).items() if "-run-" not in name}


@contextmanager
def nothing_switched() -> Iterator[None]:
    before = replicas()
    yield
    assert replicas() == before
    assert STAGING.verdict()["verdict"] == "refused"


@pytest.mark.deep
def test_after_its_timeout_nothing_of_a_migration_is_at_work_and_its_log_is_quoted(project: Project) -> None:
    """C23."""
    project.migrate(count=600, timeout_seconds=5)
    for _ in range(2):
        with nothing_switched():
            run = project.environment.deploy("1.0.0")
        assert run.code != 0
        says(run, ["the migration failed, and no host was switched", "did not end within 5 s (stack.migration.timeout_seconds)"])
        says(run, ["was stopped; nothing of it is at work on this host any more", "The last log lines of", "row 0", "row 3"])
        assert one_offs("--all") == []
    eventually(stopped_writing, "no row is added any more", 10)
    assert len(runs()) == 2


@pytest.mark.deep
def test_a_migration_that_fails_is_quoted_with_its_exit_code(project: Project) -> None:
    project.migrate(count=2, code=3)
    with nothing_switched():
        run = project.environment.deploy("1.0.0")
    says(run, ["the migration failed, and no host was switched", "exited with code 3.", "row 0", "row 1"])
    assert one_offs("--all") == []


def abandoned(project: Project) -> str:
    """The name of the container of a migration whose module was killed in the middle of it."""
    with project.environment.begun("1.0.0") as deploy, nothing_switched():
        [name] = eventually(one_offs, "the migration is at work")
        eventually(lambda: "row 1" in on(HOST, "docker", "logs", name), "it has written")
        signal_rollout(HOST, signal.SIGKILL)
        output, _ = deploy.communicate(timeout=HANGS_AFTER_SECONDS)
    says(Run(deploy.returncode, output, 0), ["the migration ended without an answer, as a killed process does"])
    assert one_offs() == [name]
    return str(name)


@pytest.mark.deep
def test_a_migration_whose_module_was_killed_is_waited_for_and_two_are_never_at_work(project: Project) -> None:
    # Long enough to be still at work when a busy machine has come to the deploy that waits for it.
    project.migrate(count=45, timeout_seconds=120)
    abandoned(project)
    check = project.environment.deployed("1.0.0", "--check")
    says(
        check, ["the migration of release 1.0.0-", "is at work on this host (morpheus-migrate-run-", "a deploy would wait for it"]
    )
    run = project.environment.deployed("1.0.0")
    says(run, ["which an earlier run had started at", "was waited for; it ended well", "VERDICT deployed: staging 1.0.0"])
    assert len(runs()) == 2
    assert one_offs("--all") == []


@pytest.mark.deep
def test_a_migration_of_another_release_is_refused_beside_with_the_ways_to_see_and_to_stop_it(project: Project) -> None:
    project.migrate(count=600, timeout_seconds=600)
    name = abandoned(project)
    with nothing_switched():
        run = project.environment.deploy("1.1.0")
    assert run.code != 0
    says(run, [f"is still at work on this host: container {name}, since 20", "Two at once are never run."])
    says(run, [f"docker logs --follow {name}", f"docker stop {name}"])
    assert one_offs() == [name]
    on(HOST, "docker", "stop", name)
    project.migrate(count=1)
    project.environment.deployed("1.1.0")
    assert len(runs()) == 2


def refused(run: Run, *words: str) -> None:
    assert run.code != 0
    says(run, [*words, "VERDICT refused"])


@pytest.mark.deep
def test_two_files_with_one_version_are_refused_on_the_controller(project: Project) -> None:
    """C22."""
    (project.migrations / f"{VERSION}_other.sql").write_text("create table other ();\n")
    unreachable = json.dumps({"ansible_ssh_common_args": "-F /nonexistent"})
    run = project.environment.deploy("1.0.0", "-e", unreachable)
    refused(run, f"supabase/migrations/{VERSION}_other.sql and {FIRST} have the same version")
    assert "UNREACHABLE" not in run.output


@pytest.mark.deep
def test_an_edited_file_that_was_applied_is_refused_until_the_edit_is_accepted(project: Project) -> None:
    """C22."""
    file = project.root / "stacks" / "morpheus" / FIRST
    text = file.read_text()
    file.write_text(f"-- a comment\n{text}")
    before = STAGING.everything()
    with nothing_switched():
        refused(project.environment.deploy("1.0.0"), f"{FIRST}: was applied with another content (SHA-256 ")
    assert STAGING.everything() == before
    project.configure(accept_edited=[VERSION])
    project.environment.deployed("1.0.0")
    # From now on it is what was applied, so the way back to what other tests deploy is an edit, too.
    file.write_text(text)
    project.configure(accept_edited=[])
    refused(project.environment.deploy("1.0.0"), "was applied with another content")
    project.configure(accept_edited=[VERSION])
    project.environment.deployed("1.0.0")


@pytest.mark.deep
def test_the_ledger_of_another_tool_is_refused_in_words_and_one_that_is_not_there_yet_is_not(project: Project) -> None:
    """C24."""
    ledger = "public.alembic_version"
    project.configure(ledger=ledger)
    project.environment.deployed("1.0.0")
    sql(f"create table {ledger} (version_num text)")
    try:
        before = STAGING.everything()
        refused(
            project.environment.deploy("1.1.0"),
            f"api.DATABASE_URL leads to a database that has a ledger {ledger} without a column version",
            'set stack.migration.preset, which knows their tables; for another tool set the ledger to ""',
        )
        assert STAGING.everything() == before
    finally:
        sql(f"drop table {ledger}")
