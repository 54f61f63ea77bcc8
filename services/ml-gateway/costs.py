"""python3 -m app.costs [--days N]: what the books say of calls and money, since then or since the month began, as JSON.

By day, endpoint, model, provider and caller; beside that the caps, and what is used of them. Days and months are those of UTC.
"""

import argparse
from typing import LiteralString

from psycopg import IsolationLevel

from .command import asked_once, tell
from .config import read
from .mode import caps

CALLS: LiteralString = """
    select day, endpoint, model, provider, caller, count(*) as requests, sum(coalesce(cost, reserved)) as money,
        coalesce(sum(reserved) filter (where state in ('open', 'unknown')), 0) as unsettled
    from ml_gateway.calls
    where state <> 'released' and at >= least(
        date_trunc('month', clock_timestamp() at time zone 'utc') at time zone 'utc',
        (date_trunc('day', clock_timestamp() at time zone 'utc') - %s * interval '1 day') at time zone 'utc')
    group by day, endpoint, model, provider, caller order by day, money desc, endpoint, model, provider, caller
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="app.costs")
    parser.add_argument("--days", type=int, default=30)
    asked, config = parser.parse_args(), read()
    with asked_once() as books:
        books.isolation_level = IsolationLevel.REPEATABLE_READ
        # Both in one snapshot, so that they agree.
        with books.transaction():
            calls = books.execute(CALLS, [asked.days]).fetchall()
            tell(config, calls=calls, caps=list(caps(config, books)))


if __name__ == "__main__":
    main()
