"""A backfill beside traffic: what users' statements take before it and meanwhile. It is killed half-way and gone on with.

    python -m tests.bench.backfill --rows 1000000

Needs a Postgres server's programs and no sandbox. Statements begin when they are due, whether or not the one before has ended, so
what waits is counted from when it should have begun.
"""

from __future__ import annotations

import argparse
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

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]

from tests.migrations.postgres import Database, cluster, eventually
from tests.migrations.project import Project, Run, claim

TABLE, FILL = "20260101000000_table", "20260102000000_fill"
PROGRESS = "supabase_migrations.morpheus_deploy_backfills"
CREATE = (
    "create table orders (id bigint generated always as identity primary key, note text not null, size int, visits int default 0)"
)


@dataclass
class Traffic:
    """So many transactions a second, each of which reads a row and writes another one, by ``users`` sessions in turn."""

    database: Database
    rows: int
    a_second: float
    users: int = 8
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
    with cluster("fsync=on") as postgres, postgres.database() as database, tempfile.TemporaryDirectory() as root:
        claim(database)
        project = Project(Path(root), database)
        project.write({TABLE: CREATE})
        project.apply()
        database.rows("insert into orders (note) select repeat('n', n %% 50) from generate_series(1, %s) n", rows)
        _vacuum(database)
        fill = f"-- backfill key=id batch={batch}\nupdate orders set size = coalesce(size, 0) + 1 + length(note)"
        project.write({TABLE: CREATE, FILL: fill})
        before, during, after = (Traffic(database, rows, a_second) for _ in range(3))
        with before.flows():
            time.sleep(seconds)
        began = time.monotonic()
        with during.flows():
            first: Run = project.start(timeout_seconds=3600)
            eventually(lambda: _read(database) >= rows // 2, "half of it is done")
            first.kill()
            left = _read(database)
            result = project.apply(timeout_seconds=3600)
        took = time.monotonic() - began
        # What the machine does besides shows in it.
        with after.flows():
            time.sleep(seconds)
        wrong = database.value("select count(*) from orders where size is distinct from 1 + length(note)")
    print("| | transactions | p50 ms | p99 ms | p99.9 ms | longest ms | failed |\n|---|---|---|---|---|---|---|")
    print(before.row("before"))
    print(during.row("meanwhile"))
    print(after.row("afterwards"))
    print(
        f"\n{rows} rows in batches of {batch}, killed behind {left} of them and gone on with: {took:.0f} s, "
        f"{result['backfills']}; {wrong} rows not written exactly once; "
        f"p99 is {during.p99 / before.p99:.2f} times that of before, "
        f"and {during.p99 / after.p99:.2f} times that of afterwards.\n"
        f"`python -m tests.bench.backfill --rows {rows} --batch {batch} --rate {a_second:g}` on {os.cpu_count()} cores, "
        f"{date.today()}."
    )
    return 1 if wrong or before.failed or during.failed or after.failed else 0


def _read(database: Database) -> int:
    there = database.value("select to_regclass(%s) is not null", PROGRESS)
    found = database.rows(f"select read from {PROGRESS}") if there else []
    return int(found[0][0]) if found else 0


def _vacuum(database: Database) -> None:
    with database.session() as session:
        session.execute("vacuum analyze orders")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.backfill")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=1000, help="rows in a batch (default: 1000)")
    parser.add_argument("--rate", type=float, default=50.0, help="transactions a second (default: 50)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of traffic before the backfill (default: 30)")
    options = parser.parse_args()
    return measure(options.rows, options.batch, options.rate, options.seconds)


if __name__ == "__main__":
    sys.exit(main())
