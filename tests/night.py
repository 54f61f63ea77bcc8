"""A night on call: something on staging's host is broken at random, and a clock runs until users are served and status is clean.

    python -m tests.night             whoever is on call sees only the clock
    python -m tests.night --seed 7    the same damage again

What was broken is said at the end. Meanwhile whoever is on call has the runbook and a terminal.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.acceptance.test_damage import EVERY_ROW, is_well, serves, shell
from tests.acceptance.world import BASE, STACK, STAGING

LIMIT_SECONDS = 3600
CALM_SECONDS = 10


def live_file(name: str) -> str:
    return f"{STACK}/releases/{STAGING.live()}/{name}"


# Beside what tests/acceptance/test_damage.py breaks: files, and what needs more than one command.
MORE: dict[str, Callable[[], object]] = {
    "lineage.json deleted": lambda: shell(f"rm {STACK}/lineage.json"),
    "the live manifest cut off": lambda: shell(f"truncate -s 20 {live_file('manifest.json')}"),
    "the routes emptied, and the edge restarted": lambda: shell(
        f": > {BASE}/edge/conf/routes.d/morpheus.map; docker restart edge-haproxy-1"
    ),
    "haproxy.cfg deleted, and the edge restarted": lambda: shell(
        f"rm {BASE}/edge/conf/haproxy.cfg; docker restart edge-haproxy-1 || true"
    ),
    "the certificate deleted, and the edge restarted": lambda: shell(
        f"rm {BASE}/edge/conf/certs/*.pem; docker restart edge-haproxy-1 || true"
    ),
    "the engine stopped": lambda: shell("systemctl stop docker.socket docker"),
    "every container removed": lambda: shell("docker rm -f $(docker ps -aq)"),
}
DAMAGES: dict[str, Callable[[], object]] = {**{name: row.damage for name, row in EVERY_ROW.items()}, **MORE}


@dataclass
class Night:
    """``served`` and ``clean``: seconds from the damage, for good."""

    damage: str
    hurt: float = 0.0
    served: float = 0.0
    clean: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.damage}: users went without for {self.hurt:.0f} s, were served for good after {self.served:.0f} s, "
            f"status was clean after {self.clean:.0f} s"
        )


def spend(name: str) -> Night:
    night = Night(name)
    started = time.monotonic()
    DAMAGES[name]()
    print("It is 3 a.m., and something on staging is broken.", flush=True)
    well, since = True, time.monotonic()
    while (now := time.monotonic()) - started < LIMIT_SECONDS:
        before, well = well, serves(STAGING)
        took = time.monotonic() - now
        night.hurt += 0 if well else took + 0.5
        if well is not before:
            since = time.monotonic()
            print(f"{since - started:5.0f} s  users are {'served' if well else 'NOT served'}", flush=True)
        if well and time.monotonic() - since > CALM_SECONDS:
            night.served = since - started
            if _is_clean():
                night.clean = time.monotonic() - started
                return night
        time.sleep(0.5)
    raise SystemExit(f"not mended within {LIMIT_SECONDS} s: {name}")


def _is_clean() -> bool:
    try:
        is_well(STAGING)
    except AssertionError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.night", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10_000, help="which damage; any number")
    seed = parser.parse_args().seed
    STAGING.deployed("1.0.0")
    night = spend(random.Random(seed).choice(sorted(DAMAGES)))
    print(f"seed {seed}: {night}")


if __name__ == "__main__":
    main()
