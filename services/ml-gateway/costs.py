"""python3 -m app.costs [--days N]: what the books say of calls and money, since then or since the month began, as JSON.

By day, endpoint, model, provider and caller; beside that the caps, and what is used of them. Days and months are those of UTC.
"""

import argparse
import json
import os
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from .books import OPTIONS
from .config import read
from .mode import SPENT, caps

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
    try:
        with psycopg.connect(os.environ["DATABASE_URL"], row_factory=dict_row, **OPTIONS) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            # Both in one snapshot, so that they agree.
            with connection.transaction():
                calls = connection.execute(CALLS, [asked.days]).fetchall()
                spent = connection.execute(SPENT).fetchall()
    except psycopg.Error as error:
        raise SystemExit(f"The books cannot be reached ({type(error).__name__}).") from None
    told: dict[str, Any] = {"environment": config.environment, "tier": config.tier, "calls": calls, "caps": caps(config, spent)}
    print(json.dumps(told, default=str))


if __name__ == "__main__":
    main()
