"""A backfill beside traffic: what users' statements take without it and meanwhile, in turns, so that what else the machine does
is in both. At the end of each turn the backfill is killed, and the next one goes on with it.

    python -m tests.bench.backfill --rows 1000000

Needs a Postgres server's programs and no sandbox. Statements begin when they are due, whether or not the one before has ended, so
what waits is counted from when it should have begun.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import quantiles
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]

from tests.migrations.postgres import Database, cluster
from tests.migrations.project import Project, claim

TABLE, FILL = "20260101000000_table", "20260102000000_fill"
CREATE = (
    "create table orders (id bigint generated always as identity primary key, note text not null, size int, visits int default 0)"
)

# A database that has been in use for a while has files of its log to write over. A new one makes each first, and whoever commits
# then waits for 16 MiB of zeros, whoever writes.
SETTINGS = ("fsync=on", "min_wal_size=1GB", "max_wal_size=4GB")


@dataclass
class Traffic:
    """So many transactions a second, each of which reads a row and writes another one, by ``users`` sessions in turn.

    ``patience_seconds``: a statement that takes longer has failed.
    """

    database: Database
    rows: int
    a_second: float
    users: int = 8
    patience_seconds: float = 0.0
    took: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @contextmanager
    def flows(self) -> Iterator[None]:
        over = threading.Event()
        begin = time.monotonic()
        threads = [threading.Thread(target=self._user, args=(number, begin, over)) for number in range(self.users)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def _user(self, number: int, begin: float, over: threading.Event) -> None:
        dice, turn = random.Random(number), number
        with self.database.session() as session:
            session.execute(f"set statement_timeout = {int(self.patience_seconds * 1000)}")
            while not over.wait(max(0.0, begin + turn / self.a_second - time.monotonic())):
                try:
                    session.execute("select note, size from orders where id = %s", [dice.randint(1, self.rows)])
                    session.execute("update orders set visits = visits + 1 where id = %s", [dice.randint(1, self.rows)])
                except Exception as exc:
                    self.failed.append(str(exc))
                self.took.append(time.monotonic() - begin - turn / self.a_second)
                turn += self.users

    def row(self, what: str) -> str:
        cuts = quantiles(self.took, n=1000)
        figures = (cuts[499], cuts[989], cuts[998], max(self.took))
        return f"| {what} | {len(self.took)} | " + " | ".join(f"{one * 1000:.1f}" for one in figures) + f" | {len(self.failed)} |"

    @property
    def p99(self) -> float:
        return quantiles(self.took, n=100)[98]


def measure(rows: int, batch: int, a_second: float, seconds: float) -> int:
    with cluster(*SETTINGS) as postgres, postgres.database() as database, tempfile.TemporaryDirectory() as root:
        claim(database)
        project = Project(Path(root), database)
        project.write({TABLE: CREATE})
        project.apply()
        database.rows("insert into orders (note) select repeat('n', n %% 50) from generate_series(1, %s) n", rows)
        _vacuum(database)
        database.rows("checkpoint")
        fill = f"-- backfill key=id batch={batch}\nupdate orders set size = coalesce(size, 0) + 1 + length(note)"
        project.write({TABLE: CREATE, FILL: fill})
        # Of quiet turns two, as alike as can be: what differs between them is the machine.
        during, *quiet = (Traffic(database, rows, a_second) for _ in range(3))
        took, kills, result = 0.0, -1, None
        while result is None:
            with quiet[kills % 2].flows():
                time.sleep(seconds)
            began = time.monotonic()
            with during.flows():
                result = _for_a_while(project, seconds)
            took, kills = took + time.monotonic() - began, kills + 1
        wrong = database.value("select count(*) from orders where size is distinct from 1 + length(note)")
    alone = Traffic(database, rows, a_second, took=[*quiet[0].took, *quiet[1].took], failed=[*quiet[0].failed, *quiet[1].failed])
    print("| | transactions | p50 ms | p99 ms | p99.9 ms | longest ms | failed |\n|---|---|---|---|---|---|---|")
    print(alone.row("without"))
    print(during.row("meanwhile"))
    print(
        f"\n{rows} rows in batches of at most {batch}, killed {kills} times and gone on with, {took:.0f} s in all: "
        f"{result['backfills']}; {wrong} rows not written exactly once; "
        f"p99 is {during.p99 / alone.p99:.2f} times that without; of the quiet turns, half are {_apart(*quiet):.2f} times the "
        f"others.\n`python -m tests.bench.backfill --rows {rows} --batch {batch} --rate {a_second:g} --seconds {seconds:g}` on "
        f"{os.cpu_count()} cores, {date.today()}."
    )
    return 1 if wrong or alone.failed or during.failed else 0


def _for_a_while(project: Project, seconds: float) -> dict[str, Any] | None:
    """What the module answered, or None where the time was over first."""
    run = project.start(timeout_seconds=3600)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if run.has_ended():
            return run.answer()
        time.sleep(0.1)
    run.kill()
    return None


def _apart(one: Traffic, other: Traffic) -> float:
    return max(one.p99, other.p99) / min(one.p99, other.p99) if one.took and other.took else math.nan


def _vacuum(database: Database) -> None:
    with database.session() as session:
        session.execute("vacuum analyze orders")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.backfill")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=5000, help="rows in a batch at most (default: 5000)")
    parser.add_argument("--rate", type=float, default=50.0, help="transactions a second (default: 50)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a turn (default: 10)")
    options = parser.parse_args()
    return measure(options.rows, options.batch, options.rate, options.seconds)


if __name__ == "__main__":
    sys.exit(main())
