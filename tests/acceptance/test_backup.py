# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups with the playbooks on the sandbox's hosts: made with an image, lost, restored; and production's data in staging."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.world import PRODUCTION, ROOT, STAGING, Environment, Run, by_command, edited_stack, kill_modules, on, says
from tests.backup import age
from tests.hangs import HANGS_AFTER_SECONDS

pytestmark = [pytest.mark.deep]
IMAGE = "postgres:17"
DIRECTORY = "/var/backups/morpheus.deploy"
EXPORTS = "/var/backups/exports"
ROWS = 20_000
DATABASES = {"staging": "supabase-staging", "production": "supabase-production"}
TOLD = "select count(*), coalesce(sum(('x' || left(md5(s::text), 15))::bit(60)::bigint::numeric), 0) from public.stories s"


def sql(environment: Environment, statement: str) -> str:
    psql = ("psql", "--username=postgres", "-At", "--set=ON_ERROR_STOP=1", f"--command={statement}")
    return on(DATABASES[environment.name], *psql).strip()


@dataclass(frozen=True)
class Backed:
    """An environment with backups on its first host, of ``schemas``, or of all of its database."""

    environment: Environment
    key: age.Key
    schemas: tuple[str, ...] = ()

    @property
    def host(self) -> str:
        return self.environment.hosts[0]

    def options(self, **more: Any) -> list[str]:
        said = {
            "backup": {
                "image": IMAGE,
                "recipients": [self.key.recipient],
                "directory": DIRECTORY,
                "schemas": [*self.schemas],
            },
            "backup_database_url": "{{ vault_database_url }}",
            "backup_identity": self.key.identity,
            **more,
        }
        return ["-e", json.dumps(said)]

    def play(self, playbook: str, *options: str, **more: Any) -> Run:
        return self.environment.play(f"playbooks/{playbook}.yml", *self.options(**more), *options)

    def done(self, playbook: str, *options: str, **more: Any) -> Run:
        run = self.play(playbook, *options, **more)
        assert run.code == 0, run.output
        assert self.key.identity not in run.output
        return run

    def names(self) -> list[str]:
        return sorted(Path(line).stem for line in on(self.host, "sh", "-c", f"ls {DIRECTORY}/*.json").split())


def prepared(environment: Environment, *schemas: str) -> Backed:
    environment.deployed("1.0.0")
    backed = Backed(environment, age.key(), schemas)
    backed.done("provision", "--tags", "backup")
    sql(environment, "truncate public.stories restart identity cascade")
    sql(environment, f"insert into public.stories (title, text) select 't' || n, 'text ' || n from generate_series(1, {ROWS}) n")
    return backed


@pytest.fixture
def backed(staging: Environment) -> Iterator[Backed]:
    with age.on_the_path():
        found = prepared(staging)
        yield found
        on(found.host, "rm", "-rf", DIRECTORY, EXPORTS)


def test_backup_database_destroyed_restore_rows_equal(backed: Backed, capsys: pytest.CaptureFixture[str]) -> None:
    environment = backed.environment
    before = sql(environment, TOLD)
    run = backed.done("backup")
    says(run, ["verified by a restore at", "VERDICT done"])
    [name] = backed.names()
    says(backed.done("backup", "-e", "backup_do=list"), [name, "verified"])
    says(backed.done("backup", "-e", "backup_do=drill"), [f"{name} was decrypted and restored in"])
    says(backed.done("status"), ["BACKUP", f"({name})", "RESTORE DRILL"])
    assert "backup_last_success_timestamp_seconds" in on(backed.host, "cat", "/var/lib/morpheus.deploy/metrics/backup.prom")
    # Nothing of it can be read on the host, and no container is left.
    archive = f"{DIRECTORY}/{name}.dump.age"
    assert on(backed.host, "head", "-c", "21", archive) == "age-encryption.org/v1"
    assert on(backed.host, "docker", "ps", "--all", "--quiet", "--filter", "label=morpheus.deploy.backup").strip() == ""
    # Without a confirmation it is said what would be lost, and nothing is.
    sql(environment, "insert into public.stories (title, text) values ('later', 'later')")
    refused = backed.play("restore", "-e", f"restore_backup={name}", "-e", "restore_confirm=production")
    assert refused.code == 2
    says(refused, [f"{ROWS + 1} rows now, {ROWS} rows in the backup", "type -e restore_confirm=staging with the same command"])
    assert sql(environment, "select count(*) from public.stories") == str(ROWS + 1)
    # All of it, whatever other tests have left there.
    schemas = sql(environment, "select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'")
    sql(environment, "".join(f'drop schema "{name}" cascade; ' for name in schemas.split()) + "create schema public")
    began = time.monotonic()
    restored = backed.done("restore", "-e", f"restore_backup={name}", "-e", "restore_confirm=staging")
    seconds = time.monotonic() - began
    says(restored, ["loses nothing: the database is empty", f"{name} was restored in", "VERDICT deployed"])
    assert sql(environment, TOLD) == before
    assert environment.health()[0] == 200
    with capsys.disabled():
        print(f"\n{ROWS} rows: destroyed and restored in {seconds / 60:.1f} minutes")


def test_a_killed_backup_leaves_nothing_that_the_next_one_does_not_clean_up(backed: Backed) -> None:
    command = backed.environment.command("playbooks/backup.yml", *backed.options())
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        deadline = time.monotonic() + 300
        while not on(backed.host, "docker", "ps", "--quiet", "--filter", "label=morpheus.deploy.backup").strip():
            assert run.poll() is None, "it ended before anybody could kill it"
            assert time.monotonic() < deadline, "no container came"
            time.sleep(0.1)
        kill_modules(backed.host)
        assert run.wait() != 0
    backed.done("backup")
    assert len(backed.names()) == 1
    assert on(backed.host, "docker", "ps", "--all", "--quiet", "--filter", "label=morpheus.deploy.backup").strip() == ""
    assert ".partial" not in on(backed.host, "ls", "-A", DIRECTORY)


def test_a_migration_of_unknown_kind_is_backed_up_first(backed: Backed, tmp_path: Path) -> None:
    environment = backed.environment.copied(tmp_path)
    path = tmp_path / "stacks" / "morpheus" / "supabase" / "migrations" / "20990101000000_later.sql"
    path.write_text("alter table public.stories add column if not exists later int;\n")
    # Of Supabase's files it is known what they are; of a command it is not.
    with edited_stack(tmp_path / "inventories") as stack:
        by_command(stack)
    run = environment.deploy("1.0.0", *backed.options())
    assert run.code == 0, run.output
    says(run, ["Back the database up before what it holds is changed", "verified by a restore at"])
    [name] = backed.names()
    record = json.loads(on(backed.host, "cat", f"{DIRECTORY}/{name}.json"))
    assert record["why"] == "before the migrations of 1.0.0"
    sql(backed.environment, "alter table public.stories drop column later")
    # Nobody else ships it.
    sql(backed.environment, "delete from supabase_migrations.schema_migrations where version = '20990101000000'")


def carried(source: Backed, target: Backed) -> None:
    """As a bucket would: what is carried can be opened with the target's key alone."""
    pack = ["docker", "exec", source.host, "tar", "-C", EXPORTS, "-cf", "-", "."]
    packed = subprocess.run(pack, check=True, capture_output=True, timeout=HANGS_AFTER_SECONDS).stdout
    on(target.host, "mkdir", "-p", "-m", "0700", EXPORTS)
    unpack = ["docker", "exec", "--interactive", target.host, "tar", "-C", EXPORTS, "-xf", "-"]
    subprocess.run(unpack, input=packed, check=True, capture_output=True, timeout=HANGS_AFTER_SECONDS)


# What people are called there and how they can be reached: other words in each run, as a database's files remember the last one.
MARK, NUMBER = secrets.token_hex(4), f"{secrets.randbelow(10**8):08}"
PERSONS = f"zacharias{MARK}|quittenbaum{MARK}|170 ?{NUMBER}"
PEOPLE = """
create table public.people (id int primary key, mail text, about jsonb, known_as text[], notes text, photo text);
"""
FILLED = f"""
insert into public.people select n, 'zacharias{MARK}' || n || '@quittenbaum.example', jsonb_build_object('Dr. Quittenbaum{MARK}',
    jsonb_build_array('+49 170 {NUMBER}')), array['Zacharias Quittenbaum{MARK}', null], 'Mr. Quittenbaum{MARK}, +49 170{NUMBER}',
    'quittenbaum{MARK}/' || n || '.jpg' from generate_series(1, 80000) n;
"""
RULES = """
tables:
  public.stories: {title: name, text: text}
  public.people: {mail: email, about: json, known_as: text, notes: text, photo: path}
"""
# What other processes are, and not what is stored.
GREP = ("grep", "-rlaiE", "--exclude-dir=proc", "--exclude-dir=sys", "--exclude-dir=dev", PERSONS)


@pytest.fixture
def exporting() -> Iterator[tuple[Backed, Backed]]:
    """Production with persons in it, and staging, to which its data are to come."""
    with age.on_the_path():
        # Other tests leave schemas of other stacks there, which staging does not have.
        both = prepared(PRODUCTION, "public"), prepared(STAGING)
        for one in both:
            sql(one.environment, f"drop table if exists public.people; {PEOPLE}")
        sql(PRODUCTION, FILLED)
        yield both
        for one in both:
            sql(one.environment, "drop table public.people")
            on(one.host, "rm", "-rf", DIRECTORY, EXPORTS)


def found_of_persons(host: str) -> set[str]:
    """Files of a host or of a database's server that hold something of a person, and "log" for what its engine wrote down."""
    files = set(on(host, *GREP, "/", check=False).splitlines())
    said = subprocess.run(["docker", "logs", host], capture_output=True, timeout=HANGS_AFTER_SECONDS, check=True)
    log = (said.stdout + said.stderr).decode(errors="replace")
    if host in STAGING.hosts:
        log += on(host, "journalctl", "--no-pager", "--output=cat")
        log += on(host, "sh", "-c", "for one in $(docker ps --all --quiet); do docker logs $one 2>&1; done")
    return files | ({"log"} if re.search(PERSONS, log, re.IGNORECASE) else set())


@pytest.mark.lane("rest")
def test_data_of_production_come_to_staging_without_a_person(exporting: tuple[Backed, Backed], tmp_path: Path) -> None:
    production, staging = exporting
    rules = tmp_path / "masking.yml"
    sql(PRODUCTION, f"update public.stories set title = 'Zacharias Quittenbaum{MARK}', text = 'call +49 170 {NUMBER}'")
    production.done("backup")
    exports = {"does": "exports", "directory": EXPORTS, "recipients": [staging.key.recipient], "masking": str(rules)}
    rules.write_text(RULES.replace(", text: text", ""))
    refused = production.play("export_data", staging_data=exports)
    assert refused.code == 2
    says(refused, ["public.stories.text: has no rule, and"])
    rules.write_text(RULES)
    production.done("export_data", staging_data=exports)
    carried(production, staging)
    imports = {"does": "imports", "directory": EXPORTS, "image": IMAGE}
    more = {"staging_data_database_url": "{{ vault_database_url }}", "staging_data_identity": staging.key.identity}
    run = staging.done("import_data", staging_data=imports, **more)
    says(run, ["100000 rows with the data of"])
    assert sql(STAGING, "select count(*) from public.stories") == str(ROWS)
    assert sql(STAGING, "select count(*) from public.people") == "80000"
    # Written to the disk, and not only to memory.
    sql(STAGING, "checkpoint")
    sql(PRODUCTION, "checkpoint")
    control = "/var/lib/control"
    on(staging.host, "sh", "-c", f"echo Quittenbaum{MARK} >{control}")
    try:
        assert found_of_persons(staging.host) == {control}
    finally:
        on(staging.host, "rm", control)
    assert found_of_persons(DATABASES["staging"]) == set()
    # Where it is, it is found.
    assert any(path.startswith("/var/lib/postgresql/") for path in found_of_persons(DATABASES["production"]))
    assert not re.search(PERSONS, run.output, re.IGNORECASE)
    says(staging.done("status", staging_data=imports), ["STAGING DATA"])
