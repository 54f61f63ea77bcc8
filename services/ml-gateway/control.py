"""python3 -m app.control: what people and playbooks ask of the gateways of an environment, run in a container of one.

Says the mode, who switched it, what is used of the caps of this day and month, and which contracts were ever seen kept, as JSON.

live|mock|off --by NAME --why TEXT: switch the mode of the whole environment first. It is one row in the books, so every gateway
obeys with its next call, and it outlives restarts and releases.
--days N: say calls and money, too, since then or since the month began: by day, endpoint, model, provider and caller.
--ask [{"name", "endpoint", "request", "seconds", "bytes"}]: ask each of its endpoint, through this gateway and counted by its
books, and of the mock where there is one; say what was answered.
--keep [{"endpoint", "pin", "contract"}] --by NAME: these were seen kept.

Days and months are those of UTC.
"""

import argparse
import json
import os
import time
from collections.abc import Iterable, Iterator
from typing import Any, LiteralString

import httpx
import psycopg
from psycopg.rows import dict_row

from .books import MODE, OPTIONS
from .config import Config, read

SWITCH: LiteralString = """
    with before as (select mode from ml_gateway.state for update),
        after as (update ml_gateway.state set mode = %(mode)s returning mode),
        noted as (insert into ml_gateway.mode_history (mode, by, why)
            select %(mode)s, %(by)s, %(why)s from before where mode <> %(mode)s)
    select after.mode, before.mode as before from before, after
"""
HISTORY: LiteralString = "select at, mode, by, why from ml_gateway.mode_history order by at desc limit 10"
# Of today and of this month: 2026-11-26 begins with both.
SPENT: LiteralString = """
    select period, requests, money from ml_gateway.spent
    where starts_with(to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD'), period)
"""
CALLS: LiteralString = """
    select day, endpoint, model, provider, caller, count(*) as requests, sum(coalesce(cost, reserved)) as money,
        coalesce(sum(reserved) filter (where state in ('open', 'unknown')), 0) as unsettled
    from ml_gateway.calls
    where state <> 'released' and at >= least(
        date_trunc('month', clock_timestamp() at time zone 'utc') at time zone 'utc',
        (date_trunc('day', clock_timestamp() at time zone 'utc') - %s * interval '1 day') at time zone 'utc')
    group by day, endpoint, model, provider, caller order by day, money desc, endpoint, model, provider, caller
"""
KEEP: LiteralString = """
    insert into ml_gateway.contracts (endpoint, pin, contract, by)
    values (%(endpoint)s, %(pin)s, %(contract)s, %(by)s) on conflict do nothing
"""
KEPT: LiteralString = "select endpoint, pin, contract, at, by from ml_gateway.contracts order by at"


def main() -> None:
    parser = argparse.ArgumentParser(prog="app.control")
    parser.add_argument("mode", nargs="?", choices=("live", "mock", "off"))
    parser.add_argument("--by", default="")
    parser.add_argument("--why", default="")
    parser.add_argument("--days", type=int)
    parser.add_argument("--ask", type=json.loads, default=[])
    parser.add_argument("--keep", type=json.loads, default=[])
    given, config = parser.parse_args(), read()
    if given.mode == "mock" and not config.has_mock:
        why = "in production" if config.tier == "production" else "here, because urls has no mock"
        raise SystemExit(f"Mode mock is refused {why}. Use live or off.")
    if given.mode and not (given.by and given.why):
        raise SystemExit("Give --by and --why: the history says who switched, and for what.")
    found = {"answers": [answer(case, *target) for case in given.ask for target in targets(case, config)]}
    try:
        # A person waits, and no user does.
        options = {**OPTIONS, "row_factory": dict_row, "connect_timeout": 15}
        with psycopg.connect(os.environ["DATABASE_URL"], **options) as books:
            books.cursor().executemany(KEEP, [{**row, "by": given.by} for row in given.keep])
            found |= books.execute(SWITCH if given.mode else MODE, vars(given)).fetchone() or {}
            # What is said of calls and caps is of one moment, so that they agree.
            with books.transaction():
                books.execute("set transaction isolation level repeatable read")
                found |= {"history": books.execute(HISTORY).fetchall(), "kept": books.execute(KEPT).fetchall()}
                found["caps"] = list(caps(config, books.execute(SPENT)))
                if given.days is not None:
                    found["calls"] = books.execute(CALLS, [given.days]).fetchall()
    except psycopg.Error as error:
        raise SystemExit(f"The books cannot be reached ({type(error).__name__}).") from None
    print(json.dumps({"environment": config.environment, "tier": config.tier, **found}, default=str))


def caps(config: Config, spent: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each cap of a day or a month with what is used of it, and whether that is as much as warn_at says."""
    for row in spent:
        ending = "month" if len(row["period"]) == len("2026-11") else "day"
        for kind in ("requests", "money"):
            limit = config.limits.get(name := f"{kind}_per_{ending}")
            if limit is not None:
                is_near = row[kind] >= limit * config.warn_at
                yield {"cap": name, "used": row[kind], "limit": limit, "near": is_near, "period": row["period"]}


def targets(case: dict[str, Any], config: Config) -> Iterator[tuple[str, str]]:
    yield config.tier, f"http://127.0.0.1:{os.environ.get('UVICORN_PORT', '9100')}/v2/{case['endpoint']}/runsync"
    if config.has_mock:
        yield "mock", f"{config.urls['mock']}/{case['endpoint'].partition('@')[0]}/runsync"


def answer(case: dict[str, Any], target: str, url: str) -> dict[str, Any]:
    started, who = time.monotonic(), {"name": case["name"], "target": target}
    try:
        with httpx.Client(headers={"x-ml-caller": "contract"}, timeout=case["seconds"] + 5, trust_env=False) as client:
            found = client.post(url, json=case["request"], params={"wait": int(case["seconds"] * 1000)})
    except httpx.HTTPError as error:
        return {**who, "problem": type(error).__name__}
    told = {name: found.headers.get(f"x-ml-{name}", "") for name in ("provider", "model", "pin")}
    # What is larger than it may be is not handed on.
    content = found.text if len(found.content) <= case["bytes"] else ""
    about = {"seconds": round(time.monotonic() - started, 3), "bytes": len(found.content), "content": content}
    return {**who, "status": found.status_code, **about, **told}


if __name__ == "__main__":
    main()
