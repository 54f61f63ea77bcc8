"""python3 -m app.contract [--ask JSON | --keep JSON --by NAME]: contracts of ML endpoints, and for which pins they were kept.

--ask: [{"name", "endpoint", "request", "seconds", "bytes"}]; each is asked of the endpoint, through this gateway and counted by
its books, and of the mock where there is one. --keep: [{"endpoint", "pin", "contract"}] were seen kept. Says what was answered,
and all that was ever seen kept.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from typing import Any, LiteralString

import httpx
import psycopg
from psycopg.rows import dict_row

from .books import OPTIONS
from .config import Config, read

KEEP: LiteralString = """
    insert into ml_gateway.contracts (endpoint, pin, contract, by)
    values (%(endpoint)s, %(pin)s, %(contract)s, %(by)s) on conflict do nothing
"""
KEPT: LiteralString = "select endpoint, pin, contract, at, by from ml_gateway.contracts order by at"


def main() -> None:
    parser = argparse.ArgumentParser(prog="app.contract")
    parser.add_argument("--ask", type=json.loads, default=[])
    parser.add_argument("--keep", type=json.loads, default=[])
    parser.add_argument("--by", default="")
    given, config = parser.parse_args(), read()
    try:
        with psycopg.connect(os.environ["DATABASE_URL"], row_factory=dict_row, **OPTIONS) as connection:
            for row in given.keep:
                connection.execute(KEEP, {**row, "by": given.by})
            kept = connection.execute(KEPT).fetchall()
    except psycopg.Error as error:
        raise SystemExit(
            f"The books cannot be reached ({type(error).__name__}), so nobody knows which contracts are kept."
        ) from None
    answers = [answer for case in given.ask for answer in asked(case, config)]
    print(json.dumps({"environment": config.environment, "tier": config.tier, "answers": answers, "kept": kept}, default=str))


def asked(case: dict[str, Any], config: Config) -> Iterator[dict[str, Any]]:
    port = os.environ.get("UVICORN_PORT", "9100")
    yield answer(case, config.tier, f"http://127.0.0.1:{port}/v2/{case['endpoint']}/runsync")
    if config.has_mock:
        name = case["endpoint"].partition("@")[0]
        yield answer(case, "mock", f"{config.urls['mock']}/{name}/runsync")


def answer(case: dict[str, Any], target: str, url: str) -> dict[str, Any]:
    started, wait = time.monotonic(), {"wait": int(case["seconds"] * 1000)}
    try:
        found = httpx.post(
            url,
            json=case["request"],
            params=wait,
            headers={"x-ml-caller": "contract"},
            timeout=case["seconds"] + 5,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        return {"name": case["name"], "target": target, "problem": type(error).__name__}
    told = {name: found.headers.get(f"x-ml-{name}", "") for name in ("provider", "model", "pin")}
    # What is larger than it may be is not handed on.
    content = found.text if len(found.content) <= case["bytes"] else ""
    about = {"seconds": round(time.monotonic() - started, 3), "bytes": len(found.content), "content": content}
    return {"name": case["name"], "target": target, "status": found.status_code, **about, **told}


if __name__ == "__main__":
    main()
