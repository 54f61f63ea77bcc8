"""The login that reads the ledger, made and used on a real Postgres that asks for passwords."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg2  # type: ignore[import-untyped,unused-ignore] # the stubs are not needed here
import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base import env_file
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import ledger
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.host import HostIdentity, Owner
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack
from ansible_collections.morpheus.deploy.plugins.modules import ledger_login

from tests.migrations.postgres import Cluster, Database, cluster
from tests.migrations.project import claim
from tests.unit.module_run import run_module

PASSWORD = "reader-canary"
LEDGER = "public.versions"
NOW = "2026-07-01T12:00:00Z"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Of the superuser no password is asked, of anybody else one is."""
    rules = Path("/tmp") / f"{tmp_path_factory.mktemp('hba').parent.name}-hba.conf"
    rules.write_text("host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
    rules.chmod(0o644)
    try:
        with cluster(f"hba_file={rules}") as found:
            yield found
    finally:
        rules.unlink()


@pytest.fixture
def database(strict: Cluster) -> Iterator[Database]:
    with strict.database() as found:
        claim(found)
        found.rows(f"create table {LEDGER} (version text primary key)")
        found.rows(f"insert into {LEDGER} values ('0001'), ('0002')")
        yield found
        found.rows("drop owned by reader cascade" if exists(found) else "select 1")
        found.rows("drop role if exists reader")


def exists(database: Database) -> bool:
    return bool(database.value("select exists (select from pg_roles where rolname = 'reader')"))


def url(database: Database, role: str = "reader", password: str = PASSWORD) -> str:
    return f"postgresql://{role}:{password}@127.0.0.1:{database.port}/{database.name}"


def make(database: Database, capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"url": database.url, "variable": "api.DATABASE_URL", "environment": "staging", "ledger": LEDGER}
    given |= {"reader": url(database), "reader_variable": "ledger.DATABASE_URL", "without_lease": True, **options}
    found = run_module(ledger_login, capsys, given)
    assert "canary" not in json.dumps(found.get("msg", ""))
    return found


def test_a_role_is_made_that_reads_the_ledger_and_nothing_else(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    database.rows("create table people (name text)")
    assert make(database, capsys)["changed"]
    assert not make(database, capsys)["changed"]
    with psycopg2.connect(url(database)) as connection, connection.cursor() as cursor:
        cursor.execute(f"select count(*) from {LEDGER}")
        assert cursor.fetchone() == (2,)
        for statement in ("select * from people", f"delete from {LEDGER}", "create table own ()"):
            cursor.execute("savepoint before")
            with pytest.raises((psycopg2.errors.InsufficientPrivilege, psycopg2.errors.ReadOnlySqlTransaction)):
                cursor.execute(statement)
            cursor.execute("rollback to savepoint before")
    connection.close()


def test_read_only_does_not_rest_on_a_setting_that_the_login_may_change(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    make(database, capsys)
    connection = psycopg2.connect(url(database))
    connection.set_session(readonly=False, autocommit=True)
    with connection.cursor() as cursor:
        cursor.execute("set default_transaction_read_only = off")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(f"delete from {LEDGER}")
    connection.close()


def test_a_new_password_is_given_to_the_role_that_is_there(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    make(database, capsys)
    assert make(database, capsys, reader=url(database, password="another-canary"))["changed"]
    assert make(database, capsys)["changed"], "the old one was refused"


def test_a_ledger_that_comes_later_is_opened_then(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    later = {"ledger": "alembic:public.alembic_version"}
    assert make(database, capsys, **later)["changed"]
    assert not make(database, capsys, **later)["changed"]
    database.rows("create table alembic_version (version_num varchar(32) primary key)")
    assert make(database, capsys, **later)["changed"]


def test_check_mode_makes_nothing(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    assert make(database, capsys, _ansible_check_mode=True)["changed"]
    assert not exists(database)


MORE = [
    pytest.param("create role reader login superuser", "a superuser", id="a superuser"),
    pytest.param("create role reader login createrole", "may make roles", id="one that makes roles", marks=pytest.mark.deep),
    pytest.param(f"create role reader login; grant update on {LEDGER} to reader", "may write the ledger", id="one that writes"),
    pytest.param(
        "create role reader login; grant pg_write_all_data to reader",
        "is a member of other roles",
        id="a member",
        marks=pytest.mark.deep,
    ),
    pytest.param(
        "create role reader login; create table own (); alter table own owner to reader",
        "owns objects",
        id="an owner",
        marks=pytest.mark.deep,
    ),
]


@pytest.mark.parametrize(("statements", "what"), MORE)
def test_a_role_that_may_do_more_is_no_reader(
    database: Database, capsys: pytest.CaptureFixture[str], statements: str, what: str
) -> None:
    database.rows(statements)
    refused = make(database, capsys)["msg"]
    assert 'the role "reader" is there and ' in refused
    assert what in refused
    database.rows(f"alter role reader password '{PASSWORD}'")
    assert what in make(database, capsys)["msg"], "nor is it one when its password fits"


def test_without_the_right_to_make_roles_the_statements_are_told(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    database.rows("create role app login password 'app-canary'")
    database.rows("grant pg_read_all_data to app")
    try:
        message = make(database, capsys, url=url(database, "app", "app-canary"))["msg"]
    finally:
        database.rows("drop owned by app; drop role app")
    assert message == (
        "api.DATABASE_URL may not make the role of ledger.DATABASE_URL. Whoever may, types once: create role reader login "
        "noinherit; grant usage on schema public to reader; grant select on public.versions to reader; then \\password reader"
    )


def test_another_environments_database_is_left_as_it_is(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is marked as staging's, expected production's" in make(database, capsys, environment="production")["msg"]
    assert not exists(database)


class Host:
    """A host below a directory, whose live release reads the ledger."""

    def __init__(self, root: Path, reader: str = "ledger.DATABASE_URL") -> None:
        self.releases = Releases("shop", root)
        migration = {"service": "migrate", "directory": "migrations", "ledger": LEDGER, "reader": reader}
        files = {"migrations/0001_a.sql": b"", "migrations/0002_b.sql": b""}
        self.releases.write_files("1.0.0-aa", "1.0.0", "staging", files)
        stack = Stack.of({"name": "shop", "compose_files": [], "migration": migration})
        schema = {"head": "0002", "compatible_since": ""}
        self.releases.write_manifest(Manifest("1.0.0-aa", "1.0.0", "staging", stack, schema=schema))

    def look(self, *, keep: bool = True) -> Mapping[str, Any]:
        return ledger.look(self.releases, NOW, release_id="1.0.0-aa", keep=keep)


@pytest.fixture
def host(database: Database, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    make(database, capsys)
    HostIdentity(tmp_path / "etc").write(Owner("staging", NOW))
    monkeypatch.setattr(ledger, "HostIdentity", lambda: HostIdentity(tmp_path / "etc"))
    found = Host(tmp_path)
    found.releases.write_secrets({"ledger.env": env_file.render({"DATABASE_URL": url(database)})})
    return found


def versions(found: Mapping[str, Any]) -> list[str]:
    return [row["version"] for row in found["rows"]]


def test_a_host_reads_what_is_in_the_database_now(database: Database, host: Host) -> None:
    assert (host.look()["source"], versions(host.look())) == ("live", ["0001", "0002"])
    database.rows(f"insert into {LEDGER} values ('0003')")
    found = host.look()
    assert (versions(found), found["at"], found["why"]) == (["0001", "0002", "0003"], NOW, "")
    assert found["releases"]["1.0.0-aa"]["migrations"][1] == {"version": "0002", "paths": ["migrations/0002_b.sql"]}
    assert oct((host.releases.secrets / "ledger.env").stat().st_mode)[-3:] == "600"


def silent(database: Database, host: Host) -> str:
    host.releases.write_secrets({"ledger.env": env_file.render({"DATABASE_URL": "postgresql://reader:x@127.0.0.1:1/shop"})})
    return "leads to a database that cannot be used from this host"


def locked(database: Database, host: Host) -> str:
    database.rows("alter role reader password 'rotated'")
    return "password authentication failed"


def taken_away(database: Database, host: Host) -> str:
    database.rows(f"revoke select on {LEDGER} from reader")
    return f"leads to a database that has a ledger {LEDGER} that this user may not read"


def moved(database: Database, host: Host) -> str:
    database.rows("update morpheus_deploy.identity set environment = 'production'")
    return "is marked as production's, expected staging's"


def lost(database: Database, host: Host) -> str:
    (host.releases.secrets / "ledger.env").unlink()
    return "in which its login ledger.DATABASE_URL lies, is not on this host; a deploy brings it"


@pytest.mark.parametrize(
    "fault", [silent, moved, *(pytest.param(one, marks=pytest.mark.deep) for one in (locked, taken_away, lost))]
)
def test_without_an_answer_what_was_seen_last_counts_and_that_is_said(database: Database, host: Host, fault: Any) -> None:
    host.look()
    database.rows(f"insert into {LEDGER} values ('0003')")
    why = fault(database, host)
    found = host.look()
    assert (found["source"], versions(found), found["at"]) == ("seen", ["0001", "0002"], NOW)
    assert why in found["why"]
    assert "canary" not in json.dumps(found)
    (host.releases.root / "ledger.json").unlink()
    assert host.look()["source"] == "none"


def test_what_was_seen_is_kept_for_root_alone_and_not_in_check_mode(host: Host) -> None:
    host.look(keep=False)
    assert not (host.releases.root / "ledger.json").exists()
    host.look()
    assert oct((host.releases.root / "ledger.json").stat().st_mode)[-3:] == "600"


def test_a_damaged_memory_is_none(database: Database, host: Host) -> None:
    host.look()
    silent(database, host)
    (host.releases.root / "ledger.json").write_text("{")
    assert host.look()["source"] == "none"


def test_without_a_reader_nobody_is_asked(database: Database, host: Host, tmp_path: Path) -> None:
    found = Host(tmp_path / "other", reader="").look()
    assert (found["source"], found["why"]) == ("none", "stack.migration.reader names no login that may ask it")
