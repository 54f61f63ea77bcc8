"""A database that exists only here, what modules of backups find in it, and how each of them ends in a certain way."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.backup import contents, database, make, news, restore, server
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.database import State
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.make import Making
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.record import BACKUP, EXPORT, FORMAT, Record, Table
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.restore import Restoring, UnansweredError
from ansible_collections.morpheus.deploy.plugins.module_utils.base import places
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import marker
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.marker import Seen

from tests.unit.endings.worlds import DriverError, World

OURS = Seen("staging", "7")
TABLE = ("public", "orders")
NAME = contents.quoted(*TABLE)
HELD = {NAME: Table(3, "17")}
ARCHIVE = b"encrypted"
MADE = Record(
    name="first",
    kind=BACKUP,
    environment="staging",
    at="2026-11-27T02:00:03Z",
    why="a test",
    server="17",
    sha256=hashlib.sha256(ARCHIVE).hexdigest(),
    size=len(ARCHIVE),
    verified="2026-11-27T02:04:11Z",
    roles=["app"],
    tables=HELD,
)


def described(**more: Any) -> dict[str, Any]:
    """A record as a module gets it: of a backup, or of what else is named."""
    return {"format": FORMAT, **asdict(replace(MADE, **more))}


def exported(**more: Any) -> dict[str, Any]:
    return described(kind=EXPORT, environment="production", **more)


class Connection:
    """Answers what it is asked with rows that are written down here."""

    server_version = 170005

    def __init__(self, answers: Mapping[str, Sequence[tuple[str, ...]]]) -> None:
        self.answers = answers
        self.asked = ""

    def set_session(self, **options: Any) -> None:
        """Nothing is written in any case."""

    def rollback(self) -> None:
        """Nothing was begun."""

    def close(self) -> None:
        """Nothing is open."""

    def cursor(self) -> nullcontext[Connection]:
        return nullcontext(self)

    def execute(self, query: str) -> None:
        self.asked = query

    def fetchall(self) -> list[tuple[str, ...]]:
        return list(self.answers.get(self.asked, []))


def backups(world: World, *, seen: Seen = OURS, tables: Sequence[tuple[str, ...]] = (TABLE,), role: str = "app") -> None:
    """A database with one table, one backup of it in a directory, and programs that do what they should."""
    patch = world.monkeypatch.setattr
    (world.root / "backups").mkdir()
    (world.root / "backups" / "first.dump.age").write_bytes(ARCHIVE)
    answers: dict[str, Sequence[tuple[Any, ...]]] = {
        contents.ROLES: [(role,)],
        contents.SCHEMAS: [("public",)],
        contents.tables(): tables,
        f"{contents.tables()} limit 1": tables,
        contents.digests([NAME])[0]: [(NAME, "5", "23")],
        f"select to_regclass('{database.LEDGER}') is not null": [(False,)],
    }
    errors = SimpleNamespace(InsufficientPrivilege=DriverError)
    driver = SimpleNamespace(Error=DriverError, errors=errors, connect=lambda **keywords: Connection(answers))
    patch(database, "import_error", None)
    patch(database, "psycopg2", driver)
    patch(marker, "look", lambda *arguments: seen)
    patch(places, "ROOT", world.root / "ours")
    patch(server, "refuse_other", lambda *arguments: "17")
    dumps(world)
    comes_back(world, HELD)
    patch(Restoring, "put", lambda *arguments: None)


def dumps(world: World, problem: str = "", error: Exception | None = None) -> None:
    """What becomes of a dump. ``problem``: why it could not be restored beside."""

    def dumped(making: Making, source: Any, wanted: Any, path: Path) -> tuple[Record, str]:
        path.write_bytes(ARCHIVE)
        if error:
            raise error
        return replace(MADE, name=wanted.name, verified="" if problem else MADE.verified), problem

    world.monkeypatch.setattr(Making, "_dumped", dumped)


def comes_back(world: World, held: Mapping[str, Table]) -> None:
    """What a server of its own holds after an archive was restored into it."""

    @contextmanager
    def scratch(restoring: Restoring, found: Record, rate: float = 0) -> Iterator[None]:
        yield None

    world.monkeypatch.setattr(Restoring, "scratch", scratch)
    world.monkeypatch.setattr(make, "held", lambda *arguments: State(held, [], [], []))


def unverified(world: World) -> None:
    backups(world)
    dumps(world, "pg_restore ended with 1: no extension postgis")


def no_room_for_a_backup(world: World) -> None:
    backups(world)
    dumps(world, error=world.full_disk())


def without_driver(world: World) -> None:
    backups(world)
    world.monkeypatch.setattr(database, "import_error", ImportError("no psycopg2"))


def at_work(world: World) -> None:
    """Another run is at work with backups on this host."""
    backups(world)
    (world.root / "ours" / "backup").mkdir(parents=True)
    # Open, and so locked, for as long as the world is there.
    world.stack.other_run = (world.root / "ours" / "backup" / "lock").open("w")  # type: ignore[attr-defined]
    fcntl.flock(world.stack.other_run, fcntl.LOCK_EX)  # type: ignore[attr-defined]


def cannot_note(world: World) -> None:
    """The disk is full when everything else is done."""
    backups(world)

    def full(*arguments: Any, **keywords: Any) -> None:
        raise world.full_disk()

    world.monkeypatch.setattr(news, "write_atomically", full)


def comes_back_otherwise(world: World) -> None:
    backups(world)
    comes_back(world, {NAME: Table(2, "17")})


def damaged(world: World) -> None:
    backups(world)
    (world.root / "backups" / "first.dump.age").write_bytes(b"other")


def gone(world: World) -> None:
    backups(world)
    (world.root / "backups" / "first.dump.age").unlink()


def undone(world: World) -> None:
    """The database refuses what is written, and the transaction with it."""
    _put(world, DeployError("the backup first was not restored, and the database is as it was: psql ended with 3: no"))


def unanswered(world: World) -> None:
    """The database is lost when it is told to commit."""
    _put(world, UnansweredError("nobody knows whether the database holds it"))


def _put(world: World, error: Exception) -> None:
    backups(world)

    def put(*arguments: Any) -> None:
        raise error

    world.monkeypatch.setattr(restore.Restoring, "put", put)
