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

from .command import asked_once, tell
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
    with asked_once(", so nobody knows which contracts are kept.") as books:
        for row in given.keep:
            books.execute(KEEP, {**row, "by": given.by})
        kept = books.execute(KEPT).fetchall()
    tell(config, answers=[answer(case, *target) for case in given.ask for target in targets(case, config)], kept=kept)


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
