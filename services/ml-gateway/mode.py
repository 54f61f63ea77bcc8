"""python3 -m app.mode [live|mock|off --by NAME --why TEXT]: read or switch the mode of the whole environment.

It is one row in the books, so every gateway obeys with its next call, and it outlives restarts and releases.
"""

import argparse
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg.rows import DictRow

from .command import asked_once, tell
from .config import Config, read

SWITCH = """
    with before as (select mode from ml_gateway.state for update),
        after as (update ml_gateway.state set mode = %(mode)s returning mode),
        noted as (insert into ml_gateway.mode_history (mode, by, why)
            select %(mode)s, %(by)s, %(why)s from before where mode <> %(mode)s)
    select after.mode, before.mode as before from before, after
"""
# Days and months are those of UTC.
SPENT = """
    select period, requests, money from ml_gateway.spent where period in (
        to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD'), to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM'))
"""
HISTORY = "select at, mode, by, why from ml_gateway.mode_history order by at desc limit 10"


def main() -> None:
    parser = argparse.ArgumentParser(prog="app.mode")
    parser.add_argument("mode", nargs="?", choices=("live", "mock", "off"))
    parser.add_argument("--by", default="")
    parser.add_argument("--why", default="")
    asked, config = parser.parse_args(), read()
    if asked.mode == "mock" and not config.has_mock:
        why = "in production" if config.tier == "production" else "here, because urls has no mock"
        raise SystemExit(f"Mode mock is refused {why}. Use live or off.")
    if asked.mode and not (asked.by and asked.why):
        raise SystemExit("Give --by and --why: the history says who switched, and for what.")
    with asked_once(". The mode stays as it is.") as books:
        state = books.execute(SWITCH if asked.mode else "select mode from ml_gateway.state", vars(asked)).fetchone() or {}
        tell(config, **state, history=books.execute(HISTORY).fetchall(), caps=list(caps(config, books)))


def caps(config: Config, books: psycopg.Connection[DictRow]) -> Iterator[dict[str, Any]]:
    """Each cap of a day or a month with what is used of it, and whether that is as much as warn_at says."""
    for row in books.execute(SPENT):
        ending = "month" if len(row["period"]) == len("2026-11") else "day"
        for kind in ("requests", "money"):
            limit = config.limits.get(name := f"{kind}_per_{ending}")
            if limit is not None:
                is_near = row[kind] >= limit * config.warn_at
                yield {"cap": name, "used": row[kind], "limit": limit, "near": is_near, "period": row["period"]}


if __name__ == "__main__":
    main()
