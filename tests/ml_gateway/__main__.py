"""python -m tests.ml_gateway: what the gateway adds to a call, beside calls that go to the provider directly."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

sys.path[:0] = [str(Path(__file__).parents[2])]

from tests.ml_gateway.postgres import Database, cluster
from tests.ml_gateway.world import KEY, providers, story, world


async def times(url: str, rate: float, seconds: float) -> list[float]:
    """Milliseconds of each call. They begin by the clock, so a slow one keeps no other from beginning."""
    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=None, max_keepalive_connections=500)) as client:

        async def call(number: int) -> float:
            await asyncio.sleep(number / rate)
            begun = time.perf_counter()
            answer = await client.post(url, json=story(0), headers={"Authorization": f"Bearer {KEY}"})
            answer.raise_for_status()
            return (time.perf_counter() - begun) * 1000

        return await asyncio.gather(*(call(number) for number in range(round(rate * seconds))))


def line(name: str, found: list[float]) -> str:
    tenths = statistics.quantiles(found, n=100)
    return f"{name:12} {len(found):6} {statistics.median(found):9.1f} {tenths[9]:9.1f} {tenths[89]:9.1f} {tenths[98]:9.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.ml_gateway", description=__doc__)
    parser.add_argument("--rate", type=float, default=100, help="calls a second (100)")
    parser.add_argument("--seconds", type=float, default=20, help="how long (20)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, cluster() as postgres, postgres.database() as database:
        compared(asked.rate, asked.seconds, Path(directory), database)


def compared(rate: float, seconds: float, directory: Path, database: Database) -> None:
    with providers(directory) as found_providers, world(directory, database, found_providers) as wide:
        urls = {"direct": f"{wide.stub.url}/v2/ep-comic/runsync", "gateway": f"{wide.gateway().url}/v2/comic/runsync"}
        # So that neither measures how it starts.
        for url in urls.values():
            asyncio.run(times(url, 20, 1))
        found = {name: asyncio.run(times(url, rate, seconds)) for name, url in urls.items()}
    print("milliseconds  calls    median       10%       90%       99%")
    for name, each in found.items():
        print(line(name, each))
    print(f"the gateway adds {statistics.median(found['gateway']) - statistics.median(found['direct']):.1f} ms (median)")


if __name__ == "__main__":
    main()
