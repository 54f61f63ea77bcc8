"""The command line: measure all, tidy up, print the table."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

from tests.acceptance.world import STAGING, eventually
from tests.bench import compose, inside, rollouts
from tests.bench.figures import FLOOR, Sample, table

LONGEST_REQUEST_SECONDS = 3.0
_FLOOR = "floor: one replica, measured on the host"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--runs", type=int, default=5, choices=range(1, 101), metavar="N", help="of each kind (default: 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value there too")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sections = _measure(options.runs)
    except KeyboardInterrupt:
        return 130
    finally:
        print(f"staging back to {rollouts.STANDARD}", file=sys.stderr)
        # A deploy that was interrupted may still run on the host.
        eventually(lambda: STAGING.deploy(rollouts.STANDARD).code == 0, "staging is as it was", 180)
    command = shlex.join(["python", "-m", "tests.bench", *sys.argv[1:]])
    print(table(sections, _FLOOR))
    print(f"\n`{command}` on {os.cpu_count()} cores, {date.today()}; runs of each kind: {options.runs}.")
    if options.json:
        where = {"command": command, "cores": os.cpu_count(), "date": str(date.today())}
        options.json.write_text(json.dumps({**where, "sections": sections}, indent=1) + "\n")
    return 0


def _measure(runs: int) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}

    def measure(what: str, once: Callable[[str], Sample]) -> None:
        """``once`` for every run, with the releases in turn."""
        for number in range(runs):
            print(f"{what}: {number + 1} of {runs}", file=sys.stderr)
            found.setdefault(what, []).append(once(rollouts.RELEASES[number % 2]))

    STAGING.deployed(rollouts.STANDARD)
    measure(_FLOOR, _floor)
    measure("deploy, as configured", rollouts.deploy)
    with rollouts.unwatched() as options:
        # The first one replaces everything, because every service changed.
        STAGING.deployed(rollouts.STANDARD, *options)
        measure("deploy, without a watch window", lambda release: rollouts.deploy(release, options))
    STAGING.deployed(rollouts.STANDARD)
    measure("rollback, as configured", rollouts.rollback)
    STAGING.deployed(rollouts.STANDARD)
    measure("deploy of what runs already", rollouts.deploy_again)
    measure("deploy, as configured, without load", rollouts.cost)
    measure("peak memory on the host", rollouts.memory)
    with compose.project() as deploy:
        measure("`docker compose up -d`", deploy)
        measure("`docker compose up -d`, without load", compose.cost)
    return found


def _floor(_: str) -> Sample:
    seconds = inside.floor()
    return {
        "`docker run` returns, s": seconds["start"],
        "from there to the first 200 of /health, s": seconds["ready"],
        "the longest request, s": LONGEST_REQUEST_SECONDS,
        "`docker stop` of an idle replica, s": seconds["stop"],
        FLOOR: sum(seconds.values()) + LONGEST_REQUEST_SECONDS,
    }


if __name__ == "__main__":
    sys.exit(main())
